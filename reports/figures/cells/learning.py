"""How the models learned: loss and validation score per epoch, with the epoch that was kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from reports.figures.canvas import Drawing, across, named, panels, ranked, short, styles
from reports.findings.results import Analysis
from reports.stored.cells import STAGES, Curves
from reports.words.metrics import label

MOST_ARMS, MOST_REPEATS = 4, 10
_NAMES = {"joint": "joint stage", "graph": "graph stage"}
Look = dict[str, tuple[str, str]]


def learning(analysis: Analysis, curves: Curves) -> Drawing | None:
    """Draw the training of the reference and of the best other arms, a column per data set; None without any.

    Either stage has a row of losses and one of validation scores.
    """
    datasets = [d for d in analysis.datasets if d in set(curves.cells["dataset"])]
    numbers = _numbers(analysis, curves, datasets)
    if numbers.empty:
        return None
    columns = list(dict.fromkeys(numbers["dataset"]))
    rows = [(stage, what) for stage in STAGES if stage in set(numbers["stage"]) for what in ("loss", "validation")]
    figure, axes = panels(len(rows), len(columns), 1.75, sharey="row")
    look, panels_of = styles(analysis), dict(iter(numbers.groupby(["stage", "dataset"], sort=False)))
    for place, one in enumerate(axes):
        (stage, what), dataset = rows[place // len(columns)], columns[place % len(columns)]
        if (stage, dataset) in panels_of:
            _panel(one, panels_of[stage, dataset], what, look)
        if place < len(columns):
            one.set_title(short(dataset, 28), fontsize=10)
        if what == "validation":
            one.set_xlabel("epoch")
        if place % len(columns) == 0:
            metric = numbers.loc[numbers["stage"] == stage, "metric"].iloc[0]
            one.set_ylabel(f"{_NAMES[stage]}\n{'loss' if what == 'loss' else f'validation {label(metric)}'}")
    figure.align_ylabels()
    present = set(numbers["arm"])
    arms = [arm for arm in analysis.arms if arm in present]
    lines = [Line2D([], [], color=look[arm][0], marker=look[arm][1], markersize=5) for arm in arms]
    names = [named(analysis, arm) for arm in arms]
    figure.legend(lines, names, loc="outside lower center", ncols=across(names), frameon=False)
    return Drawing(figure, numbers)


def _numbers(analysis: Analysis, curves: Curves, datasets: list[str]) -> pd.DataFrame:
    """Gather the curves drawn: one row per epoch of a stage of a cell."""
    parts: list[pd.DataFrame] = []
    drawn = 0
    reference = [] if analysis.reference is None else [analysis.reference]
    for arm in [*reference, *ranked(analysis)]:
        of_arm = [part for dataset in datasets for part in _trainings(curves, arm, dataset)]
        parts, drawn = parts + of_arm, drawn + bool(of_arm)
        if drawn == MOST_ARMS:
            break
    return pd.concat(parts, ignore_index=True).astype({"allowed": "Int64"}) if parts else pd.DataFrame()


def _trainings(curves: Curves, arm: str, dataset: str) -> list[pd.DataFrame]:
    return [
        pd.DataFrame(
            {
                "dataset": dataset,
                "arm": arm,
                "repeat": one.repeat,
                "stage": stage,
                "metric": one.metric,
                "epoch": range(1, len(one.loss) + 1),
                "loss": one.loss,
                "validation": one.validation,
                "picked": one.picked,
                "allowed": one.allowed,
                "folds": one.folds,
            }
        )
        for stage, trained in curves.of(arm, dataset, MOST_REPEATS).items()
        for one in trained
    ]


def _panel(axes: Axes, rows: pd.DataFrame, what: str, look: Look) -> None:
    for place, (arm, of_arm) in enumerate(rows.groupby("arm", sort=False)):
        colour, marker = look[str(arm)]
        wide = of_arm.pivot_table(index="epoch", columns="repeat", values=what)
        gap = wide.reindex([*wide.index, np.nan])  # ends one repeat's line before the next: one artist for all of them
        axes.plot(np.tile(gap.index, wide.shape[1]), gap.to_numpy().T.ravel(), color=colour, linewidth=0.7, alpha=0.4)
        whole = wide.dropna()  # where a repeat has ended, the mean of the others is one of other cells
        # arms that share a graph stage have one curve: the first looks out from under the next
        axes.plot(whole.index, whole.mean(axis=1), color=colour, linewidth=2.6 - 0.5 * place)
        picked = of_arm[of_arm["epoch"] == of_arm["picked"]]
        edge: dict[str, Any] = {"markeredgecolor": "white", "markeredgewidth": 0.5, "zorder": 4}
        axes.plot(picked["epoch"], picked[what], marker, color=colour, markersize=7.5 - place, **edge)
    axes.set_xlim(0.5, max(2, rows["epoch"].max()) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.grid(axis="y", color="#dddddd", linewidth=0.7)
