"""Colours, markers and names that all figures share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from os.path import commonprefix
from typing import Any

from matplotlib.font_manager import fontManager

from reports.findings.results import Analysis
from reports.words.metrics import label

# Okabe & Ito 2008, then Tol's muted set: told apart by readers who do not see red and green
COLOURS = (
    *("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9"),
    *("#882255", "#999933", "#332288", "#44AA99", "#AA4499", "#661100"),
)


_MARKERS = "osD^vPX*"


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


def styles(analysis: Analysis) -> dict[str, tuple[str, str]]:
    """Give every arm one colour and one marker for all figures; controls are grey."""
    out: dict[str, tuple[str, str]] = {}
    coloured = [arm for arm in analysis.arms if analysis.roles[arm] != "control"]
    for i, arm in enumerate(coloured):
        out[arm] = (COLOURS[i % len(COLOURS)], _MARKERS[(i // len(COLOURS) + i) % len(_MARKERS)])
    for i, arm in enumerate(a for a in analysis.arms if a not in out):
        out[arm] = ("#6b6b6b", _MARKERS[i % len(_MARKERS)])
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
