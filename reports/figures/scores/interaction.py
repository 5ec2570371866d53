"""Whether two factors act on each other: marginal means of every pair that is crossed.

Literature: [1] Cousineau 2005, [2] Morey 2008 (intervals of means that are compared inside blocks).
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from reports.figures.shared.canvas import panels
from reports.figures.shared.picture import Drawing
from reports.figures.shared.style import COLOURS, axis, plain, short
from reports.findings.results import Analysis
from reports.statistics.pairs.differences import mean_interval

MOST = 4  # pairs drawn
_MARKERS = "osD^vPX*"
_COLOURS = COLOURS[6:]  # those of levels are no arm's


def interaction(analysis: Analysis, metric: str) -> Drawing | None:
    """Draw the marginal means of two factors at a time; None where no two are fully crossed."""
    many = analysis.levels.nunique()
    pairs = [sorted(pair, key=lambda f: -many[f]) for pair in combinations(analysis.levels.columns, 2)]
    parts = [marginal_means(analysis, metric, one, other) for one, other in pairs]
    parts = [part for part in parts if not part.empty][:MOST]
    if not parts:
        return None
    columns = min(2, len(parts))
    figure, axes = panels(-(-len(parts) // columns), columns, 3.2, sharey=True)
    for i, (one, part) in enumerate(zip(axes, parts, strict=False)):
        _panel(one, part)
        if i % columns == 0:
            one.set_ylabel(axis(metric))
    for spare in axes[len(parts) :]:
        spare.remove()
    return Drawing(figure, pd.concat(parts, ignore_index=True))


def _panel(axes: Axes, part: pd.DataFrame) -> None:
    levels = list(dict.fromkeys(part["level"]))
    lines = part.groupby("by_level", sort=False)
    for i, (level, rows) in enumerate(lines):
        rows = rows.set_index("level").reindex([v for v in levels if v in set(rows["level"])]).reset_index()
        at = [levels.index(v) + 0.08 * (i - (len(lines) - 1) / 2) for v in rows["level"]]
        arms = np.nan_to_num(np.abs(rows[["low", "high"]].to_numpy().T - rows["mean"].to_numpy()))
        colour = _COLOURS[i % len(_COLOURS)]
        axes.errorbar(at, rows["mean"], yerr=arms, color=colour, fmt="none", capsize=3)
        look: Any = {"marker": _MARKERS[i % len(_MARKERS)], "linestyle": ("-", "--", ":", "-.")[i % 4]}
        axes.plot(at, rows["mean"], color=colour, label=short(str(level), 16), **look)
    axes.set_xticks(range(len(levels)), [short(v, 16) for v in levels])
    if sum(len(short(v, 16)) for v in levels) > 36:
        axes.tick_params(axis="x", labelrotation=20)
    axes.set_xlim(-0.4, len(levels) - 0.6)
    axes.set_xlabel(plain(part["factor"].iloc[0]))
    axes.grid(axis="y", color="#dddddd", linewidth=0.7)
    # above the panel: inside it there is no corner that lines may not run through
    where: Any = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "borderaxespad": 0.2}
    title = plain(part["by"].iloc[0])
    axes.legend(title=title, ncols=3, alignment="left", frameon=False, fontsize=9, title_fontsize=9, **where)


def crossed(levels: pd.DataFrame, one: str, other: str) -> bool:
    """Say whether every combination of two factors stands among the same arms otherwise.

    Only then is a marginal mean of the two a mean over the same rest.
    """
    rest = [c for c in levels if c not in (one, other)]
    distinct = levels.drop_duplicates()
    groups = {
        key: frozenset(map(tuple, part[rest].to_numpy().tolist())) for key, part in distinct.groupby([one, other])
    }
    return len(groups) == levels[one].nunique() * levels[other].nunique() and len(set(groups.values())) == 1


def marginal_means(analysis: Analysis, metric: str, one: str, other: str) -> pd.DataFrame:
    """Average a metric over all arms with the same two levels, with t intervals inside blocks.

    Only units that every one of these arms has finished count: the rows of a picture must share them. What units
    differ in as a whole is taken out of the intervals [1, 2]: lines are compared inside blocks, and how hard one
    block is says nothing about that.
    """
    levels = analysis.levels
    if not crossed(levels, one, other):
        return pd.DataFrame()
    data = analysis.points[(analysis.points["metric"] == metric) & analysis.points["arm"].isin(levels.index)]
    wide = data.pivot_table(index="where", columns="arm", values="value").reindex(columns=levels.index).dropna()
    if wide.empty:
        return pd.DataFrame()
    parts = {key: wide[part.index].mean(axis=1) for key, part in levels.groupby([one, other], sort=False)}
    shared = pd.DataFrame(parts).mean(axis=1)
    widen = np.sqrt(len(parts) / (len(parts) - 1))
    rows = []
    for (level, by), values in parts.items():
        mean, inside = float(values.mean()), (values - shared).to_numpy()
        low, high = (mean + widen * (end - inside.mean()) for end in mean_interval(inside, 1 - analysis.alpha))
        rows.append((metric, one, level, other, by, mean, low, high, len(values)))
    heads = ["metric", "factor", "level", "by", "by_level", "mean", "low", "high", "n"]
    return pd.DataFrame(rows, columns=heads)
