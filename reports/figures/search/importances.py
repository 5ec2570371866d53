"""What share each parameter of a search has in setting its best trials apart."""

from __future__ import annotations

from typing import Any

from reports.figures.shared.canvas import grid_axes
from reports.figures.shared.picture import Drawing
from reports.figures.shared.style import COLOURS
from reports.search.record import Objective, Search, importance_numbers, objective_label
from reports.words.numbers import count

MOST = 20  # parameters drawn; the table holds all of them


def importances(search: Search, objective: Objective) -> Drawing | None:
    """Draw what share each parameter has in setting the best trials apart; None where that is refused."""
    table = importance_numbers(search)
    data = table[table["objective"] == objective.name].reset_index(drop=True)
    if data.empty:
        return None
    largest = data.head(MOST).iloc[::-1].reset_index(drop=True)
    figure, axes = grid_axes(0.9 + 0.42 * len(largest), grid="x")
    for y, row in enumerate(largest.to_dict("records")):
        own = bool(row["given"])
        look: dict[str, Any] = (
            {"color": COLOURS[1], "hatch": "//", "edgecolor": "white"} if own else {"color": COLOURS[0]}
        )
        axes.barh(y, row["importance"], height=0.62, linewidth=0, **look)
        at = (row["importance"], y)
        axes.annotate(f"{row['importance']:.2f}", at, (4, 0), textcoords="offset points", va="center", fontsize=9)
    axes.set_yticks(range(len(largest)), [_parameter(row) for row in largest.to_dict("records")], fontsize=9)
    axes.set_xlim(0, max(float(largest["importance"].max()) * 1.12, 0.05))
    axes.set_xlabel(f"share in what sets the best apart, {objective_label(objective)}")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return Drawing(figure, data)


def _parameter(row: dict[Any, Any]) -> str:
    name = str(row["parameter"]).replace("$", r"\$")
    condition = str(row["given"]).replace("$", r"\$")
    return f"{name}\n(given {condition}, {count(row['trials'], 'trial')})" if condition else name
