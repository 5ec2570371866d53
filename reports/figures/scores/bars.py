"""Means per arm as bars with t intervals and the points they are means of."""

from __future__ import annotations

import numpy as np
import pandas as pd

from reports.figures.shared.canvas import INK, guessing, horizontal, measured
from reports.figures.shared.picture import Drawing
from reports.figures.shared.style import axis, styles
from reports.findings.results import Analysis
from reports.findings.summaries import whole
from reports.statistics.pairs.differences import mean_interval
from reports.words.metrics import metric_of
from reports.words.numbers import number


def bars(analysis: Analysis, metric: str) -> Drawing | None:
    """Draw the mean of every arm, its t interval and a dot per block; None with one point per arm.

    An arm that lacks a point has no mean: over the blocks it survived it would be flattered.
    Bars begin at what guessing scores, so that their length is what was gained over it.
    """
    arms, data = measured(analysis, metric)
    values = {arm: data.loc[data["arm"] == arm, "value"].to_numpy() for arm in arms}
    if max((len(v) for v in values.values()), default=0) < 2:
        return None
    look, start, complete = styles(analysis), guessing(metric), whole(data)
    figure, axes = horizontal(arms, analysis)
    rng = np.random.default_rng(0)
    rows = []
    for y, arm in enumerate(arms):
        mean, (low, high) = np.nan, (np.nan, np.nan)
        colour, marker = look[arm]
        if arm in complete:
            mean, (low, high) = float(values[arm].mean()), mean_interval(values[arm], 1 - analysis.alpha)
            axes.barh(y, mean - start, left=start, height=0.62, color=colour, alpha=0.35, edgecolor=colour)
        jitter = y + rng.uniform(-0.12, 0.12, len(values[arm]))
        axes.scatter(values[arm], jitter, s=14, c=colour, marker=marker, edgecolors="white", linewidths=0.5, zorder=3)
        if np.isfinite(low):
            axes.errorbar(mean, y, xerr=[[mean - low], [high - mean]], color=INK, capsize=3, linewidth=1.4, zorder=4)
        text = number(mean) if arm in complete else "no mean"
        axes.text(1.01, y, text, transform=axes.get_yaxis_transform(), va="center", fontsize=9, color=INK)
        rows.append((metric, arm, mean, low, high, len(values[arm])))
    if (most := metric_of(metric).bounds[1]) < np.inf:
        axes.set_xlim(right=min(axes.get_xlim()[1], most))  # a t interval knows no bounds, the metric does
    axes.axvline(start, color=INK, linewidth=1)
    axes.set_xlabel(axis(metric) + (f" (bars begin at guessing, {start:g})" if start else ""))
    return Drawing(figure, pd.DataFrame(rows, columns=["metric", "arm", "mean", "low", "high", "n"]))
