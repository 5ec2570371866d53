"""What the objectives of a search trade against each other."""

from __future__ import annotations

from typing import Any

from reports.figures.shared.canvas import GREY, grid_axes
from reports.figures.shared.picture import Drawing
from reports.figures.shared.style import COLOURS
from reports.search.record import Objective, Search, objective_label

_WIDE = 20.0  # ratio of largest to smallest cost from which an axis is logarithmic


def pareto(search: Search, other: Objective) -> Drawing | None:
    """Draw the first objective of a search against another: all complete trials, the front labelled."""
    complete = search.trials[search.trials["state"] == "complete"]
    if complete.empty:
        return None
    x, y = f"objective:{other.name}", f"objective:{search.first.name}"
    data = complete[["number", "arm", x, y]].assign(front=complete["number"].isin(search.front))
    front = data[data["front"]].sort_values([x, y])
    figure, axes = grid_axes(3.8)
    rest = data[~data["front"]]
    axes.scatter(rest[x], rest[y], s=26, color=GREY, label="complete", zorder=2)
    axes.scatter(front[x], front[y], s=40, marker="s", color=COLOURS[0], label="Pareto front (trial number)", zorder=3)
    # beyond a front lies nothing: its labels do not hide a trial
    offset, side = (8 * other.sign, 5 * search.first.sign), "left" if other.sign > 0 else "right"
    for row in front.to_dict("records"):
        look: dict[str, Any] = {"textcoords": "offset points", "ha": side, "va": "center", "fontsize": 9}
        axes.annotate(str(row["number"]), (row[x], row[y]), offset, **look)
    plain = search.of_reference
    if plain is not None and plain["state"] == "complete":
        ring: dict[str, Any] = {"facecolors": "none", "edgecolors": COLOURS[4], "linewidths": 1.6}
        axes.scatter([plain[x]], [plain[y]], s=130, label="reference", zorder=4, **ring)
    if data[x].min() > 0 and data[x].max() / data[x].min() > _WIDE:
        axes.set_xscale("log")
    axes.set_xlabel(f"{objective_label(other)} ({_better(other)})")
    axes.set_ylabel(f"{objective_label(search.first)} ({_better(search.first)})")
    axes.margins(0.08)
    figure.legend(loc="outside upper left", ncols=3, frameon=False, fontsize=9)
    return Drawing(figure, data.rename(columns={x: other.name, y: search.first.name}).reset_index(drop=True))


def _better(objective: Objective) -> str:
    return "more is better" if objective.sign > 0 else "less is better"
