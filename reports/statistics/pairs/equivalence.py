"""Whether an arm is as good as another, or at least not worse, which a large p of a difference never shows.

Literature: [1] Schuirmann 1987 (two one-sided tests); [2] CONSORT 2012 extension (non-inferiority).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import numpy as np
from statsmodels.stats.weightstats import ttost_paired

from reports.statistics.arrays import Values
from reports.statistics.multiplicity import holm_of
from reports.words.metrics import metric_of

MIN_TOST = 5  # blocks; below this the signs of blocks alone are no evidence at .05, however close they lie


@dataclass(frozen=True)
class Equivalence:
    """How surely an arm lies within ``margin`` of another [1], and how surely not below it [2]; p over ``n`` blocks.

    Not adjusted for other comparisons, and not bounded by the signs of blocks: see :func:`adjusted`.
    """

    n: int
    margin: float
    p_equal: float
    p_not_worse: float


def margin_of(metric: str, stated: float | None = None) -> float | None:
    """Return the margin for a metric: the one that the user stated, else its own; None where it has none."""
    return metric_of(metric).margin if stated is None else stated


def blocks_for_equal(alpha: float = 0.05) -> int:
    """Return the fewest blocks of which equality can come out at a level, see :func:`adjusted`."""
    return next(n for n in count(MIN_TOST) if 0.5**n < alpha)


def equivalence(difference: Values, margin: float) -> Equivalence:
    """Ask whether the mean difference lies inside the margin, and whether it lies above its lower end.

    Parameters
    ----------
    difference
        Arm minus reference, ``[blocks]``; at least 5.
    margin
        Largest difference that does not matter, in units of the metric.

    Raises
    ------
    ValueError
        If there are fewer than 5 blocks, or the margin is not above 0.
    """
    d = np.asarray(difference, dtype=float)
    if len(d) < MIN_TOST:
        raise ValueError(f"equivalence needs at least {MIN_TOST} blocks, got {len(d)}")
    if not margin > 0:
        raise ValueError(f"the margin must be above 0, got {margin}")
    if np.ptp(d) == 0:
        return Equivalence(len(d), margin, float(abs(d[0]) >= margin), float(d[0] <= -margin))
    p, above_lower, _ = ttost_paired(d, np.zeros_like(d), -margin, margin)
    return Equivalence(len(d), margin, float(p), float(above_lower[1]))


def adjusted(family: list[tuple[float, int] | None]) -> list[float | None]:
    """Correct one-sided p of one family (Holm), each given with its number of blocks.

    Blocks could lie on one side of the margin by chance alone: no p is below 1 / 2**N, whatever their spread. That
    bound comes after the correction, for it does not grow with the number of comparisons.
    """
    corrected = holm_of([None if one is None else one[0] for one in family])
    return [
        None if one is None or p is None else max(p, 0.5 ** one[1]) for one, p in zip(family, corrected, strict=True)
    ]
