"""What a family of comparisons establishes, decided for all of them together.

A difference is decided by step-down max-T (:mod:`reports.statistics.pairs.max_t`), 'not worse' and 'equal' by
one-sided t tests against a margin (:mod:`reports.statistics.pairs.equivalence`). Nothing else decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from reports.statistics.arrays import Values
from reports.statistics.pairs.equivalence import MIN_TOST, Equivalence, adjusted, equivalence
from reports.statistics.pairs.max_t import MIN_FLIPPED, step_down

Verdict = Literal["higher", "lower", "not established", "not tested", "described"]


@dataclass(frozen=True)
class Decision:
    """What is established of one comparison, at the level of its family.

    ``p`` and ``p_failures`` are adjusted (max-T): over the blocks that both arms finished, and with failed cells as
    losses as large as any. ``p_equal`` and ``p_not_worse`` are adjusted (Holm) and None without a margin.
    """

    verdict: Verdict
    p: float | None = None
    p_failures: float | None = None
    equivalence: Equivalence | None = None
    p_equal: float | None = None
    p_not_worse: float | None = None

    @property
    def p_weaker(self) -> float | None:
        """The larger adjusted p of both passes: a verdict rests on the two, so no star or sentence says less."""
        return None if self.p is None else max(self.p, self.p if self.p_failures is None else self.p_failures)


def decide(
    differences: Values,
    with_failures: Values | None = None,
    *,
    margins: Sequence[float | None] | None = None,
    alpha: float = 0.05,
) -> list[Decision]:
    """Decide a family of comparisons.

    Parameters
    ----------
    differences
        Arm minus the other, ``[blocks, comparisons]``; NaN where a comparison lacks a block.
    with_failures
        The same with failed cells as losses as large as any; None where no cell failed.
    margins
        Per comparison the largest difference that does not matter; None where equality is not asked.
    alpha
        Level of the family.
    """
    m = differences.shape[1]
    p = _tested(differences)
    second = p if with_failures is None else _tested(with_failures)
    equal = [_equivalence(d, margin) for d, margin in zip(differences.T, margins or [None] * m, strict=True)]
    p_equal = adjusted([None if e is None else (e.p_equal, e.n) for e in equal])
    p_not_worse = adjusted([None if e is None else (e.p_not_worse, e.n) for e in equal])
    leans = _leans(differences), _leans(differences if with_failures is None else with_failures)
    out = []
    for j in range(m):
        verdict = _verdict((p[j], second[j]), (leans[0][j], leans[1][j]), alpha)
        out.append(Decision(verdict, p[j], second[j], equal[j], p_equal[j], p_not_worse[j]))
    return out


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


def _leans(differences: Values) -> Values:
    return np.asarray(np.sign(np.nansum(differences, axis=0)))


def _verdict(p: tuple[float | None, float | None], lean: tuple[float, float], alpha: float) -> Verdict:
    if p[0] is None:
        return "not tested"
    if p[1] is None or max(p[0], p[1]) >= alpha or lean[0] * lean[1] <= 0:
        return "not established"
    return "higher" if lean[0] > 0 else "lower"
