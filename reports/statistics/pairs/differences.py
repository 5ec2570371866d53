"""Size of the paired difference of two arms over blocks, with its interval.

Literature: [1] Hodges & Lehmann 1963; [2] Kerby 2014 (rank-biserial).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from reports.statistics.arrays import Values
from reports.words.metrics import DECIMALS


@dataclass(frozen=True)
class Effect:
    """How far one arm lies from another, block by block [1, 2]; metric units unless noted."""

    n: int
    mean: float
    low: float
    high: float
    hodges_lehmann: float
    rank_biserial: float
    cohens_d: float
    superior: float
    ties: int


def rounded(difference: Values) -> Values:
    """Take the differences of two arms as far as they are known, smallest first."""
    return np.round(np.sort(np.asarray(difference, dtype=float)), DECIMALS)


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
        :class:`reports.statistics.pairs.signed.Exams`; blocks are independent and add nothing.
    """
    d = np.asarray(difference, dtype=float)
    if len(d) < 2:
        return float("nan"), float("nan")
    error = d.std(ddof=1) * np.sqrt(1 / len(d) + ratio)
    half = float(stats.t.ppf(0.5 + level / 2, len(d) - 1) * error)
    return float(d.mean()) - half, float(d.mean()) + half


def effect(difference: Values, level: float = 0.95) -> Effect:
    """Size the paired difference between two arms, ``[blocks]`` arm minus reference."""
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
        ties=int((d == 0).sum()),
    )
