"""What a page says first of all: whether all blocks are in, and what was registered beforehand."""

from __future__ import annotations

from typing import Any

from reports.findings.results import Analysis
from reports.words.numbers import are, count, joined, level

DIGITS = 12  # of a digest


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
    """Say at which level verdicts are given, where looks were planned, or that none is given."""
    look = a.look
    if look is None:
        return ""
    if look.alpha is None:
        return "No verdict is given before all planned blocks are in."
    looks = joined([*map(str, look.looks)])
    text = f"Looks were planned at {looks} of {count(look.planned, 'block')}, so the level is spent in parts"
    text += " (Lan-DeMets, in the manner of O'Brien and Fleming): "
    return f"{text}verdicts at {look.finished} {are(look.finished)} given at level {level(look.alpha)}."


def registration_line(a: Analysis) -> str:
    """Say in one line what was registered beforehand, and how much deviates from it."""
    known = a.registration
    if known is None:
        return "Not registered."
    if not known.content:
        return "Registered, but the registration cannot be read."
    text = f"Registered on {known.date}, digest {known.digest[:DIGITS]}"
    text += f", after {count(known.ended, 'cell')} had ended" if known.ended else ""
    text += "; edited since" if known.broken else ""
    return f"{text}; {count(len(a.deviations), 'deviation')}." if a.deviations else f"{text}; no deviation."
