"""What a model predicts: precision over recall with bands over repeats, its top edges as a network and as a heatmap."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import precision_recall_curve

from reports.figures.canvas import GREY, INK, SHADES, Drawing, across, named, panels, plain, ranked, short, styles
from reports.findings.results import Analysis
from reports.stored.cells import Predictions

GRID = np.arange(1, 101) / 100  # recall 0 is left out: precision is not defined there
MOST_ARMS = 4
FEWEST = 3  # repeats; the band of two is twelve standard errors wide and says nothing
TOP, HUBS = 100, 8
KNOWN, UNKNOWN = "#0072B2", "#E69F00"
_TFS, _TARGETS = 15, 30


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
    names = {arm: named(analysis, arm) for arm in analysis.arms if arm in handles} | {"guessing": "guessing"}
    labels = [*names.values()]
    lines = [handles[name] for name in names]
    figure.legend(lines, labels, loc="outside lower center", ncols=across(labels), frameon=False)
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


def subject(analysis: Analysis) -> str:
    """Name the arm whose edges are drawn: the reference, or the best where there is none."""
    if analysis.reference is not None:
        return analysis.reference
    own = analysis.scores[analysis.scores["metric"] == analysis.metric]
    return str(own.groupby("arm", sort=False)["mean"].mean().idxmax())


def mean_scores(predictions: Predictions, arm: str, dataset: str) -> pd.DataFrame:
    """Average what an arm predicted for each test pair over the repeats that asked for it, best first."""
    tables = predictions.of(arm, dataset)
    if not tables:
        return pd.DataFrame(columns=["tf", "target", "label", "score", "repeats"])
    pairs = pd.concat(tables, ignore_index=True).groupby(["tf", "target"], as_index=False)
    means = pairs.agg(label=("label", "max"), score=("score", "mean"), repeats=("score", "size"))
    return means.sort_values(["score", "tf", "target"], ascending=[False, True, True], ignore_index=True)


def network(scores: pd.DataFrame, top: int = TOP) -> Drawing | None:
    """Draw the edges that a model scores highest as a directed network, its hubs named.

    None with fewer than ten pairs: there is no network to see.
    """
    if len(scores) < 10:
        return None
    edges = scores.head(top)
    graph = nx.DiGraph()
    graph.add_edges_from(edges[["tf", "target"]].itertuples(index=False))
    out = {str(gene): degree for gene, degree in graph.out_degree()}
    hubs = sorted((g for g in graph if out[g]), key=lambda g: (-out[g], g))
    at = nx.spring_layout(graph, seed=0, k=1.6 / np.sqrt(len(graph)), iterations=120)
    _apart(at, hubs[:HUBS])
    figure, (axes,) = panels(1, 1, 5.2)
    axes.set_axis_off()
    axes.set_aspect("equal")
    for known, colour, style in ((1, KNOWN, "solid"), (0, UNKNOWN, (0, (3, 2)))):
        lines = [(at[e.tf], at[e.target]) for e in edges[edges["label"] == known].itertuples()]
        axes.add_collection(LineCollection(lines, colors=colour, linewidths=1.0, linestyles=[style], zorder=1))
        if lines:
            start, end = np.array(lines).transpose(1, 0, 2)
            middle, step = start + 0.62 * (end - start), end - start
            _heads(axes, middle, step, colour)
    targets = [g for g in graph if not out[g]]
    dots(axes, [at[g] for g in targets], s=12, c="#6b6b6b", zorder=2, linewidths=0)
    dots(axes, [at[g] for g in hubs], s=[20 + 12 * out[g] for g in hubs], c="white", edgecolors=INK, zorder=3)
    box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8}
    for gene in hubs[:HUBS]:
        where: dict[str, Any] = {"xytext": (0, 7), "textcoords": "offset points", "ha": "center"}
        axes.annotate(plain(gene), at[gene], **where, fontsize=9, bbox=box, zorder=4)
    handles = [
        Line2D([], [], color=KNOWN, label="known edge"),
        Line2D([], [], color=UNKNOWN, linestyle=(0, (3, 2)), label="not known"),
        Line2D(
            [], [], marker="o", linestyle="", color=INK, markerfacecolor="white", label="regulator (size: edges out)"
        ),
        Line2D([], [], marker="o", linestyle="", color="#6b6b6b", markersize=4, label="target"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return Drawing(figure, edges)


def _apart(at: dict[str, np.ndarray], hubs: list[str], least: float = 0.2) -> None:
    """Push hubs away from each other: two with the same targets come to lie on one spot."""
    for _ in range(30):
        for one, other in combinations(hubs, 2):
            gap = at[other] - at[one]
            far = float(np.linalg.norm(gap))
            if far < least:
                push = (least - far) / 2 * (gap / far if far > 0 else np.array([1.0, 0.0]))
                at[one], at[other] = at[one] - push, at[other] + push


def _heads(axes: Axes, middle: np.ndarray, step: np.ndarray, colour: str) -> None:
    """Point every edge from regulator to target, with one artist: a hundred arrow patches take a second."""
    length = np.linalg.norm(step, axis=1, keepdims=True)
    way = step / np.where(length > 0, length, 1)
    shape: dict[str, Any] = {
        "scale": 0.14,
        "width": 0.6,
        "headwidth": 9,
        "headlength": 10,
        "headaxislength": 9,
        "minlength": 0,
    }
    axes.quiver(*middle.T, *way.T, color=colour, pivot="mid", units="dots", scale_units="dots", zorder=2, **shape)


def dots(axes: Axes, places: Sequence[Any], **look: Any) -> None:
    """Draw a dot at every place, if there are any."""
    if len(places):
        axes.scatter([x for x, _ in places], [y for _, y in places], **look)


def score_heatmap(scores: pd.DataFrame) -> Drawing | None:
    """Draw the scores of the TFs and targets that a model ranks highest; None with fewer than two of each.

    They are those with the most pairs among its top edges.
    A dot marks a known edge; an empty cell is a pair that was not in the test.
    """
    top = scores.head(2 * TOP)
    tfs = _frequent(top["tf"], _TFS)
    targets = _frequent(top.loc[top["tf"].isin(tfs), "target"], _TARGETS)
    pairs = scores[scores["tf"].isin(tfs) & scores["target"].isin(targets)]
    if len(tfs) < 2 or len(targets) < 2:
        return None
    wide = pairs.pivot_table(index="tf", columns="target", values="score").reindex(index=tfs, columns=targets)
    figure, (axes,) = panels(1, 1, 1.5 + 0.2 * len(tfs))
    axes.spines[:].set_visible(False)
    image = axes.pcolormesh(np.ma.masked_invalid(wide.to_numpy()), cmap=SHADES, edgecolors="white", linewidth=0.6)
    known = pairs[pairs["label"] == 1]
    rows, columns = known["tf"].map(tfs.index), known["target"].map(targets.index)
    places = list(zip(columns + 0.5, rows + 0.5, strict=True))
    dots(axes, places, s=14, c="white", edgecolors="black", linewidths=0.6, zorder=3)
    names = [plain(str(g)) for g in targets]
    axes.set_xticks(np.arange(len(targets)) + 0.5, names, rotation=90, fontsize=9)
    axes.set_yticks(np.arange(len(tfs)) + 0.5, [plain(str(g)) for g in tfs], fontsize=9)
    axes.tick_params(length=0)
    axes.invert_yaxis()
    axes.set_xlabel("target")
    axes.set_ylabel("transcription factor")
    figure.colorbar(image, ax=axes, label="mean score", shrink=0.8, pad=0.02).outline.set_visible(False)
    return Drawing(figure, pairs.reset_index(drop=True))


def _frequent(genes: pd.Series, most: int) -> list[str]:
    counts = genes.value_counts()
    return sorted(counts.index, key=lambda gene: (-counts[gene], gene))[:most]
