"""What the page and the table files show of its conclusions: equality, power, factors together."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from reports.findings.results import Analysis, Conclusion
from reports.page.sections.factorial import factorial_exports, factorials_context
from reports.page.sentences.questions import questions
from reports.page.tables.exports import Export
from reports.statistics.pairs.equivalence import Equivalence
from reports.statistics.pairs.power import MIN_REPEATS, POWER, Power
from reports.words.metrics import label
from reports.words.numbers import count, ends, number, p_value


def conclusions_context(a: Analysis) -> dict[str, Any]:
    """Gather what the page shows first, and the tables that it rests on."""
    margins = {c.equivalence.margin for c in a.conclusions if c.equivalence}
    return {
        "questions": questions(a),
        "margin": ", ".join(f"{m:g}" for m in sorted(margins)),
        "equality": [_equality(c, c.equivalence) for c in a.conclusions if c.equivalence],
        "power": [_power(c, c.power) for c in a.conclusions if c.power],
        "aim": f"{POWER:g}",
        "few_repeats": any(c.power.repeats < MIN_REPEATS for c in a.conclusions if c.power),
        "least_repeats": count(MIN_REPEATS, "repeat"),
        "factorials": factorials_context(a),
    }


def conclusion_exports(a: Analysis) -> list[Export]:
    """Collect the tables of the conclusions, all digits."""
    rows = [{**_names(c), "conclusion": c.word, **_equal_numbers(c), "why": c.why} for c in a.conclusions]
    out = [Export("conclusions", pd.DataFrame(rows))]
    plans = [{**_names(c), "power": POWER, **asdict(c.power)} for c in a.conclusions if c.power]
    if plans:
        out.append(Export("power", pd.DataFrame(plans)))
    return [*out, *factorial_exports(a.factorials)]


def _names(c: Conclusion) -> dict[str, str]:
    f = c.finding
    return {"metric": f.metric, "family": f.family, "arm": f.arm, "against": f.against}


def _equal_numbers(c: Conclusion) -> dict[str, Any]:
    e = c.equivalence
    return {
        "blocks": e.n if e else (c.finding.effect.n if c.finding.effect else 0),
        "margin": e.margin if e else np.nan,
        "p_tost": e.p if e else np.nan,
        "p_tost_holm": c.p_equal if e else np.nan,
        "tost_low": e.low if e else np.nan,
        "tost_high": e.high if e else np.nan,
        "p_worse": e.below if e else np.nan,
        "p_equal": e.within if e else np.nan,
        "p_better": e.above if e else np.nan,
    }


def _equality(c: Conclusion, e: Equivalence) -> dict[str, str]:
    return {
        "metric": label(c.finding.metric),
        "pair": f"{c.finding.arm} − {c.finding.against}",
        "n": str(e.n),
        "interval": ends(e.low, e.high),
        "p": p_value(e.p),
        "holm": p_value(c.p_equal),
        "below": number(e.below, 2),
        "within": number(e.within, 2),
        "above": number(e.above, 2),
        "word": c.word,
    }


def _power(c: Conclusion, p: Power) -> dict[str, str]:
    known = p.repeats >= MIN_REPEATS
    return {
        "metric": label(c.finding.metric),
        "pair": f"{c.finding.arm} − {c.finding.against}",
        "difference": f"{p.difference:g}",
        "n": str(p.blocks),
        "repeats": str(p.repeats),
        "sd": number(p.sd, 4),
        "between": number(p.sd_between, 4),
        "within": number(p.sd_repeats, 4),
        "needed": f"{_blocks(p.needed)} [{_blocks(p.needed_low)}, {_blocks(p.needed_high)}]",
        "holm": _blocks(p.needed_holm),
        "double": _blocks(p.needed_double) if known else "–",
        "endless": _blocks(p.needed_endless) if known else "–",
    }


def _blocks(needed: int | None) -> str:
    return "> 100,000" if needed is None else f"{needed:,}"
