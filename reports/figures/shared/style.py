"""Colours, markers and names that all figures share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reports.findings.results import Analysis

# Okabe & Ito 2008, then Tol's muted set: told apart by readers who do not see red and green
COLOURS = (
    *("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9"),
    *("#882255", "#999933", "#332288", "#44AA99", "#AA4499", "#661100"),
)


_MARKERS = "osD^vPX*"


_NAME = 28  # letters of an arm's name: a longer one would leave no room for the drawing


_LETTERS = 66  # that a figure is wide, beside the marks of a legend


WIDTH = 5.0  # inches; in a column of 85 mm its letters of 9 points have 6, the fewest that journals print


STYLE: Any = {"font.size": 10, "svg.fonttype": "path", "svg.hashsalt": "knockout", "axes.axisbelow": True}


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
    """Keep matplotlib from reading the name of an arm or a gene as maths."""
    return text.replace("$", r"\$")


def short(text: str, most: int = 24) -> str:
    """Cut a name that would leave no room for the drawing."""
    if len(text) > most:  # both ends: names of one study often begin alike
        text = f"{text[: most // 2]}…{text[-(most // 2 - 1) :]}"
    return plain(text)


def named(analysis: Analysis, arm: str) -> str:
    """Write who an arm is, so that colour is not needed to know it."""
    role, name = analysis.roles[arm], short(arm, _NAME)
    return name if role == "arm" else f"{name} ({role})"
