"""The first table: what every part is worth, in one word, with what the word rests on."""

from __future__ import annotations

from typing import Any

from reports.findings.conclusions import alone, change, conflicts, decided, lead
from reports.findings.results import Analysis, Conclusion
from reports.table.blocks import unscaled
from reports.words.metrics import label
from reports.words.numbers import amount, interval, p_value, signed, won

NOTHING = "–"
COST = "median seconds"


def verdict_table(a: Analysis) -> dict[str, Any]:
    """Lay out the comparisons that a study decides, what costs most first; controls are left to their section."""
    mine = decided(a)
    costs = a.costs.set_index("arm") if COST in a.costs else None
    rows = [_row(a, c, costs) for c in mine]
    return {
        "rows": rows,
        "cost": costs is not None,
        "unit": "Blocks won" if unscaled(a.metric, a.datasets) else f"{label(a.metric)} difference",
        "notes": _notes(a, mine),
    }


def _row(a: Analysis, c: Conclusion, costs: Any) -> dict[str, str]:
    f, size = c.finding, c.finding.effect
    name = change(a, f.arm) if a.reference else f"{f.arm} − {f.against}"
    own = alone(a, f)
    difference, spread = NOTHING, ""
    if own is not None:
        difference, spread = signed(own.mean), f"{interval(own)}, this data set only"
    elif size is not None and unscaled(a.metric, a.datasets):
        difference = won(size)
    elif size is not None:
        difference, spread = signed(size.mean), interval(size) if size.n > 1 else "one block"
    return {
        "name": name,
        "difference": difference,
        "interval": spread,
        "p": p_value(f.p),
        "word": c.word,
        "mark": "sure" if c.word in ("may go", "costs", "earns its keep", "better", "worse") else "",
        "note": "; ".join(filter(None, [c.note, _elsewhere(a, c)])),
        "why": c.why,
        "worst": f"{f.worst[0]} {signed(f.worst[1])}" if f.worst and len(f.blocks) > 1 else NOTHING,
        "cost": amount(costs.at[f.arm, COST]) if costs is not None and f.arm in costs.index else NOTHING,
    }


def _elsewhere(a: Analysis, c: Conclusion) -> str:
    """Say on which metrics the arm points the other way: a bare word would hide that."""
    above, below = conflicts(a, c.finding)
    higher = c.word in ("costs", "better") or (c.word not in ("earns its keep", "worse") and lead(a, c.finding) > 0)
    against = below if higher else above
    return f"{'worse' if higher else 'better'} on {', '.join(against)}" if against else ""


def _notes(a: Analysis, mine: list[Conclusion]) -> list[str]:
    """Say what the table has to be read with; each once."""
    out = list(dict.fromkeys(c.why for c in mine if c.why and len({m.why for m in mine if m.why}) == 1))
    touching = [c for c in mine if c.finding.verdict in ("higher", "lower") and not c.finding.side]
    if any(c.finding.effect and c.finding.effect.low == c.finding.effect.low for c in touching):
        out.append("Where an interval touches zero beside a difference: the test goes step by step, intervals do not.")
    if len(mine) > 2 and len(a.blocks) > 1:
        out.append("The largest of several differences is flattered by being the largest; its interval is not.")
    return out
