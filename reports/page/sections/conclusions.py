"""What the page and the table files show of its conclusions: equality, power, factors together."""

from __future__ import annotations

from dataclasses import asdict
from math import isfinite
from typing import Any

import numpy as np
import pandas as pd

from reports.findings.conclusions import alone, change, conflicts, decided, lead
from reports.findings.results import Analysis, Conclusion
from reports.page.sections.factorial import factorial_exports, factorials_context, interactions
from reports.page.tables import Export, comparison_names
from reports.statistics.pairs.power import MIN_REPEATS, POWER, Power
from reports.table.blocks import unscaled
from reports.words.metrics import label
from reports.words.numbers import amount, count, interval, joined, number, p_value, signed, won

COST = "median seconds"
_ONE_SIDED = ("may go", "practically equal", "not worse")  # words that a margin decides


def conclusions_context(a: Analysis) -> dict[str, Any]:
    """Gather what the page shows first, and the tables that it rests on."""
    return {
        "verdicts": verdict_table(a),
        "margin": ", ".join(f"{m:g}" for m in sorted({c.margin for c in a.conclusions if c.margin is not None})),
        "power": [_power(c, c.power) for c in decided(a) if c.power],
        "aim": f"{POWER:g}",
        "few_repeats": any(c.power.repeats < MIN_REPEATS for c in a.conclusions if c.power),
        "least_repeats": count(MIN_REPEATS, "repeat"),
        "factorials": factorials_context(a),
        "interactions": interactions(a),
    }


def conclusion_exports(a: Analysis) -> list[Export]:
    """Collect the tables of the conclusions, all digits."""
    rows = [
        {
            **comparison_names(c.finding),
            "conclusion": c.word,
            "margin": c.margin,
            "p_not_worse": c.finding.decision.p_not_worse,
            "p_equal": c.finding.decision.p_equal,
            "worst_block": c.finding.worst[0] if c.finding.worst else "",
            "worst_difference": c.finding.worst[1] if c.finding.worst else np.nan,
            "note": c.note,
            "why": c.why,
        }
        for c in a.conclusions
    ]
    plans = [{**comparison_names(c.finding), "power": POWER, **asdict(c.power)} for c in a.conclusions if c.power]
    exports = [Export("conclusions", pd.DataFrame(rows)), Export("power", pd.DataFrame(plans))]
    return [*exports, *factorial_exports(a.factorials)]


def _power(c: Conclusion, p: Power) -> dict[str, str]:
    known = p.repeats >= MIN_REPEATS
    return {
        "Difference of": f"{c.finding.arm} − {c.finding.against}",
        "Margin": f"{p.difference:g}",
        "N": str(p.blocks),
        "Repeats": str(p.repeats),
        "sd": number(p.sd, 4),
        "between\nblocks": number(p.sd_between, 4),
        "due to\nrepeats": number(p.sd_repeats, 4),
        "Blocks to\nsee it": f"{_blocks(p.needed)} [{_blocks(p.needed_low)}, {_blocks(p.needed_high)}]",
        "repeats\ndoubled": _blocks(p.needed_double) if known else "–",
        "endless\nrepeats": _blocks(p.needed_endless) if known else "–",
        "for not\nworse": _blocks(p.needed_not_worse),
        "for equal": _blocks(p.needed_equal),
    }


def _blocks(needed: int | None) -> str:
    return "> 100,000" if needed is None else f"{needed:,}"


def verdict_table(a: Analysis) -> dict[str, Any]:
    """Lay out the comparisons that a study decides, what costs most first; controls are left to their section."""
    mine = decided(a)
    costs = a.costs.set_index("arm") if COST in a.costs else None
    rows = [_row(a, c, costs) for c in mine]
    return {
        "rows": rows,
        "cost": costs is not None,
        "head": ("Change" if a.levels.shape[1] else "Arm") if a.reference else "Difference of",
        "unit": "Blocks won" if unscaled(a.metric, a.datasets) else f"{label(a.metric)} difference",
        "notes": _notes(a, mine),
    }


def _row(a: Analysis, c: Conclusion, costs: Any) -> dict[str, str]:
    f, size = c.finding, c.finding.effect
    own = alone(a, f)
    difference, spread = "–", ""
    if own is not None:
        difference, spread = signed(own.mean), f"{interval(own.low, own.high)}, this data set only"
    elif size is not None and unscaled(a.metric, a.datasets):
        difference = won(size.superior, size.n)
    elif size is not None:
        difference, spread = signed(size.mean), interval(size.low, size.high) if size.n > 1 else "one block"
    return {
        "name": _name(a, c),
        "difference": difference,
        "interval": spread,
        "p": p_value(f.p),
        "word": c.word,
        "mark": "sure" if c.word in ("may go", "costs", "earns its keep", "better", "worse") else "",
        "note": "; ".join(filter(None, [c.note, _elsewhere(a, c)])),
        "why": c.why,
        "worst": f"{f.worst[0]} {signed(f.worst[1])}" if f.worst and len(f.blocks) > 1 else "–",
        "cost": amount(costs.loc[f.arm, COST]) if costs is not None and f.arm in costs.index else "–",
    }


def _elsewhere(a: Analysis, c: Conclusion) -> str:
    """Say on which metrics the arm points the other way: a bare word would hide that."""
    above, below = conflicts(a, c.finding)
    higher = c.word in ("costs", "better") or (c.word not in ("earns its keep", "worse") and lead(a, c.finding) > 0)
    against = below if higher else above
    return f"{'worse' if higher else 'better'} on {', '.join(against)}" if against else ""


def _notes(a: Analysis, mine: list[Conclusion]) -> list[str]:
    """Say what the table has to be read with; each once."""
    out = _whys(a, mine)
    established = [c.finding for c in mine if c.finding.verdict in ("higher", "lower")]
    if any(f.effect and isfinite(f.effect.low) and not f.side for f in established):
        out.append("Where an interval touches zero beside a difference: the test goes step by step, intervals do not.")
    if words := [word for word in _ONE_SIDED if any(c.word == word and _beyond_margin(c) for c in mine)]:
        out.append(
            f"Where an interval passes the margin beside {joined([repr(word) for word in words])}: the word rests on "
            "one-sided tests with Holm, the interval is two-sided and holds for all comparisons at once."
        )
    if len(mine) > 2 and len(a.blocks) > 1:
        out.append("The largest of several differences is flattered by being the largest; its interval is not.")
    return out


def _whys(a: Analysis, mine: list[Conclusion]) -> list[str]:
    """Say why comparisons are not decided, and which, where the reasons differ."""
    whys: dict[str, list[str]] = {}
    for c in mine:
        if c.why:
            whys.setdefault(c.why, []).append(_name(a, c))
    if len(whys) == 1:
        return [f"{why[0].upper()}{why[1:]}." for why in whys]
    return [f"{joined(names, 3)}: {why}." for why, names in whys.items()]


def _beyond_margin(c: Conclusion) -> bool:
    """Whether the interval of an arm that a margin decided on reaches beyond that margin."""
    size = c.finding.effect
    if size is None or c.margin is None or not isfinite(size.low):
        return False
    return size.low < -c.margin or (c.word == "practically equal" and size.high > c.margin)


def _name(a: Analysis, c: Conclusion) -> str:
    return change(a, c.finding.arm) if a.reference else f"{c.finding.arm} − {c.finding.against}"
