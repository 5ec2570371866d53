"""What a search of any smaller budget would have found on average: one search, or that of every tuned arm."""

from __future__ import annotations

import pandas as pd
from matplotlib.ticker import MaxNLocator

from reports.figures.search.progress import label_trials
from reports.figures.shared.canvas import grid_axes
from reports.figures.shared.picture import Drawing
from reports.figures.shared.style import COLOURS, across, axis, shortened
from reports.search.record import Search, expected_curve, tuned_curves

_MANY = 12  # arms: their colours, then again with broken lines
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


def tuned(tuning: pd.DataFrame, metric: str) -> Drawing | None:
    """Draw the expected best validation score of every tuned arm at every budget; None where there is no curve."""
    data = tuned_curves(tuning)
    if data.empty or data["trials"].max() < LEAST:
        return None
    figure, axes = grid_axes(3.4)
    names = shortened(data["arm"].unique())
    for place, (arm, curve) in enumerate(data.groupby("arm", sort=False)):
        style = ("-", "--", ":")[place // _MANY % 3]
        colour = COLOURS[place % len(COLOURS)]
        axes.plot(
            curve["trials"], curve["expected"], style, color=colour, marker="o", markersize=3, label=names[str(arm)]
        )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("budget (trials)")
    axes.set_ylabel(f"validation {axis(metric)}")
    figure.legend(loc="outside upper left", ncols=across([*names.values()]), frameon=False, fontsize=9)
    return Drawing(figure, data)
