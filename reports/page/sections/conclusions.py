"""What the page and the table files show of its conclusions: equality, power, factors together."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from reports.findings.conclusions import decided
from reports.findings.results import Analysis, Conclusion
from reports.page.sections.factorial import factorial_exports, factorials_context
from reports.page.sections.verdicts import verdict_table
from reports.page.sentences.factors import interactions
from reports.page.tables.exports import Export
from reports.statistics.pairs.power import MIN_REPEATS, POWER, Power
from reports.words.numbers import count, number


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
            **_names(c),
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
    out = [Export("conclusions", pd.DataFrame(rows))]
    plans = [{**_names(c), "power": POWER, **asdict(c.power)} for c in a.conclusions if c.power]
    if plans:
        out.append(Export("power", pd.DataFrame(plans)))
    return [*out, *factorial_exports(a.factorials)]


def _names(c: Conclusion) -> dict[str, str]:
    f = c.finding
    return {"metric": f.metric, "family": f.family, "arm": f.arm, "against": f.against}


def _power(c: Conclusion, p: Power) -> dict[str, str]:
    known = p.repeats >= MIN_REPEATS
    return {
        "pair": f"{c.finding.arm} − {c.finding.against}",
        "difference": f"{p.difference:g}",
        "n": str(p.blocks),
        "repeats": str(p.repeats),
        "sd": number(p.sd, 4),
        "between": number(p.sd_between, 4),
        "within": number(p.sd_repeats, 4),
        "needed": f"{_blocks(p.needed)} [{_blocks(p.needed_low)}, {_blocks(p.needed_high)}]",
        "not_worse": _blocks(p.needed_not_worse),
        "equal": _blocks(p.needed_equal),
        "double": _blocks(p.needed_double) if known else "–",
        "endless": _blocks(p.needed_endless) if known else "–",
    }


def _blocks(needed: int | None) -> str:
    return "> 100,000" if needed is None else f"{needed:,}"
