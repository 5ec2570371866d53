"""What the page shows of pairs that decide nothing: on one data set alone, and of mean ranks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from reports.findings.results import Analysis, GlobalTest, Paired
from reports.statistics.pairs.resampled import MIN_TESTED
from reports.words.metrics import label
from reports.words.numbers import interval, p_value, signed

_RESPLIT = "Repeats split the same edges anew and share many of them: {} of the corrected resampled t test (Nadeau & "
_RESPLIT += "Bengio 2003)."
_ONE_SPLIT = "All repeats sit one exam: {} of a paired t test, which speak of training seeds on that exam alone."
_PLAIN = "Plain t intervals and no p, since repeats that share edges make them too narrow: {}."


def gain_table(a: Analysis) -> dict[str, Any]:
    """Lay gains out with data sets down and metrics across: a reviewer reads along one data set."""
    cells = {(g.dataset, g.metric): _row(g) for g in a.gains}
    metrics = [m for m in a.metrics if any(metric == m for _, metric in cells)]
    datasets = sorted({dataset for dataset, _ in cells})
    rows = [{"name": d, "cells": [cells.get((d, m)) for m in metrics]} for d in datasets]
    return {"heads": [label(m) for m in metrics], "rows": rows}


def pair_rows(pairs: Sequence[Paired]) -> list[dict[str, str]]:
    """Write the paired differences of single data sets, row by row."""
    return [_row(pair) for pair in pairs]


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


def _row(pair: Paired) -> dict[str, str]:
    return {
        "metric": label(pair.metric),
        "dataset": pair.dataset,
        "arm": pair.arm,
        "against": pair.against,
        "mean": signed(pair.mean),
        "interval": interval(pair),
        "won": f"{pair.superior * pair.repeats:g} of {pair.repeats}" if pair.repeats else "–",
        "p": p_value(pair.test.p if pair.test else None),
        "holm": p_value(pair.p_holm),
        "repeats": str(pair.repeats),
        "lost": "yes" if pair.mean < 0 else "",
        "note": pair.note,
    }


def rank_pairs(test: GlobalTest) -> list[dict[str, str]]:
    """Write both tests of mean ranks for every pair of arms, better arm first; nothing where refused."""
    if test.nemenyi is None or test.conover is None:
        return []
    return [
        {
            "pair": f"{one} − {other}",
            "ranks": signed(test.ranks[one] - test.ranks[other], 2),
            "nemenyi": p_value(float(test.nemenyi.loc[one, other])),
            "conover": p_value(float(test.conover.loc[one, other])),
        }
        for one, other in combinations(test.ranks.index, 2)
    ]
