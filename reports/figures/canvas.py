"""What all figures share: colours, names, paper and panels; a drawing with its numbers, as page and files need it."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os.path import commonprefix
from typing import Any, Literal

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager

from reports.findings.results import Analysis
from reports.words.metrics import label

# Okabe & Ito 2008, then Tol's muted set: told apart by readers who do not see red and green
COLOURS = (
    *("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9"),
    *("#882255", "#999933", "#332288", "#44AA99", "#AA4499", "#661100"),
)


MARKERS = "osD^vPX*"


_NAME = 28  # letters of an arm's name: a longer one would leave no room for the drawing


_LETTERS = 66  # that a figure is wide, beside the marks of a legend


WIDTH = 5.0  # inches; in a column of 85 mm its letters of 9 points have 6, the fewest that journals print


# fonts for names in other scripts than matplotlib's own font has, where a machine has one of them
_SCRIPTS = ("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "Arial Unicode MS", "PingFang SC", "SimHei")
_FONTS = ["DejaVu Sans", *sorted({font.name for font in fontManager.ttflist} & {*_SCRIPTS})]


STYLE: Any = {
    "font.size": 10,
    "font.family": _FONTS,
    "svg.fonttype": "path",
    "svg.hashsalt": "knockout",
    "axes.axisbelow": True,
}
# with 50 colours or more matplotlib makes the colour bar a bitmap, in SVG and PDF too
SHADES = matplotlib.colormaps["cividis"].resampled(40)
INK, GREY = "#333333", "#8c8c8c"


def styles(analysis: Analysis) -> dict[str, tuple[str, str]]:
    """Give every arm one colour and one marker for all figures; controls are grey."""
    out: dict[str, tuple[str, str]] = {}
    coloured = [arm for arm in analysis.arms if analysis.roles[arm] != "control"]
    for i, arm in enumerate(coloured):
        out[arm] = (COLOURS[i % len(COLOURS)], MARKERS[(i // len(COLOURS) + i) % len(MARKERS)])
    for i, arm in enumerate(a for a in analysis.arms if a not in out):
        out[arm] = ("#6b6b6b", MARKERS[i % len(MARKERS)])
    return out


def across(names: Sequence[str]) -> int:
    """Return how many names of arms fit beside each other in the legend of a figure."""
    return max(1, min(3, _LETTERS // (max(map(len, names), default=0) + 6)))


def plain(text: str) -> str:
    """Keep matplotlib from reading a name as maths, or from leaving it out of a legend as it does ``_name``."""
    return " " * text.startswith("_") + text.replace("$", r"\$")


def short(text: str, most: int = 24) -> str:
    """Cut a name that would leave no room for the drawing."""
    return plain(_cut(text, most))


def shortened(names: Iterable[str], most: int = 24) -> dict[str, str]:
    """Cut names as :func:`short` does, so that no two of them look alike."""
    out = {name: _cut(name, most) for name in names}
    for cut, times in Counter(out.values()).items():
        group = [name for name in out if times > 1 and out[name] == cut]
        start = max(0, len(commonprefix(group)) - most // 4)  # noqa: RUF071 (of letters, as is meant)
        out |= {name: _cut(f"…{name[start:]}", most) for name in group}
    for cut, times in Counter(out.values()).items():
        group = [name for name in out if times > 1 and out[name] == cut]
        out |= {name: f"{cut} #{place}" for place, name in enumerate(group, start=1)}
    return {name: plain(cut) for name, cut in out.items()}


def _cut(text: str, most: int) -> str:
    text = " ".join(text.split())  # a line break or a tab in a name would break the drawing
    if len(text) <= most:
        return text
    return f"{text[: most // 2]}…{text[-(most // 2 - 1) :]}"  # both ends: names of one study often begin alike


def named(analysis: Analysis, arm: str) -> str:
    """Write who an arm is, so that colour is not needed to know it."""
    role, name = analysis.roles[arm], shortened(analysis.arms, _NAME)[arm]
    return name if role == "arm" else f"{name} ({role})"


def axis(metric: str) -> str:
    """Write a metric beside an axis."""
    return short(label(metric), 2 * _NAME)


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


def with_prefix(value: float, _: float = 0) -> str:
    """Write a tick of a logarithmic axis: 0.01, 1, 100, 10 k, 1 M.

    matplotlib's own, a power of ten, is mathematics: reading what that is takes it a quarter of a second.
    """
    for unit, prefix in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k"), (1.0, "")):
        if abs(value) >= unit or not prefix:
            break
    return np.format_float_positional(value / unit, trim="-").replace("-", "−") + prefix


def panels(rows: int, columns: int, height: float, sharey: bool | Literal["row"] = False) -> tuple[Figure, list[Axes]]:
    """Lay out the panels of a figure, all of one height in inches; the axes come row by row."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, rows * height), layout="constrained")
        axes = np.atleast_1d(figure.subplots(rows, columns, sharey=sharey)).ravel().tolist()
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
    return figure, axes


def ranked(analysis: Analysis) -> list[str]:
    """Return the arms beside its reference and controls, the highest mean over data sets first."""
    over = analysis.scores[analysis.scores["metric"] == analysis.metric].groupby("arm", sort=False)["mean"].mean()
    best = over.sort_values(ascending=False, kind="stable").index
    return [str(arm) for arm in best if analysis.roles[arm] != "control" and arm != analysis.reference]


def measured(analysis: Analysis, table: pd.DataFrame, metric: str) -> tuple[list[str], pd.DataFrame]:
    """Return the arms that have rows of one metric in a table of the analysis, in their order, and those rows."""
    data = table[table["metric"] == metric]
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


def row_axes(height: float) -> tuple[Figure, Axes]:
    """Return a figure with one panel whose lines stand below each other, ``height`` inches high."""
    figure, axes = grid_axes(height, "x")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return figure, axes


def grid_axes(height: float, grid: Literal["both", "x", "y"] = "both") -> tuple[Figure, Axes]:
    """Return a figure with one panel over a grid, ``height`` inches high."""
    figure, (axes,) = panels(1, 1, height)
    axes.grid(axis=grid, color="#dddddd", linewidth=0.7)
    return figure, axes


@dataclass(frozen=True)
class Drawing:
    """A figure, and the numbers that it shows."""

    figure: Figure
    numbers: pd.DataFrame

    def __getstate__(self) -> dict[str, Any]:
        """Leave the figure out for another process, which needs it for PDF alone: it takes long to hand over."""
        return {"figure": None, "numbers": self.numbers}


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
    as_pdf
        Whether it is written as PDF, too.
    """

    name: str
    drawing: Drawing
    svg: str
    caption: str
    alt: str
    group: str = ""
    as_pdf: bool = False


def picture(name: str, drawing: Drawing, caption: str, description: str, group: str = "") -> Picture:
    """Set a drawing for the page; its text alternative is the caption and a ``description``."""
    return Picture(name, drawing, svg(drawing.figure), caption, f"{caption} {description}", group)
