"""What every part is worth, the picture that a report opens with, and what it costs beside that."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from reports.figures.canvas import (
    GREY,
    INK,
    Drawing,
    across,
    axis,
    named,
    panels,
    row_axes,
    short,
    shortened,
    styles,
    with_prefix,
)
from reports.findings.conclusions import alone, change, decided, lead
from reports.findings.results import Analysis, Finding
from reports.table.blocks import unscaled

MOST = 24  # rows; of more, the extremes of either side are drawn
REACH = 4.0  # times the farthest mean: where an interval of few blocks goes beyond, it is cut and has an arrow
_LONG = 18  # letters of a name beside which few ticks have room
COLOURS = {  # of words: told apart without colour by the word itself, which stands beside the row
    **dict.fromkeys(("may go", "practically equal"), "#0072B2"),
    **dict.fromkeys(("earns its keep", "worse"), "#D55E00"),
    **dict.fromkeys(("costs", "better"), "#009E73"),
}
_COSTS = {"median seconds": "seconds per cell (median)", "parameters": "parameters"}
_TICKS = 3  # powers of ten that have room beside zero
_WIDE = 20.0  # ratio of largest to smallest cost from which an axis is logarithmic


def worth(a: Analysis) -> Drawing | None:
    """Draw what each part is worth, with its interval, the margin and a dot per block; None without a reference."""
    numbers = worth_numbers(a)
    if a.reference is None or numbers.empty:
        return None
    shown = numbers if len(numbers) <= MOST else pd.concat([numbers[: MOST // 2], numbers[-MOST // 2 :]])
    figure, axes = row_axes(0.7 + 0.26 * max(len(shown), 3))
    margin = next((c.margin for c in a.conclusions if c.margin is not None), None)
    if margin is not None:
        axes.axvspan(-margin, margin, color="#e8eef5", linewidth=0, zorder=0)
    axes.axvline(0.0, color=INK, linewidth=1, zorder=1)
    dots = {f.arm: [value for _, value in f.blocks] for f in _compared(a)}
    names = shortened(shown["change"], 30)
    reach = reach_of(numbers)
    for y, row in enumerate(shown.to_dict("records")):
        _row(axes, y, row, dots.get(row["arm"], []), reach)
    axes.set_yticks(range(len(shown)), [names[name] for name in shown["change"]])
    if left := len(numbers) - len(shown):
        axes.axhline(MOST // 2 - 0.5, color=GREY, linewidth=0.8, linestyle="--")
        look: dict[str, Any] = {"color": GREY, "va": "center", "size": 8, "backgroundcolor": "w"}
        axes.text(0.02, MOST // 2 - 0.5, f"{left} rows not drawn", transform=axes.get_yaxis_transform(), **look)
    divide = int((shown["role"] != "control").sum())
    if 0 < divide < len(shown):
        axes.axhline(divide - 0.5, color=GREY, linewidth=0.8, linestyle=":")
        axes.text(0.0, divide - 0.45, "controls", transform=axes.get_yaxis_transform(), color=GREY, va="top", size=9)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    many = 5 if max(map(len, names.values())) < _LONG else 3
    axes.xaxis.set_major_locator(MaxNLocator(many, steps=[1, 2, 5, 10]))
    axes.set_xlabel(f"{axis(a.metric)}: arm minus {short(a.reference)}")
    return Drawing(figure, numbers)


def reach_of(numbers: pd.DataFrame) -> float:
    """Return how far from 0 intervals are drawn: a few times the farthest mean."""
    return REACH * float(numbers["mean"].abs().max()) or np.inf


def _row(axes: Axes, y: int, row: dict[Any, Any], dots: list[float], reach: float) -> None:
    colour, low, high, mean = COLOURS.get(row["word"], GREY), row["low"], row["high"], row["mean"]
    axes.scatter(dots, [y + 0.24] * len(dots), s=8, color=colour, alpha=0.6, linewidths=0, zorder=2)
    if np.isfinite(low):
        ends = np.clip([low, high], -reach, reach)
        axes.plot(ends, [y, y], color=colour, linewidth=2.2, zorder=3, solid_capstyle="butt")
        for end, cut, arrow in ((ends[0], low < -reach, "<"), (ends[1], high > reach, ">")):
            if cut:
                axes.plot([end], [y], marker=arrow, color=colour, markersize=6, zorder=3)
    axes.plot([mean], [y], marker="D" if row["role"] == "control" else "o", color=colour, markersize=6, zorder=4)
    if row["role"] != "control":
        place = axes.get_yaxis_transform()
        axes.text(1.01, y, row["word"], transform=place, va="center", color=colour, size=9)


def worth_numbers(a: Analysis) -> pd.DataFrame:
    """Lay out the picture's rows: rivals from the lowest up, controls beneath them, the strongest first.

    Returns
    -------
    DataFrame
        ``arm, change, role, mean, low, high, n, over, word``; over blocks, or over the repeats of the one data set.
    """
    words: dict[str, str] = {c.finding.arm: c.word for c in a.conclusions}
    order = [c.finding for c in decided(a)]
    order += sorted((f for f in _compared(a) if a.roles[f.arm] == "control"), key=lambda f: -lead(a, f))
    rows = []
    for f in order:
        own, size = alone(a, f), f.effect
        if own is not None:
            sized = (own.mean, own.low, own.high, own.repeats, "repeats of one data set")
        elif size is not None and not unscaled(a.metric, a.datasets):
            sized = (size.mean, size.low, size.high, size.n, "blocks")
        else:
            continue
        name = change(a, f.arm)
        rows.append((f.arm, name, a.roles[f.arm], *sized, words.get(f.arm, "control")))
    return pd.DataFrame(rows, columns=["arm", "change", "role", "mean", "low", "high", "n", "over", "word"])


def _compared(a: Analysis) -> list[Finding]:
    return [f for f in a.findings if f.metric == a.metric and f.against == a.reference]


def gain_per_cost(analysis: Analysis, metric: str) -> Drawing | None:
    """Draw the difference of every arm to the reference over its cost; None without one of the two.

    The reference differs from itself by nothing.
    """
    changed, known = worth_numbers(analysis), [c for c in _COSTS if c in analysis.costs]
    if changed.empty or not known:
        return None
    own = pd.DataFrame([{"arm": analysis.reference, "mean": 0.0, "low": np.nan, "high": np.nan}])
    data = pd.concat([own, changed[["arm", "mean", "low", "high"]]], ignore_index=True)
    data = data.merge(analysis.costs[["arm", *known]], on="arm")
    costs = [c for c in known if len(data[c].dropna().unique()) > 1]
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


def _scale(axes: Axes, cost: pd.Series) -> None:
    positive = cost[cost > 0]
    free = len(positive) < cost.notna().sum()  # rules have no parameters: zero must have its place
    if positive.empty or (positive.max() / positive.min() < _WIDE and not free):
        return
    if free:
        least = float(positive.min()) / 2
        axes.set_xscale("symlog", linthresh=least)
        # no power of ten between zero and the least: its label would stand on that of zero
        powers = 10.0 ** np.arange(np.ceil(np.log10(least)), np.floor(np.log10(positive.max())) + 1)
        axes.set_xticks(sorted([0.0, *powers[:: -max(1, -(-len(powers) // _TICKS))]]))
    else:
        axes.set_xscale("log")
    axes.xaxis.set_major_formatter(with_prefix)
