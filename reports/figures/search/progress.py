"""Every trial of a search, and the best score so far."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from reports.figures.shared.canvas import INK, grid_axes
from reports.figures.shared.picture import Drawing
from reports.figures.shared.style import COLOURS
from reports.search.record import Search, best_so_far, objective_label


def progress(search: Search) -> Drawing | None:
    """Draw every trial of a search and the best score so far; None where no trial has a score."""
    data = best_so_far(search)
    if data["score"].isna().all():
        return None
    figure, axes = grid_axes(3.4)
    axes.step(data["number"], data["best_so_far"], where="post", color=INK, linewidth=1.5, label="best so far")
    done = data["state"] == "complete"
    for chosen, name, marker, colour in (
        (done & ~data["warm"], "complete", "o", COLOURS[0]),
        (done & data["warm"], "warm (from the ledger)", "D", COLOURS[2]),
        (data["state"] == "pruned", "pruned (fewer cells)", "x", COLOURS[1]),
    ):
        if chosen.any():
            at = data["number"][chosen], data["score"][chosen]
            axes.scatter(*at, s=26, zorder=3, label=name, marker=marker, color=colour)
    failed = data["number"][data["state"] == "failed"]
    if len(failed):  # no score: at the foot, whatever the scale
        foot, scale = np.full(len(failed), 0.03), axes.get_xaxis_transform()
        axes.scatter(failed, foot, s=26, label="failed (no score)", marker="^", color=COLOURS[4], transform=scale)
    label_trials(axes, search, "trial")
    return Drawing(figure, data)


def label_trials(axes: Axes, search: Search, along: str) -> None:
    """Draw the score of the reference, and write at the axes what trials, ``along`` the lower one, scored."""
    plain = search.of_reference
    if plain is not None and plain["state"] == "complete":
        score = plain[f"objective:{search.first.name}"]
        axes.axhline(score, color=INK, linewidth=1, linestyle=(0, (4, 3)), label="reference")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(along)
    axes.set_ylabel(objective_label(search.first))
    axes.margins(y=0.12)
    axes.figure.legend(loc="outside upper left", ncols=3, frameon=False, fontsize=9)
