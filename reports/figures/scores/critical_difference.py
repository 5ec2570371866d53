"""Critical-difference diagram of mean ranks."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from reports.figures.shared.canvas import row_axes
from reports.figures.shared.picture import Drawing
from reports.figures.shared.style import axis, named, styles
from reports.findings.results import Analysis, GlobalTest


def cliques(ranks: pd.Series, p: pd.DataFrame, alpha: float) -> list[tuple[int, int]]:
    """Find the runs of neighbouring arms in which NO two differ, as (first, last) positions in ``ranks``.

    A bar over a run would otherwise hide an arm that differs from one of its ends.
    """
    matrix = p.loc[ranks.index, ranks.index].to_numpy()
    runs: list[tuple[int, int]] = []
    for first in range(len(ranks)):
        last = first
        while last + 1 < len(ranks) and bool((matrix[first : last + 1, last + 1] >= alpha).all()):
            last += 1
        if last > first and (not runs or last > runs[-1][1]):
            runs.append((first, last))
    return runs


def critical_difference(analysis: Analysis, test: GlobalTest) -> Drawing | None:
    """Draw mean ranks with bars over arms that Nemenyi cannot tell apart; None where refused."""
    if test.nemenyi is None:
        return None
    ranks, k, n = test.ranks, test.test.arms, test.test.blocks
    q = float(stats.studentized_range.ppf(1 - analysis.alpha, k, np.inf)) / np.sqrt(2)
    width = q * np.sqrt(k * (k + 1) / (6 * n))
    runs = cliques(ranks, test.nemenyi, analysis.alpha)
    look = styles(analysis)
    figure, axes = row_axes(k + 1)
    for y, (arm, rank) in enumerate(ranks.items()):
        colour, marker = look[str(arm)]
        axes.plot([rank], [y], marker=marker, color=colour, markersize=7)
        axes.annotate(f"{rank:.2f}", (rank, y), (8, 0), textcoords="offset points", va="center", fontsize=9)
    for i, (first, last) in enumerate(runs):
        x = k + (1.2 + 0.3 * i) * max(1.0, k / 7)  # right of the numbers
        axes.plot([x, x], [first - 0.2, last + 0.2], color="#333333", linewidth=3, solid_capstyle="butt")
    axes.plot([1, 1 + width], [-1, -1], color="#333333", linewidth=2, marker="|")
    axes.annotate(f"CD = {width:.2f}", (1 + width, -1), (6, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(k), [named(analysis, str(arm)) for arm in ranks.index])
    axes.set_ylim(k - 0.4, -1.6)
    axes.set_xticks(range(1, k + 1, 1 + k // 10))
    axes.set_xlabel(f"mean rank on {axis(test.metric)} over {n} blocks (1 = best)")
    numbers = pd.DataFrame({"arm": ranks.index, "mean_rank": ranks.to_numpy(), "critical_difference": width})
    return Drawing(figure, numbers)
