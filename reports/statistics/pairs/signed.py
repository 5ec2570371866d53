"""Two-sided tests of the signs and signed ranks of paired differences, exact where that can be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from reports.statistics.arrays import Values
from reports.statistics.attainability import FEWEST
from reports.statistics.pairs.differences import rounded

_EXACT_UP_TO = 300  # blocks: a twentieth of a second; beyond, the normal approximation errs to the larger side


MIN_SIGNED = FEWEST  # blocks


@dataclass(frozen=True)
class Signed:
    """A two-sided test on the paired block differences of two arms."""

    statistic: float
    p: float
    method: str


def wilcoxon(difference: Values) -> Signed:
    """Test whether an arm differs by signed ranks, exactly with ties, too; blocks without a difference are left out.

    Parameters
    ----------
    difference
        Arm minus reference, ``[blocks]``; at least 6.
    """
    d = rounded(difference)
    if len(d) < MIN_SIGNED:
        raise ValueError(f"a two-sided Wilcoxon test needs at least {MIN_SIGNED} blocks, got {len(d)}")
    moved = d[d != 0]
    ranks = stats.rankdata(np.abs(moved))
    if not len(ranks):
        return Signed(0.0, 1.0, "no block differs")
    if len(ranks) > _EXACT_UP_TO:
        test = stats.wilcoxon(d, method="asymptotic")  # type: ignore[call-overload]
        return Signed(float(test.statistic), float(test.pvalue), "Wilcoxon, normal approximation, tie-corrected")
    positive = moved > 0
    smaller = float(min(ranks[positive].sum(), ranks[~positive].sum()))
    name = "exact" if len(set(ranks)) == len(d) else "exact (ties or zeros)"
    return Signed(smaller, min(1.0, 2 * _below(ranks, smaller)), f"Wilcoxon, {name}")


def _below(ranks: Values, at: float) -> float:
    """Return how probable it is that ranks with random signs have a positive sum of ``at`` or less.

    scipy counts outcomes exactly only where no two ranks are equal. Doubled mid-ranks are whole numbers, so that a
    block more is one shifted sum here.
    """
    doubled = np.rint(2 * ranks).astype(int)
    chance = np.zeros(doubled.sum() + 1)
    chance[0] = 1.0
    for rank in doubled:
        chance[rank:] += chance[:-rank].copy()
        chance /= 2
    return float(chance[: int(np.rint(2 * at)) + 1].sum())


def sign_test(difference: Values) -> Signed:
    """Test whether an arm wins more blocks than another, where differences share no scale (raw AUPRC)."""
    d = rounded(difference)
    wins, losses = int((d > 0).sum()), int((d < 0).sum())
    p = float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0
    return Signed(float(min(wins, losses)), p, "sign test, exact")
