"""The section of findings: every comparison, and the tests over all arms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from reports.findings.results import Analysis, Finding, GlobalTest
from reports.page.sections.pairs import rank_pairs
from reports.table.blocks import Dropped
from reports.words.metrics import label
from reports.words.numbers import interval, number, p_value, signed, won


def families_context(a: Analysis) -> list[dict[str, Any]]:
    """Gather the comparisons of every family."""
    out: dict[str, list[Finding]] = {}
    for f in a.findings:
        out.setdefault(f.family, []).append(f)
    return [
        {
            "name": name,
            "metric": label(members[0].metric),
            "primary": members[0].metric == a.metric,
            "rows": [_finding(f) for f in members],
            "tested": any(f.verdict != "described" for f in members),
            "failures": any(f.failures for f in members),
        }
        for name, members in out.items()
    ]


def _finding(f: Finding) -> dict[str, str]:
    size, beside = f.effect, f.sensitivity
    return {
        "pair": f"{f.arm} − {f.against}",
        "n": str(size.n if size else 0),
        "mean": signed(size.mean) if size else "–",
        "interval": interval(size) if size else "–",
        "shift": signed(size.hodges_lehmann) if size else "–",
        "biserial": signed(size.rank_biserial, 2) if size else "–",
        "d": signed(size.cohens_d, 2) if size else "–",
        "won": won(size) if size else "–",
        "p": p_value(f.decision.p),
        "second": p_value(f.decision.p_failures),
        "method": beside.signed.method if beside else "",
        "signed": p_value(beside.signed.p) if beside else "",
        "holm": p_value(beside.p_holm) if beside else "",
        "paired_t": p_value(beside.p_t_holm) if beside else "",
        "not_worse": p_value(f.decision.p_not_worse),
        "equal": p_value(f.decision.p_equal),
        "verdict": f.verdict,
        "dropped": _left_out(f.dropped),
    }


def _left_out(dropped: tuple[Dropped, ...]) -> str:
    return "; ".join(f"{d.block}: {', '.join(d.arms)} {d.why}" for d in dropped)


def global_context(test: GlobalTest) -> dict[str, Any]:
    """Gather what the test over all arms says on one metric."""
    t, second = test.test, test.second
    return {
        "metric": label(test.metric),
        "n": t.blocks,
        "k": t.arms,
        "chi2": number(t.chi2, 2),
        # below 10 blocks there is no chi-squared p: the one by permutation stands alone
        "p_chi2": p_value(t.p_chi2) if t.blocks >= 10 else "",
        "f": "∞" if np.isinf(t.f) else number(t.f, 2),
        "p": p_value(t.p),
        "method": t.method,
        "w": number(t.kendalls_w),
        "second": f"{second.method}, N = {second.blocks}: p = {p_value(second.p)}" if second else "",
        "ranks": [(arm, number(rank, 2)) for arm, rank in test.ranks.items()],
        "second_ranks": _ranks_of(test.second_ranks),
        "pairs": rank_pairs(test),
        "dropped": _left_out(test.dropped),
    }


def _ranks_of(ranks: pd.Series | None) -> str:
    return "" if ranks is None else ", ".join(f"{arm} {number(rank, 2)}" for arm, rank in ranks.items())
