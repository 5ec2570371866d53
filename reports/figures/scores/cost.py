"""What every arm costs beside what it is worth."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from reports.figures.scores.worth import worth_numbers
from reports.figures.shared.canvas import GREY, INK, panels
from reports.figures.shared.picture import Drawing
from reports.figures.shared.style import across, axis, named, short, styles
from reports.findings.results import Analysis

_COSTS = {"median seconds": "seconds per cell (median)", "parameters": "parameters"}
_WIDE = 20.0  # ratio of largest to smallest cost from which an axis is logarithmic


def gain_per_cost(analysis: Analysis, metric: str) -> Drawing | None:
    """Draw the difference of every arm to the reference over its cost; None without one of the two."""
    data = cost_numbers(analysis, metric)
    costs = [c for c in _COSTS if c in data and len(data[c].dropna().unique()) > 1]
    if len(data) < 2 or not costs:
        return None
    look = styles(analysis)
    figure, axes = panels(1, len(costs), 4.0, sharey=True)
    for one, cost in zip(axes, costs, strict=True):
        one.axhline(0.0, color=GREY, linewidth=1, zorder=1)
        for row in data.to_dict("records"):
            if not np.isfinite(row[cost]):
                continue
            colour, marker = look[row["arm"]]
            if np.isfinite(row["low"]):
                one.plot([row[cost]] * 2, [row["low"], row["high"]], color=colour, linewidth=1.6, zorder=2)
            name = named(analysis, row["arm"]) if cost == costs[0] else None
            one.scatter(row[cost], row["mean"], s=48, c=colour, marker=marker, zorder=3, label=name, edgecolors="white")
        _scale(one, data[cost])
        one.grid(color="#e5e5e5", linewidth=0.7)
        one.set_xlabel(_COSTS[cost])
    axes[0].set_ylabel(f"{axis(metric)}: arm minus {short(str(analysis.reference))}", color=INK)
    names = [named(analysis, arm) for arm in data["arm"]]
    figure.legend(loc="outside lower center", ncols=across(names), frameon=False, fontsize=9)
    return Drawing(figure, data)


def cost_numbers(analysis: Analysis, metric: str) -> pd.DataFrame:
    """Join costs and differences; the reference differs from itself by nothing."""
    changed = worth_numbers(analysis)
    if changed.empty or analysis.costs.empty:
        return pd.DataFrame()
    own = pd.DataFrame([{"arm": analysis.reference, "mean": 0.0, "low": np.nan, "high": np.nan}])
    both = pd.concat([own, changed[["arm", "mean", "low", "high"]]], ignore_index=True)
    costs = analysis.costs[["arm", *(c for c in _COSTS if c in analysis.costs)]]
    return both.merge(costs, on="arm")


def _scale(axes: Axes, cost: pd.Series) -> None:
    positive = cost[cost > 0]
    free = len(positive) < cost.notna().sum()  # rules have no parameters: zero must have its place
    if positive.empty or (positive.max() / positive.min() < _WIDE and not free):
        return
    if free:
        least = float(positive.min()) / 2
        axes.set_xscale("symlog", linthresh=least)
        # no power of ten between zero and the least: its label would stand on that of zero
        axes.set_xticks([0.0, *10.0 ** np.arange(np.ceil(np.log10(least)), np.floor(np.log10(positive.max())) + 1)])
    else:
        axes.set_xscale("log")
