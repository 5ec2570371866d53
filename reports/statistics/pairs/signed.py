"""Two-sided tests of two arms: of signs and signed ranks over blocks, and of repeats that split the same edges anew.

Literature: [1] Nadeau & Bengio 2003, Machine Learning 52 (corrected resampled t test).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from reports.statistics.arrays import Values
from reports.statistics.attainability import FEWEST
from reports.statistics.pairs.differences import rounded
from reports.table.scores import Status
from reports.words.metrics import DECIMALS

_EXACT_UP_TO = 300  # blocks: a twentieth of a second; beyond, the normal approximation errs to the larger side
MIN_SIGNED = FEWEST  # blocks
MIN_TESTED = 3  # repeats; two leave one degree of freedom, and a t of 12.7 to reach .05
RESPLIT = "corrected resampled t"
ONE_SPLIT = "paired t over seeds of one split"


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


@dataclass(frozen=True)
class Exams:
    """How the repeats on one data set hang together.

    ``ratio`` is what re-splitting adds to the variance of a mean over repeats, in units of their variance: tested
    edges per training edge [1]. It is 0 where all repeats sit one exam and only seeds vary, and None where it is not
    known; ``why`` then says what is missing.
    """

    ratio: float | None
    why: str = ""


def exams(frame: pd.DataFrame) -> dict[str, Exams]:
    """Say for every data set whether its repeats split the edges anew, and how much they overlap."""
    return {str(dataset): _exams(rows) for dataset, rows in frame.groupby("dataset")}


def _exams(rows: pd.DataFrame) -> Exams:
    rows = rows[rows["status"] == Status.OK].drop_duplicates("repeat").reindex(columns=["split_digest", "test_share"])
    digests = rows["split_digest"].replace("", np.nan)
    shares = pd.to_numeric(rows["test_share"], errors="coerce")
    different = len(set(digests))
    if digests.notna().all() and different < len(rows):
        return Exams(0.0) if different == 1 else Exams(None, "some repeats sit the same exam and some do not")
    if shares.isna().any():
        return Exams(None, "the table does not say what share of the edges a repeat tests (column test_share)")
    share = float(shares.max())  # the largest overlap of any two tests
    if not 0 < share < 1:
        return Exams(None, "every repeat tests all edges, so that repeats show the luck of training alone")
    return Exams(share / (1 - share))


def resampled_t(difference: Values, ratio: float) -> Signed | None:
    """Test whether an arm differs from another on this data set, over repeats that share edges [1].

    Parameters
    ----------
    difference
        Arm minus reference, ``[repeats]``.
    ratio
        Tested edges per training edge, see :class:`Exams`; 0 is the plain paired t test.

    Returns
    -------
    Signed or None
        None with fewer than 3 repeats, or where the difference is the same in all of them.
    """
    d = np.round(np.asarray(difference, dtype=float), DECIMALS)
    n, method = len(d), RESPLIT if ratio > 0 else ONE_SPLIT
    if n < MIN_TESTED:
        return None
    if np.ptp(d) == 0:
        return None if d.any() else Signed(0.0, 1.0, method)
    t = float(d.mean() / (d.std(ddof=1) * np.sqrt(1 / n + ratio)))
    return Signed(t, float(2 * stats.t.sf(abs(t), n - 1)), method)
