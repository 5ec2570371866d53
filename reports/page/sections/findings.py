"""The section of findings: every comparison, the tests over all arms, and pairs that decide nothing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from reports.findings.results import Analysis, Finding, GlobalTest, Paired
from reports.statistics.pairs.signed import MIN_TESTED
from reports.table.blocks import Dropped
from reports.words.metrics import label
from reports.words.numbers import confidence, interval, number, p_value, signed, won

_RESPLIT = "Repeats split the same edges anew and share many of them: {} of the corrected resampled t test (Nadeau & "
_RESPLIT += "Bengio 2003)."
_ONE_SPLIT = "All repeats sit one exam: {} of a paired t test, which speak of training seeds on that exam alone."
_PLAIN = "Plain t intervals and no p, since repeats that share edges make them too narrow: {}."


def families_context(a: Analysis) -> list[dict[str, Any]]:
    """Gather the comparisons of every family, and beside them the tests that no verdict rests on."""
    interval_head, out = f"{confidence(a.alpha)} interval", []
    for name in dict.fromkeys(f.family for f in a.findings):
        members = [f for f in a.findings if f.family == name]
        rows = [_finding(f, interval_head) for f in members]
        if any(f.verdict != "described" for f in members):
            failures = any(f.failures for f in members)
            rows = [row | _tested(f, failures=failures) for f, row in zip(members, rows, strict=True)]
        out.append(
            {
                "name": name,
                "metric": label(members[0].metric),
                "primary": members[0].metric == a.metric,
                "rows": rows,
                "beside": [_beside(f) for f in members] if any(f.sensitivity for f in members) else [],
                "dropped": [
                    f"{f.arm} − {f.against}, blocks left out: {_left_out(f.dropped)}" for f in members if f.dropped
                ],
            }
        )
    return out


def _finding(f: Finding, interval_head: str) -> dict[str, str]:
    size = f.effect
    return {
        "Difference of": f"{f.arm} − {f.against}",
        "N": str(size.n if size else 0),
        "Mean": signed(size.mean) if size else "–",
        interval_head: interval(size.low, size.high) if size else "–",
        "Won": won(size.superior, size.n) if size else "–",
    }


def _tested(f: Finding, *, failures: bool) -> dict[str, str]:
    return {
        "p (max-T)": p_value(f.decision.p),
        **({"p, failures\nworst": p_value(f.decision.p_failures)} if failures else {}),
        "p not\nworse": p_value(f.decision.p_not_worse),
        "p equal": p_value(f.decision.p_equal),
        "Difference": f.verdict,
    }


def _beside(f: Finding) -> dict[str, str]:
    size, beside = f.effect, f.sensitivity
    return {
        "Difference of": f"{f.arm} − {f.against}",
        "Method": beside.signed.method if beside else "",
        "p of the\nmethod": p_value(beside.signed.p) if beside else "",
        "Holm p": p_value(beside.p_holm) if beside else "",
        "Holm p,\npaired t": p_value(beside.p_t_holm) if beside else "",
        "Hodges–Lehmann": signed(size.hodges_lehmann) if size else "–",
        "Rank-biserial": signed(size.rank_biserial, 2) if size else "–",
        "Cohen's d": signed(size.cohens_d, 2) if size else "–",
    }


def _left_out(dropped: tuple[Dropped, ...]) -> str:
    return "; ".join(f"{d.block}: {', '.join(d.arms)} {d.why}" for d in dropped)


def global_context(test: GlobalTest, primary: str) -> dict[str, Any]:
    """Gather what the test over all arms says on one metric."""
    t, second = test.test, test.second
    return {
        "metric": label(test.metric),
        "primary": test.metric == primary,
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
        "ranks": _ranks_of(test.ranks),
        "second_ranks": "" if test.second_ranks is None else _ranks_of(test.second_ranks),
        "pairs": _rank_pairs(test),
        "dropped": _left_out(test.dropped),
    }


def _ranks_of(ranks: pd.Series) -> str:
    return ", ".join(f"{arm} {number(rank, 2)}" for arm, rank in ranks.items())


def gain_table(a: Analysis) -> dict[str, Any]:
    """Lay gains out with data sets down and metrics across: a reviewer reads along one data set."""
    cells = {(g.dataset, g.metric): pair_row(g) for g in a.gains}
    metrics = [m for m in a.metrics if any(metric == m for _, metric in cells)]
    datasets = sorted({dataset for dataset, _ in cells})
    rows = [{"name": d, "cells": [cells.get((d, m)) for m in metrics]} for d in datasets]
    return {"heads": [label(m) for m in metrics], "rows": rows}


def pair_notes(pairs: Sequence[Paired]) -> list[str]:
    """Say what intervals and p on single data sets rest on, or why there is no p."""
    measured = [pair for pair in pairs if not pair.note]
    tested = any(pair.test for pair in measured)
    what = "intervals and p are those" if tested else "intervals are those"
    out = [_RESPLIT.format(what)] if any(pair.ratio for pair in measured) else []
    out += [_ONE_SPLIT.format(what)] if any(pair.ratio == 0 for pair in measured) else []
    out += [_PLAIN.format(why) for why in dict.fromkeys(pair.uncorrected for pair in measured) if why]
    if tested:
        fewer = any(pair.repeats < MIN_TESTED for pair in measured)
        out.append("Holm over the comparisons of one data set and metric.")
        out += [f"No p from fewer than {MIN_TESTED} repeats."] * fewer
    return out


def pair_row(pair: Paired) -> dict[str, str]:
    """Write the paired difference on a single data set."""
    return {
        "metric": label(pair.metric),
        "dataset": pair.dataset,
        "arm": pair.arm,
        "against": pair.against,
        "mean": signed(pair.mean),
        "interval": interval(pair.low, pair.high),
        "won": f"{pair.superior * pair.repeats:g} of {pair.repeats}" if pair.repeats else "–",
        "p": p_value(pair.test.p if pair.test else None),
        "holm": p_value(pair.p_holm),
        "repeats": str(pair.repeats),
        "lost": "yes" if pair.mean < 0 else "",
        "note": pair.note,
    }


def _rank_pairs(test: GlobalTest) -> list[dict[str, str]]:
    """Write both tests of mean ranks for every pair of arms, better arm first; nothing where refused."""
    if test.nemenyi is None or test.conover is None:
        return []
    return [
        {
            "Difference of": f"{one} − {other}",
            "Mean ranks": signed(test.ranks[one] - test.ranks[other], 2),
            "Nemenyi p": p_value(float(test.nemenyi.loc[one, other])),
            "Conover p (Holm)": p_value(float(test.conover.loc[one, other])),
        }
        for one, other in combinations(test.ranks.index, 2)
    ]
