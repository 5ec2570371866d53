"""A drawing with the numbers that it shows, and with what the page and the files need of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from reports.figures.shared.canvas import svg


@dataclass(frozen=True)
class Drawing:
    """A figure, and the numbers that it shows."""

    figure: Figure
    numbers: pd.DataFrame


@dataclass(frozen=True)
class Picture:
    """A drawing as the page shows it.

    Attributes
    ----------
    name
        Of its files.
    drawing
        The figure and its numbers.
    svg
        The figure as it stands in the page.
    caption, alt
        What stands below it, and its text alternative.
    group
        The fold of the page that it stands in; empty for one that stands open.
    pdf
        Whether it is written as PDF beside the SVG.
    """

    name: str
    drawing: Drawing
    svg: str
    caption: str
    alt: str
    group: str = ""
    pdf: bool = False


def picture(name: str, drawing: Drawing, caption: str, description: str, group: str = "") -> Picture:
    """Set a drawing for the page; its text alternative is the caption and a ``description``."""
    return Picture(name, drawing, svg(drawing.figure), caption, f"{caption} {description}", group)


def grouped(pictures: Sequence[Picture]) -> dict[str, list[Picture]]:
    """Sort pictures by the fold they stand in; those under '' stand open."""
    groups: dict[str, list[Picture]] = {"": []}
    for one in pictures:
        groups.setdefault(one.group, []).append(one)
    return groups
