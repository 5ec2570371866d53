"""One function per statistic of a study; every one takes block means and nothing that could hide a repeat.

Literature: [1] Demšar 2006 JMLR 7 (Friedman, Nemenyi, Holm over data sets); [2] Iman & Davenport 1980; [3]
Hodges & Lehmann 1963; [4] Kerby 2014 (rank-biserial); [5] García & Herrera 2008 (comparisons with a
reference); [6] Conover & Iman 1979 (pairs of mean ranks).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
import pandas as pd
import scikit_posthocs
from numpy.typing import NDArray
from scipy import stats

from reports.statistics.attainability import blocks_needed, smallest_p

__all__ = [
    "DECIMALS",
    "MIN_SIGNED",
    "Effect",
    "Friedman",
    "Signed",
    "block_ranks",
    "blocks_needed",
    "conover",
    "effect",
    "friedman",
    "holm",
    "holm_of",
    "mean_interval",
    "nemenyi",
    "only_wins",
    "sign_test",
    "smallest_p",
    "wilcoxon",
    "wilcoxon_as_printed",
]

Values = NDArray[np.float64]
DECIMALS = 6  # two scores closer than this are equal: no network's AUROC is known to a millionth
_EXACT_UP_TO = 100  # blocks; from there the normal approximation is right to the digits that are printed
MIN_SIGNED = 6  # blocks; 2 / 2**5 > .05: below this no outcome of a two-sided test of signs could count


@dataclass(frozen=True)
class Friedman:
    """Whether any arm of a study differs, over N blocks and k arms [1, 2]."""

    blocks: int
    arms: int
    chi2: float
    p_chi2: float
    f: float
    p_f: float
    p_permutation: float | None
    kendalls_w: float

    @property
    def p(self) -> float:
        """The p this N allows: by permutation below 10 blocks, Iman-Davenport F from 10."""
        return self.p_f if self.p_permutation is None else self.p_permutation

    @property
    def method(self) -> str:
        """How :attr:`p` was computed, in words."""
        return "Iman–Davenport F" if self.p_permutation is None else "Friedman by permutation"


@dataclass(frozen=True)
class Signed:
    """A two-sided test on the paired block differences of two arms."""

    statistic: float
    p: float
    method: str


@dataclass(frozen=True)
class Effect:
    """How far one arm of a study lies from another, block by block [3, 4]; metric units unless noted."""

    n: int
    mean: float
    low: float
    high: float
    hodges_lehmann: float
    rank_biserial: float
    cohens_d: float
    superior: float


def block_ranks(blocks: pd.DataFrame) -> pd.DataFrame:
    """Rank the arms of a study inside each block: 1 is best, ties share, -inf (a failure) is worst.

    Parameters
    ----------
    blocks
        Block means, ``[blocks, arms]``, higher is better.
    """
    return blocks.round(DECIMALS).rank(axis=1, ascending=False, method="average")


def friedman(blocks: pd.DataFrame) -> Friedman:
    """Ask whether any arm of a study differs, from complete block means ``[blocks, arms]``."""
    ranks = block_ranks(blocks).sort_index(axis=0).sort_index(axis=1).to_numpy()
    n, k = ranks.shape
    if n < 2 or k < 3:
        raise ValueError(f"Friedman needs at least 2 blocks and 3 arms, got {n} and {k}")
    if np.ptp(ranks, axis=1).max() == 0.0:
        return Friedman(n, k, 0.0, 1.0, 0.0, 1.0, 1.0 if n < 10 else None, 0.0)
    test = stats.friedmanchisquare(*ranks.T)
    chi2, rest = float(test.statistic), n * (k - 1) - float(test.statistic)
    agreed = rest <= 1e-9  # every block has the same order: F is infinite, but chance could do so, too
    f = np.inf if agreed else (n - 1) * chi2 / rest
    p_f = _all_agree(ranks[0]) ** (n - 1) if agreed else float(stats.f.sf(f, k - 1, (k - 1) * (n - 1)))
    permuted = _permutation_p(ranks) if n < 10 else None
    return Friedman(n, k, chi2, float(test.pvalue), float(f), p_f, permuted, chi2 / (n * (k - 1)))


def _all_agree(ranks: Values) -> float:
    """Return how probable it is that a block, shuffled, ranks the arms of a study as another one does."""
    ties = np.unique(ranks, return_counts=True)[1]
    return float(np.prod([math.factorial(t) for t in ties]) / math.factorial(len(ranks)))


def _permutation_p(ranks: Values) -> float:
    """Shuffle ranks inside blocks; the sum of squared rank totals orders outcomes exactly as chi2 does."""

    def spread(*columns: Values, axis: int = -1) -> Values:
        return np.sum([c.sum(axis=axis) ** 2 for c in columns], axis=0)

    test = stats.permutation_test(
        tuple(ranks.T),
        spread,
        permutation_type="samples",
        vectorized=True,
        n_resamples=9_999,
        alternative="greater",
        rng=np.random.default_rng(0),
    )
    return float(test.pvalue)


def _rounded(difference: Values) -> Values:
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
    d = _rounded(difference)
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
    d = _rounded(difference)
    wins, losses = int((d > 0).sum()), int((d < 0).sum())
    p = float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0
    return Signed(float(min(wins, losses)), p, "sign test, exact")


def holm(p: Values) -> Values:
    """Correct the p-values of one family of comparisons of a study (Holm, step-down)."""
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


def nemenyi(blocks: pd.DataFrame) -> pd.DataFrame:
    """Compare all pairs of mean ranks of a study: block means ``[blocks, arms]`` to p ``[arms, arms]``."""
    return _mean_ranks("Nemenyi", scikit_posthocs.posthoc_nemenyi_friedman, blocks)


def conover(blocks: pd.DataFrame) -> pd.DataFrame:
    """Compare all pairs of mean ranks by their spread in this study [6], Holm over all pairs; as :func:`nemenyi`.

    Arms that every block ranks alike lend their small spread to equal ones, so the test alone is liberal. No pair's p
    is taken below that of its own sign test, which knows of no other arm.
    """
    with np.errstate(divide="ignore", invalid="ignore"):  # blocks that all rank alike leave no spread at all
        p = _mean_ranks("Conover", scikit_posthocs.posthoc_conover_friedman, blocks)
    upper = np.triu_indices(len(p), 1)
    values = blocks[p.columns].to_numpy()
    own = [sign_test(values[:, one] - values[:, other]).p for one, other in zip(*upper, strict=True)]
    adjusted = np.ones(p.shape)
    adjusted[upper] = adjusted.T[upper] = holm(np.maximum(p.fillna(0.0).to_numpy()[upper], own))
    return pd.DataFrame(adjusted, index=p.index, columns=p.columns)


def _mean_ranks(name: str, test: Callable[[Values], pd.DataFrame], blocks: pd.DataFrame) -> pd.DataFrame:
    n, k = blocks.shape
    if n < 5 or k < 3 or blocks.isna().any().any():
        raise ValueError(f"{name} needs 5 complete blocks and 3 arms, got {n} and {k}")
    ordered = blocks.round(DECIMALS).sort_index(axis=0).sort_index(axis=1)
    return pd.DataFrame(test(ordered.to_numpy()).to_numpy(), index=ordered.columns, columns=ordered.columns)


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
        :class:`reports.statistics.resampled.Exams`; blocks are independent and add nothing.
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
    d = _rounded(difference)
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
