"""Correction of the p-values of one family of comparisons (Holm; Demšar 2006 JMLR 7)."""

from __future__ import annotations

from collections.abc import Sequence

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


def holm_of(family: Sequence[float | None]) -> list[float | None]:
    """Correct the p-values of one family; a comparison that could not be tested still counts, as p = 1."""
    adjusted = holm(np.array([1.0 if p is None else p for p in family]))
    return [None if p is None else float(value) for p, value in zip(family, adjusted, strict=True)]
