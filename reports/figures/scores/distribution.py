"""How a metric spreads per arm, as boxes and points."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from reports.figures.shared.canvas import row_axes
from reports.figures.shared.picture import Drawing
from reports.figures.shared.style import axis, named, styles
from reports.findings.results import Analysis
from reports.findings.summaries import whole


def distribution(analysis: Analysis, metric: str) -> Drawing:
    """Draw how one metric spreads per arm: a box, and every point it stands for."""
    data = analysis.points[analysis.points["metric"] == metric]
    arms = [arm for arm in analysis.arms if arm in set(data["arm"])][::-1]
    look, complete = styles(analysis), whole(data)
    figure, axes = row_axes(len(arms))
    rng = np.random.default_rng(0)
    for y, arm in enumerate(arms):
        values = data.loc[data["arm"] == arm, "value"].to_numpy()
        colour, marker = look[arm]
        if len(values) >= 5 and arm in complete:  # a box over fewer points draws quartiles nobody measured
            box(axes, y, values, colour, width=0.55)
        jitter = y + rng.uniform(-0.14, 0.14, len(values))
        axes.scatter(values, jitter, s=20, c=colour, marker=marker, alpha=0.75, linewidths=0, zorder=3)
    axes.set_yticks(range(len(arms)), [named(analysis, arm) for arm in arms])
    axes.set_ylim(-0.6, len(arms) - 0.4)
    axes.set_xlabel(axis(metric))
    return Drawing(figure, data)


def box(axes: Axes, y: int, values: np.ndarray, colour: str, *, width: float) -> None:
    """Draw the quartiles of one arm as a lying box, whiskers at most 1.5 times as long, no outliers."""
    line = {"color": colour}
    axes.boxplot(
        values,
        positions=[y],
        orientation="horizontal",
        widths=width,
        showfliers=False,
        manage_ticks=False,
        boxprops=line,
        whiskerprops=line,
        capprops=line,
        medianprops={**line, "linewidth": 2},
    )
