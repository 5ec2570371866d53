"""Whether two factors of a study act on each other: marginal means of every pair that is crossed."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reports.figures import COLOURS, plain
from reports.glossary import label
from reports.plots.canvas import panels
from reports.results import Analysis
from reports.statistics import mean_interval

__all__ = ["crossed", "interaction", "marginal_means"]

MOST = 4  # pairs drawn
_MARKERS = "osD^vPX*"


def interaction(analysis: Analysis, metric: str) -> tuple[Figure, pd.DataFrame] | None:
    """Draw the marginal means of two factors of a study at a time; None where no two are fully crossed."""
    parts = [
        marginal_means(analysis, metric, one, other) for one, other in list(combinations(analysis.levels.columns, 2))
    ]
    parts = [part for part in parts if not part.empty][:MOST]
    if not parts:
        return None
    columns = min(2, len(parts))
    figure, axes = panels(-(-len(parts) // columns), columns, 3.0, squeeze=False, sharey=True)
    for one, part in zip(axes, parts, strict=False):
        x, line = part["factor"].iloc[0], part["by"].iloc[0]
        levels = list(dict.fromkeys(part["level"]))
        lines = part.groupby("by_level", sort=False)
        for i, (level, rows) in enumerate(lines):
            at = [levels.index(v) + 0.06 * (i - (len(lines) - 1) / 2) for v in rows["level"]]
            arms = np.nan_to_num(np.abs(rows[["low", "high"]].to_numpy().T - rows["mean"].to_numpy()))
            one.errorbar(
                at,
                rows["mean"],
                yerr=arms,
                color=COLOURS[i % len(COLOURS)],
                marker=_MARKERS[i % len(_MARKERS)],
                linestyle=("-", "--", ":", "-.")[i % 4],
                capsize=3,
                label=plain(str(level)),
            )
        one.set_xticks(range(len(levels)), [plain(v) for v in levels])
        one.set_xlim(-0.4, len(levels) - 0.6)
        one.set_xlabel(x)
        one.set_ylabel(label(metric))
        one.grid(axis="y", color="#dddddd", linewidth=0.7)
        one.legend(title=line, frameon=False, fontsize=9, title_fontsize=9)
    for spare in axes[len(parts) :]:
        spare.remove()
    return figure, pd.concat(parts, ignore_index=True)


def crossed(levels: pd.DataFrame, one: str, other: str) -> bool:
    """Say whether every combination of two factors stands among the same arms otherwise.

    Only then is a marginal mean of the two a mean over the same rest.
    """
    rest = [c for c in levels if c not in (one, other)]
    kept = levels.drop_duplicates()
    groups = {key: frozenset(map(tuple, part[rest].to_numpy().tolist())) for key, part in kept.groupby([one, other])}
    return len(groups) == levels[one].nunique() * levels[other].nunique() and len(set(groups.values())) == 1


def marginal_means(analysis: Analysis, metric: str, one: str, other: str) -> pd.DataFrame:
    """Average a metric of a study over all arms with the same two levels, with t intervals over blocks.

    Only units that every one of these arms has finished count: the rows of a picture must share them.
    """
    levels = analysis.levels
    if not crossed(levels, one, other):
        return pd.DataFrame()
    data = analysis.points[(analysis.points["metric"] == metric) & analysis.points["arm"].isin(levels.index)]
    wide = data.pivot_table(index="where", columns="arm", values="value").reindex(columns=levels.index).dropna()
    if wide.empty:
        return pd.DataFrame()
    rows = []
    for (level, by), part in levels.groupby([one, other], sort=False):
        values = wide[part.index].mean(axis=1).to_numpy()
        low, high = mean_interval(values, 1 - analysis.alpha)
        rows.append((metric, one, level, other, by, float(values.mean()), low, high, len(values)))
    heads = ["metric", "factor", "level", "by", "by_level", "mean", "low", "high", "n"]
    return pd.DataFrame(rows, columns=heads)
