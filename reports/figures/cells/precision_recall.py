"""Precision-recall curves of the arms, with bands over repeats."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import precision_recall_curve

from reports.figures.shared.canvas import GREY, panels, ranked
from reports.figures.shared.picture import Drawing
from reports.figures.shared.style import across, named, short, styles
from reports.findings.results import Analysis
from reports.stored.predictions import Predictions

GRID = np.arange(1, 101) / 100  # recall 0 is left out: precision is not defined there
MOST_ARMS = 4
FEWEST = 3  # repeats; the band of two is twelve standard errors wide and says nothing


def precision_recall(analysis: Analysis, predictions: Predictions) -> Drawing | None:
    """Draw precision over recall on every data set: reference, strongest control and the best other arms.

    Shaded are t bands over repeats, from three repeats on. None where no arm has predictions.
    """
    datasets = [d for d in analysis.datasets if d in set(predictions.cells["dataset"])]
    parts = [part for d in datasets if not (part := _data_set(analysis, predictions, d)).empty]
    if not parts:
        return None
    look, columns = styles(analysis), min(2, len(parts))
    figure, axes = panels(-(-len(parts) // columns), columns, 2.6 if columns > 1 else 3.4)
    for one, part in zip(axes, parts, strict=False):
        _panel(one, part, look)
    for spare in axes[len(parts) :]:
        spare.remove()
    numbers = pd.concat(parts, ignore_index=True)
    handles = {line.get_label(): line for one in axes[: len(parts)] for line in one.get_lines()}
    order = [arm for arm in analysis.arms if arm in handles]
    lines, names = [handles[arm] for arm in order], [named(analysis, arm) for arm in order]
    handles_, labels = [*lines, handles["guessing"]], [*names, "guessing"]
    figure.legend(handles_, labels, loc="outside lower center", ncols=across(labels), frameon=False)
    return Drawing(figure, numbers)


def curve(table: pd.DataFrame) -> NDArray[np.float64]:
    """Return the precision of one cell at every recall of ``GRID``: that of the strictest cut-off reaching it."""
    precision, recall, _ = precision_recall_curve(table["label"], table["score"])
    # sklearn runs from recall 1 down to 0: turned, the first index that reaches r is the strictest cut-off
    at = np.searchsorted(recall[::-1], GRID - 1e-12, side="left")
    return np.asarray(precision[::-1][at], dtype=float)


def _data_set(analysis: Analysis, predictions: Predictions, dataset: str) -> pd.DataFrame:
    parts = []
    for arm in _chosen(analysis, dataset):
        tables = [t for t in predictions.of(arm, dataset) if 0 < t["label"].sum() < len(t)]
        if not tables:
            continue
        curves = np.array([curve(t) for t in tables])
        mean, n = curves.mean(axis=0), len(curves)
        half = np.full(len(GRID), np.nan)
        if n >= FEWEST:
            half = float(stats.t.ppf(1 - analysis.alpha / 2, n - 1)) * stats.sem(curves, axis=0)
        positives = float(np.mean([t["label"].mean() for t in tables]))
        parts.append(
            pd.DataFrame(
                {
                    "dataset": dataset,
                    "arm": arm,
                    "recall": GRID,
                    "precision": mean,
                    "low": np.clip(mean - half, 0, 1),
                    "high": np.clip(mean + half, 0, 1),
                    "repeats": n,
                    "guessing": positives,
                }
            )
        )
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _chosen(analysis: Analysis, dataset: str) -> list[str]:
    """Choose whose curves to draw: the reference, the strongest control here, and the best others."""
    here = analysis.scores[(analysis.scores["metric"] == analysis.metric) & (analysis.scores["dataset"] == dataset)]
    means = here.set_index("arm")["mean"].dropna().sort_values(ascending=False, kind="stable")
    controls = [arm for arm in means.index if analysis.roles[arm] == "control"][:1]
    chosen = {analysis.reference, *controls, *ranked(analysis)[:MOST_ARMS]}
    return [arm for arm in analysis.arms if arm in chosen]


def _panel(axes: Axes, part: pd.DataFrame, look: dict[str, tuple[str, str]]) -> None:
    axes.axhline(part["guessing"].mean(), color=GREY, linewidth=1, linestyle=":", label="guessing")
    for arm, rows in part.groupby("arm", sort=False):
        colour, marker = look[str(arm)]
        if rows["low"].notna().any():
            axes.fill_between(rows["recall"], rows["low"], rows["high"], color=colour, alpha=0.18, linewidth=0)
        axes.plot(
            rows["recall"], rows["precision"], color=colour, marker=marker, markevery=20, markersize=4, label=str(arm)
        )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_title(short(part["dataset"].iloc[0], 28), fontsize=10)
    axes.set_xlabel("recall")
    axes.set_ylabel("precision")
