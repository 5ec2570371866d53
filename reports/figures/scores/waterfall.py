"""From the reference to the model stripped of all parts: one bar for what each part is worth."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from reports.figures.shared.canvas import GREY, INK, row_axes
from reports.figures.shared.picture import Drawing
from reports.figures.shared.style import COLOURS, axis, shortened
from reports.findings.contributions.worth import Worth
from reports.words.numbers import signed

_WORTH, _HARM = COLOURS[0], COLOURS[4]
_ENDS = {"leave_one_out": ("first to go (leave-one-out)", "<"), "add_one_in": ("last to go (add-one-in)", ">")}


def waterfall(worth: Worth, reference: str) -> Drawing:
    """Draw the Shapley values as bars from the reference's mean down to that of the stripped model.

    Each bar starts where the last one ended; its end has the interval of the value. Beside it stand the ends that the
    bar would have if the part were the first to go, or the last.
    """
    data = waterfall_numbers(worth)
    rows = data.iloc[::-1].reset_index(drop=True)
    figure, axes = row_axes(len(rows) + 1)
    axes.axvline(worth.whole, color=INK, linewidth=1)
    for y, row in enumerate(rows.to_dict("records")):
        _bar(axes, y, row)
    names = shortened([reference, *data["name"]], 30)
    axes.set_yticks(range(len(rows)), [names[name] for name in rows["name"]])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_xlabel(f"{axis(worth.metric)}; line: {names[reference]}")
    for said, marker in _ENDS.values():
        axes.plot([], [], marker, color=INK, markersize=5, label=said)
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
