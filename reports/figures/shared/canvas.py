"""Paper, ink and names that all further figures share."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.figures.shared.style import STYLE, WIDTH, named
from reports.findings.results import Analysis
from reports.words.metrics import metric_of

# with 50 colours or more matplotlib makes the colour bar a bitmap, in SVG and PDF too
SHADES = matplotlib.colormaps["cividis"].resampled(40)
INK, GREY = "#333333", "#8c8c8c"


def pdf(figure: Figure) -> bytes:
    """Return a figure as PDF with real letters (type 42) and without a date."""
    buffer = io.BytesIO()
    figure.set_layout_engine("none")  # laid out when it was drawn as SVG; again would take as long as the drawing
    with matplotlib.rc_context({**STYLE, "pdf.fonttype": 42}), _any_letter():
        figure.savefig(
            buffer, format="pdf", bbox_inches="tight", metadata=dict.fromkeys(("Creator", "Producer", "CreationDate"))
        )
    return buffer.getvalue()


@contextmanager
def _any_letter() -> Iterator[None]:
    """Draw a letter that no font has as a box, without a warning each time: the tables have the names."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from font", UserWarning)
        yield


def panels(rows: int, columns: int, height: float, sharey: bool | Literal["row"] = False) -> tuple[Figure, list[Axes]]:
    """Lay out the panels of a figure, all of one height in inches; the axes come row by row."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, rows * height), layout="constrained")
        axes = np.atleast_1d(figure.subplots(rows, columns, sharey=sharey)).ravel().tolist()
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
    return figure, axes


def horizontal(arms: list[str], analysis: Analysis) -> tuple[Figure, Axes]:
    """Lay out one line per arm, the first on top, its name at the left."""
    figure, (axes,) = panels(1, 1, 1.1 + 0.36 * len(arms))
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#dddddd", linewidth=0.7)
    axes.set_yticks(range(len(arms)), [named(analysis, arm) for arm in arms])
    axes.set_ylim(len(arms) - 0.4, -0.6)
    return figure, axes


def guessing(metric: str) -> float:
    """Return what guessing scores on a metric; 0 where that depends on the data set."""
    chance = metric_of(metric).chance
    return chance if isinstance(chance, float) else 0.0


def ranked(analysis: Analysis) -> list[str]:
    """Return the arms beside its reference and controls, the highest mean over data sets first."""
    over = analysis.scores[analysis.scores["metric"] == analysis.metric].groupby("arm", sort=False)["mean"].mean()
    best = over.sort_values(ascending=False, kind="stable").index
    return [str(arm) for arm in best if analysis.roles[arm] != "control" and arm != analysis.reference]


def measured(analysis: Analysis, metric: str) -> tuple[list[str], pd.DataFrame]:
    """Return the arms that have points on a metric, in their order, and those points."""
    data = analysis.points[analysis.points["metric"] == metric]
    present = set(data["arm"])
    return [arm for arm in analysis.arms if arm in present], data


def svg(figure: Figure) -> str:
    """Return a figure as SVG that can stand inside a page: no prolog, date or metadata."""
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    buffer = io.StringIO()
    with matplotlib.rc_context(STYLE), _any_letter():
        figure.savefig(buffer, format="svg", bbox_inches="tight", metadata=nothing)
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def row_axes(rows: int, height: float = 0.34) -> tuple[Figure, Axes]:
    """Return a figure with one panel whose lines stand below each other, each of a height in inches."""
    figure, axes = grid_axes(0.7 + height * max(rows, 3), "x")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return figure, axes


def grid_axes(height: float, grid: Literal["both", "x", "y"] = "both") -> tuple[Figure, Axes]:
    """Return a figure with one panel over a grid, ``height`` inches high."""
    figure, (axes,) = panels(1, 1, height)
    axes.grid(axis=grid, color="#dddddd", linewidth=0.7)
    return figure, axes
