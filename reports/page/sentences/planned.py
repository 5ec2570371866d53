"""What a page says first of all: whether all blocks are in, and what was registered beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reports.statistics.attainability import blocks_needed, smallest_p
from reports.words.numbers import are, count, joined, level

if TYPE_CHECKING:  # a plan says at which levels looks will test, and loads no statistics for that
    from reports.findings.results import Analysis


def planned_lines(a: Analysis) -> list[str]:
    """Return the lines that a report begins with in a terminal."""
    return [*filter(None, [interim_heading(a), look_line(a)]), registration_line(a), *warned(a)]


def planned_context(a: Analysis) -> dict[str, Any]:
    """Gather what the head of a page shows of plan and registration."""
    line = registration_line(a)
    return {
        "heading": interim_heading(a),
        "look": look_line(a),
        "registration": line,
        "quiet": "" if warned(a) else f" · {line[0].lower()}{line[1:-1]}",
        "warned": warned(a),
    }


def warned(a: Analysis) -> list[str]:
    """Return what is wrong with the registration, and what deviates from it."""
    return [r.message for r in a.refusals if r.rule in ("registration", "deviation")]


def interim_heading(a: Analysis) -> str:
    """Return the heading of a page of which blocks are awaited; empty where all are in."""
    if a.look is None or not a.look.interim:
        return ""
    return f"INTERIM ({a.look.finished} of {count(a.look.planned, 'block')})"


def look_line(a: Analysis) -> str:
    """Say at which level verdicts are given, where looks were planned."""
    look = a.look
    if look is None or look.alpha is None:
        return ""
    looks = joined([*map(str, look.looks)])
    text = f"Looks were planned at {looks} of {count(look.planned, 'block')}, so the level is spent in parts"
    text += " (Lan-DeMets, in the manner of O'Brien and Fleming): "
    return f"{text}verdicts at {look.finished} {are(look.finished)} given at level {level(look.alpha)}."


def look_lines(looks: Sequence[int], blocks: int, alpha: float) -> list[str]:
    """Say at which level each planned look will test, and which of them can show no difference, whatever comes out."""
    if not looks:
        return []
    from reports.statistics.spending import look_levels

    lines = []
    due = [*looks, blocks]
    for at, own in zip(due, look_levels([one / blocks for one in due], alpha), strict=True):
        line = f"{'all' if at == blocks else 'look at'} {count(at, 'block')}: level {level(own)}"
        few = f"; too few for a difference (the smallest p is {smallest_p(at):.2g})"
        lines.append(line if at >= blocks_needed(own) else line + few)
    return lines


def registration_line(a: Analysis) -> str:
    """Say in one line what was registered beforehand, and how much deviates from it."""
    known = a.registration
    if known is None:
        return "Not registered."
    if not known.content:
        return "Registered, but the registration cannot be read."
    text = f"Registered on {known.date}, digest {known.digest[:12]}"
    text += f", after {count(known.ended, 'cell')} had ended" if known.ended else ""
    text += "; edited since" if known.broken else ""
    return f"{text}; {count(len(a.deviations), 'deviation')}." if a.deviations else f"{text}; no deviation."
