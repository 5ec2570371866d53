"""What a search of any smaller budget would have found on average."""

from __future__ import annotations

from reports.figures.search.progress import label_trials
from reports.figures.shared.canvas import grid_axes
from reports.figures.shared.picture import Drawing
from reports.figures.shared.style import COLOURS
from reports.search.record import Search, expected_curve

LEAST = 2  # trials of a curve


def expected(search: Search) -> Drawing | None:
    """Draw the expected best score at every budget up to that of the search; None where there is no curve."""
    data = expected_curve(search)
    if len(data) < LEAST:
        return None
    figure, axes = grid_axes(3.2)
    axes.plot(data["trials"], data["expected"], color=COLOURS[0], marker="o", markersize=3, label="expected best")
    label_trials(axes, search, "budget (trials)")
    return Drawing(figure, data)
