"""What a family of comparisons establishes, decided for all of them together.

A difference is decided by step-down max-T (:mod:`reports.statistics.pairs.max_t`), 'not worse' and 'equal' by one-sided
t tests against a margin, which a large p of a difference never shows. Nothing else decides.

Literature: [1] Schuirmann 1987 (two one-sided tests); [2] CONSORT 2012 extension (non-inferiority).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal

import numpy as np
from statsmodels.stats.weightstats import ttost_paired

from reports.statistics.arrays import Values
from reports.statistics.multiplicity import holm_of
from reports.statistics.pairs.max_t import MIN_FLIPPED, step_down
from reports.words.metrics import metric_of

MIN_TOST = 5  # blocks; below this the signs of blocks alone are no evidence at .05, however close they lie
Verdict = Literal["higher", "lower", "not established", "not tested", "described"]


@dataclass(frozen=True)
class Equivalence:
    """How surely an arm lies within a margin of another [1], and how surely not below it [2]; p over ``n`` blocks.

    Not adjusted for other comparisons, and not bounded by the signs of blocks: see :func:`adjusted`.
    """

    n: int
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
        return Equivalence(len(d), float(abs(d[0]) >= margin), float(d[0] <= -margin))
    p, above_lower, _ = ttost_paired(d, np.zeros_like(d), -margin, margin)
    return Equivalence(len(d), float(p), float(above_lower[1]))


def adjusted(family: list[tuple[float, int] | None]) -> list[float | None]:
    """Correct one-sided p of one family (Holm), each given with its number of blocks.

    Blocks could lie on one side of the margin by chance alone: no p is below 1 / 2**N, whatever their spread. That
    bound comes after the correction, for it does not grow with the number of comparisons.
    """
    corrected = holm_of([None if one is None else one[0] for one in family])
    return [
        None if one is None or p is None else max(p, 0.5 ** one[1]) for one, p in zip(family, corrected, strict=True)
    ]


@dataclass(frozen=True)
class Decision:
    """What is established of one comparison, at the level of its family.

    ``p`` and ``p_failures`` are adjusted (max-T): over the blocks that both arms finished, and with failed cells as
    losses as large as any. ``p_equal`` and ``p_not_worse`` are adjusted (Holm) and None without a margin.
    """

    verdict: Verdict
    p: float | None = None
    p_failures: float | None = None
    p_equal: float | None = None
    p_not_worse: float | None = None


def decide(
    differences: Values, with_failures: Values, *, margins: Sequence[float | None], alpha: float = 0.05
) -> list[Decision]:
    """Decide a family of comparisons.

    Parameters
    ----------
    differences
        Arm minus the other, ``[blocks, comparisons]``; NaN where a comparison lacks a block.
    with_failures
        The same with failed cells as losses as large as any.
    margins
        Per comparison the largest difference that does not matter; None where equality is not asked.
    alpha
        Level of the family.
    """
    p, second = _tested(differences), _tested(with_failures)
    equal = [_equivalence(d, margin) for d, margin in zip(differences.T, margins, strict=True)]
    p_equal = adjusted([None if e is None else (e.p_equal, e.n) for e in equal])
    p_not_worse = adjusted([None if e is None else (e.p_not_worse, e.n) for e in equal])
    lean, second_lean = (np.sign(np.nansum(d, axis=0)) for d in (differences, with_failures))
    verdicts = [_verdict(*one, alpha) for one in zip(p, second, lean, second_lean, strict=True)]
    return [Decision(*one) for one in zip(verdicts, p, second, p_equal, p_not_worse, strict=True)]


def _tested(differences: Values) -> list[float | None]:
    """Return the adjusted p of the comparisons that have the blocks for a test; the others are None."""
    able = np.isfinite(differences).sum(axis=0) >= MIN_FLIPPED
    p: list[float | None] = [None] * len(able)
    if able.any():
        for j, value in zip(np.flatnonzero(able), step_down(differences[:, able]), strict=True):
            p[j] = float(value)
    return p


def _equivalence(difference: Values, margin: float | None) -> Equivalence | None:
    d = difference[np.isfinite(difference)]
    return None if margin is None or len(d) < MIN_TOST else equivalence(d, margin)


def _verdict(p: float | None, second: float | None, lean: float, second_lean: float, alpha: float) -> Verdict:
    if p is None:
        return "not tested"
    if second is None or max(p, second) >= alpha or lean * second_lean <= 0:
        return "not established"
    return "higher" if lean > 0 else "lower"
