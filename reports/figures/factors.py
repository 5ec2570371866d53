"""Factors together: marginal means of every pair that is crossed, and what each part is worth on the way down.

Literature: [1] Cousineau 2005, [2] Morey 2008 (intervals of means that are compared inside blocks).
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from reports.figures.canvas import COLOURS, GREY, INK, MARKERS, Drawing, axis, panels, plain, row_axes, short, shortened
from reports.findings.contributions.worth import Worth
from reports.findings.results import Analysis
from reports.statistics.pairs.differences import mean_interval
from reports.words.numbers import signed

MOST = 4  # pairs drawn
_COLOURS = COLOURS[6:]  # those of levels are no arm's
_WORTH, _HARM = COLOURS[0], COLOURS[4]
_ENDS = {"leave_one_out": ("first to go (leave-one-out)", "<"), "add_one_in": ("last to go (add-one-in)", ">")}


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
        look: Any = {"marker": MARKERS[i % len(MARKERS)], "linestyle": ("-", "--", ":", "-.")[i % 4]}
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


def waterfall(worth: Worth, reference: str) -> Drawing:
    """Draw the Shapley values as bars from the reference's mean down to that of the stripped model.

    Each bar starts where the last one ended; its end has the interval of the value. Beside it stand the ends that the
    bar would have if the part were the first to go, or the last.
    """
    data = waterfall_numbers(worth)
    rows = data.iloc[::-1].reset_index(drop=True)
    figure, axes = row_axes(0.7 + 0.34 * max(len(rows) + 1, 3))
    axes.axvline(worth.whole, color=INK, linewidth=1)
    for y, row in enumerate(rows.to_dict("records")):
        _bar(axes, y, row)
    names = shortened([reference, *data["name"]], 30)
    axes.set_yticks(range(len(rows)), [names[name] for name in rows["name"]])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_xlabel(f"{axis(worth.metric)}; line: {names[reference]}")
    for label, marker in _ENDS.values():
        axes.plot([], [], marker, color=INK, markersize=5, label=label)
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), frameon=False, fontsize=9, borderaxespad=0.2)
    return Drawing(figure, data)


def waterfall_numbers(worth: Worth) -> pd.DataFrame:
    """Return where every bar starts and ends; the total last."""
    parts, total = worth.parts.iloc[:-1], worth.parts.iloc[-1:]
    ends = worth.whole - parts["value"].cumsum()
    names = parts["factor"] + ": " + parts["there"] + " → " + parts["out"]
    parts = parts.assign(start=ends + parts["value"], end=ends, name=names)
    total = total.assign(start=worth.whole, end=worth.stripped, name="all parts out")
    columns = ["name", "factor", "there", "out", "start", "end", *worth.parts.columns[3:]]
    return pd.concat([parts, total], ignore_index=True)[columns]


def _bar(axes: Axes, y: int, row: dict[Any, Any]) -> None:
    colour = (_WORTH if row["value"] > 0 else _HARM) if row["factor"] else GREY
    axes.barh(y, row["end"] - row["start"], left=row["start"], height=0.5, color=colour)
    axes.plot([row["start"] - row["low"], row["start"] - row["high"]], [y, y], color=INK, linewidth=1.5)
    axes.text(1.02, y, signed(row["value"]), transform=axes.get_yaxis_transform(), va="center")
    for name, (_, marker) in _ENDS.items():
        axes.plot([row["start"] - row[name]], [y + 0.38], marker, color=INK, markersize=4)
    if row["factor"]:  # a thread to where the next bar starts
        axes.plot([row["end"]] * 2, [y - 0.75, y - 0.25], color=GREY, linewidth=0.8)
