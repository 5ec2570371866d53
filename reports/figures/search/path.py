"""Scores on the way from the reference to the best arm of a search."""

from __future__ import annotations

from reports.figures.shared.canvas import grid_axes
from reports.figures.shared.picture import Drawing
from reports.figures.shared.style import COLOURS
from reports.search.record import Search
from reports.words.metrics import label


def path(search: Search) -> Drawing | None:
    """Draw validation and test after each change; None where the path was not run."""
    data = search.path
    if data is None or len(data) < 2:
        return None
    figure, axes = grid_axes(1.6 + 0.3 * len(data), grid="x")
    for column, colour, marker in (("validation", COLOURS[0], "o"), ("test", COLOURS[1], "s")):
        axes.plot(data[column], data["step"], color=colour, marker=marker, label=column, drawstyle="steps-post")
    axes.set_yticks(data["step"], [str(text).replace("$", r"\$") for text in data["changed"]], fontsize=9)
    axes.invert_yaxis()
    axes.set_xlabel(label(search.metric))
    axes.margins(x=0.12)
    figure.legend(loc="outside upper left", ncols=2, frameon=False, fontsize=9)
    return Drawing(figure, data)
