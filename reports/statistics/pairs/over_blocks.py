"""One function per statistic of a pair of arms of a study; every one takes block means, in which no repeat hides.

Literature: [1] Hodges & Lehmann 1963; [2] Kerby 2014 (rank-biserial); [3] Demšar 2006 JMLR 7 (Holm over comparisons).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from reports.words.metrics import DECIMALS

Values = NDArray[np.float64]
_EXACT_UP_TO = 300  # blocks: a twentieth of a second; beyond, the normal approximation errs to the larger side
MIN_SIGNED = 6  # blocks; 2 / 2**5 > .05: below this no outcome of a two-sided test of signs could count


@dataclass(frozen=True)
class Signed:
    """A two-sided test on the paired block differences of two arms."""

    statistic: float
    p: float
    method: str


@dataclass(frozen=True)
class Effect:
    """How far one arm of a study lies from another, block by block [1, 2]; metric units unless noted."""

    n: int
    mean: float
    low: float
    high: float
    hodges_lehmann: float
    rank_biserial: float
    cohens_d: float
    superior: float


def rounded(difference: Values) -> Values:
    """Take the differences of two arms of a study as far as they are known, smallest first."""
    return np.round(np.sort(np.asarray(difference, dtype=float)), DECIMALS)


def wilcoxon(difference: Values, *, zeros: Literal["wilcox", "pratt"] = "wilcox") -> Signed:
    """Test whether an arm differs from another over blocks: signed ranks, exactly, with ties and zeros as they are.

    Parameters
    ----------
    difference
        Arm minus reference, ``[blocks]``; at least 6.
    zeros
        ``wilcox`` leaves blocks without a difference out, ``pratt`` ranks them along.
    """
    d = rounded(difference)
    if len(d) < MIN_SIGNED:
        raise ValueError(f"a two-sided Wilcoxon test needs at least {MIN_SIGNED} blocks, got {len(d)}")
    moved = d[d != 0] if zeros == "wilcox" else d
    ranks = stats.rankdata(np.abs(moved))[moved != 0]
    if not len(ranks):
        return Signed(0.0, 1.0, "no block differs")
    if len(ranks) > _EXACT_UP_TO:
        test = stats.wilcoxon(d, zero_method=zeros, method="asymptotic")  # type: ignore[call-overload]
        return Signed(float(test.statistic), float(test.pvalue), "Wilcoxon, normal approximation, tie-corrected")
    positive = moved[moved != 0] > 0
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


def wilcoxon_as_printed(difference: Values) -> float:
    """Return the p that most papers print: scipy's, in which the last bits of floats break ties at random."""
    d = np.asarray(difference, dtype=float)
    return float(stats.wilcoxon(d).pvalue) if d.any() else 1.0


def sign_test(difference: Values) -> Signed:
    """Test whether an arm wins more blocks than another, where differences share no scale (raw AUPRC)."""
    d = rounded(difference)
    wins, losses = int((d > 0).sum()), int((d < 0).sum())
    p = float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0
    return Signed(float(min(wins, losses)), p, "sign test, exact")


def holm(p: Values) -> Values:
    """Correct the p-values of one family of comparisons of a study (Holm, step-down) [3]."""
    # four lines of our own: statsmodels' multipletests runs a full garbage collection on every call
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(np.asarray(p, dtype=float)[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


class Tested(Protocol):
    """A comparison that was tested."""

    @property
    def p(self) -> float:
        """Its p-value, not corrected."""


def holm_of(family: Sequence[Tested | None]) -> list[float | None]:
    """Correct the comparisons of one family of a study; one that could not be tested still counts, as p = 1."""
    p = holm(np.array([1.0 if test is None else test.p for test in family]))
    return [None if test is None else float(value) for test, value in zip(family, p, strict=True)]


def mean_interval(difference: Values, level: float = 0.95, *, ratio: float = 0.0) -> tuple[float, float]:
    """Return the t interval of a mean paired difference; NaN where one value cannot give one.

    Parameters
    ----------
    difference
        Arm minus reference, ``[blocks]``, or ``[repeats]`` of one data set.
    level
        Coverage, in (0, 1).
    ratio
        What repeats that share edges add to the variance of their mean, see
        :class:`reports.statistics.pairs.resampled.Exams`; blocks are independent and add nothing.
    """
    d = np.asarray(difference, dtype=float)
    if len(d) < 2:
        return float("nan"), float("nan")
    error = d.std(ddof=1) * np.sqrt(1 / len(d) + ratio)
    half = float(stats.t.ppf(0.5 + level / 2, len(d) - 1) * error)
    return float(d.mean()) - half, float(d.mean()) + half


def only_wins(size: Effect) -> Effect:
    """Keep of an effect what needs no common scale of a study's data sets: on how many blocks the arm is ahead."""
    no = float("nan")
    return replace(size, mean=no, low=no, high=no, hodges_lehmann=no, rank_biserial=no, cohens_d=no)


def effect(difference: Values, level: float = 0.95) -> Effect:
    """Size the paired difference between two arms of a study, ``[blocks]`` arm minus reference."""
    d = rounded(difference)
    low, high = mean_interval(d, level)
    upper = np.triu_indices(len(d))
    walsh = (d[:, None] + d[None, :])[upper] / 2
    moved = d[d != 0]
    ranks = stats.rankdata(np.abs(moved))
    biserial = float((np.sign(moved) * ranks).sum() / ranks.sum()) if len(moved) else 0.0
    sd = float(d.std(ddof=1)) if len(d) > 1 else float("nan")
    return Effect(
        n=len(d),
        mean=float(d.mean()),
        low=low,
        high=high,
        hodges_lehmann=float(np.median(walsh)),
        rank_biserial=biserial,
        cohens_d=float(d.mean()) / sd if sd > 10.0**-DECIMALS else float("nan"),  # differences that do not vary
        superior=float(((d > 0) + 0.5 * (d == 0)).mean()),
    )
