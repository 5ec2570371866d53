"""What a search of any smaller budget would have found on average."""

from __future__ import annotations

from matplotlib.ticker import MaxNLocator

from reports.figures.shared.canvas import INK, grid_axes
from reports.figures.shared.picture import Drawing
from reports.figures.shared.style import COLOURS
from reports.search.record import Search, expected_curve, objective_label

LEAST = 2  # trials of a curve


def expected(search: Search) -> Drawing | None:
    """Draw the expected best score at every budget up to that of the search; None where there is no curve."""
    data = expected_curve(search)
    if len(data) < LEAST:
        return None
    figure, axes = grid_axes(3.2)
    axes.plot(data["trials"], data["expected"], color=COLOURS[0], marker="o", markersize=3, label="expected best")
    plain = search.of_reference
    if plain is not None and plain["state"] == "complete":
        score = plain[f"objective:{search.first.name}"]
        axes.axhline(score, color=INK, linewidth=1, linestyle=(0, (4, 3)), label="reference")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("budget (trials)")
    axes.set_ylabel(objective_label(search.first))
    axes.margins(y=0.12)
    figure.legend(loc="outside upper left", ncols=3, frameon=False, fontsize=9)
    return Drawing(figure, data)
