"""Methods x data sets as a heatmap: every score written out, the best of each data set marked."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports.figures.shared.canvas import SHADES, panels
from reports.figures.shared.picture import Drawing
from reports.figures.shared.style import WIDTH, axis, named, shortened
from reports.findings.results import Analysis
from reports.findings.summaries import TALL, best_two
from reports.words.numbers import number

MOST = 40  # beyond it a cell is too small for its number


def heatmap(analysis: Analysis, metric: str) -> Drawing | None:
    """Draw the score of every arm on every data set; None where there is no grid to draw.

    With many data sets they go down and the arms across, as in the tables. An empty cell has no complete mean.
    """
    data = analysis.scores[analysis.scores["metric"] == metric]
    present = set(data["arm"])
    arms = [arm for arm in analysis.arms if arm in present]
    wide = data.pivot_table(index="arm", columns="dataset", values="mean", dropna=False).reindex(arms)
    if min(wide.shape) < 2 or max(wide.shape) > MOST or not np.isfinite(wide.to_numpy()).any():
        return None
    best = pd.DataFrame({d: wide[d].index.map(best_two(wide[d])) == "best" for d in wide}, index=wide.index)
    numbers = data[["metric", "arm", "dataset", "mean"]].rename(columns={"mean": "value"}).reset_index(drop=True)
    numbers["best"] = [bool(best.loc[arm, d]) for arm, d in zip(numbers["arm"], numbers["dataset"], strict=True)]
    rows, columns = [named(analysis, arm) for arm in wide.index], [*shortened(map(str, wide.columns)).values()]
    if wide.shape[1] > TALL:
        wide, best, rows, columns = wide.T, best.T, columns, rows
    return Drawing(_drawn(wide, best, rows, columns, metric), numbers)


def _short(value: float, few: bool) -> str:
    """Write a score, where many stand side by side without the zero that all of them begin with."""
    return number(value) if few or not 0 <= value < 1 else number(value, 2).removeprefix("0")


def _drawn(wide: pd.DataFrame, best: pd.DataFrame, rows: list[str], columns: list[str], metric: str) -> Figure:
    figure, (axes,) = panels(1, 1, 1.6 + 0.3 * len(rows))
    axes.spines[:].set_visible(False)
    values = wide.to_numpy()
    low, high = np.nanmin(values), np.nanmax(values)
    image = axes.pcolormesh(np.ma.masked_invalid(values), cmap=SHADES, vmin=low, vmax=high, edgecolors="white")
    few = len(columns) <= 5  # columns wide enough for three digits
    room = (WIDTH - 1 - 0.075 * max(map(len, rows))) / len(columns)  # inches; names and the colour bar take the rest
    size = float(np.clip(72 * room / (0.62 * (6 if few else 4)), 4.5, 9))
    middle = (low + high) / 2
    for y, row in enumerate(values):
        for x, value in enumerate(row):
            winner = bool(best.iloc[y, x])
            axes.text(
                x + 0.5,
                y + 0.5,
                _short(value, few) + ("*" if winner else ""),
                ha="center",
                va="center",
                fontsize=size,
                fontweight="bold" if winner else "normal",
                color="white" if value < middle else "black",
            )
    axes.set_xticks(np.arange(len(columns)) + 0.5, columns, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
    axes.tick_params(length=0)
    axes.invert_yaxis()
    figure.colorbar(image, ax=axes, label=axis(metric), shrink=0.8, pad=0.02).outline.set_visible(False)
    return figure
