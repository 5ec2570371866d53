"""Correction of the p-values of one family of comparisons (Holm; Demšar 2006 JMLR 7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from reports.statistics.arrays import Values


def holm(p: Values) -> Values:
    """Correct the p-values of one family of comparisons (Holm, step-down)."""
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
    """Correct the comparisons of one family; one that could not be tested still counts, as p = 1."""
    p = holm(np.array([1.0 if test is None else test.p for test in family]))
    return [None if test is None else float(value) for test, value in zip(family, p, strict=True)]
