"""What one factor is worth at each level of another: asked after the two were found to interact."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from reports.statistics.multiplicity import holm_of
from reports.statistics.pairs.differences import effect
from reports.statistics.pairs.signed import MIN_SIGNED, Signed, wilcoxon


def simple_effects(
    means: pd.DataFrame,
    design: pd.DataFrame,
    factors: dict[str, tuple[str, ...]],
    pairs: Sequence[tuple[str, str]],
    base: dict[str, str],
    *,
    level: float = 0.95,
) -> pd.DataFrame:
    """Compare the levels of one factor inside every level of another, by the test that findings use.

    One family (Holm) is all comparisons of one factor across the levels of one other.

    Parameters
    ----------
    kept
        Block means ``[blocks, arms]`` without a gap; every combination of levels is one arm.
    design, factors
        As for :func:`reports.statistics.factors.contrasts.effect_columns`; further factors are averaged over.
    pairs
        The two-factor interactions that were found.
    base
        Level of each factor that the others are compared with; without one, all levels are compared.
    level
        Confidence level of the intervals.
    """
    out: list[dict[str, object]] = []
    for pair in pairs:
        for factor, at in (pair, pair[::-1]):
            rows, tests = [], []
            for inside in factors[at]:
                for one, other in _compared(factors[factor], base.get(factor)):
                    d = _mean(means, design, {factor: one, at: inside}) - _mean(
                        means, design, {factor: other, at: inside}
                    )
                    size = effect(d, level)
                    tests.append(wilcoxon(d) if len(d) >= MIN_SIGNED else None)
                    rows.append(
                        {
                            **{"factor": factor, "level": one, "against": other, "at_factor": at, "at_level": inside},
                            **{"blocks": size.n, "mean_difference": size.mean, "low": size.low, "high": size.high},
                        }
                    )
            out += [
                _with_p(row, test, p)
                for row, test, p in zip(rows, tests, holm_of([t.p if t else None for t in tests]), strict=True)
            ]
    return pd.DataFrame(out)


def _with_p(row: dict[str, object], test: Signed | None, p: float | None) -> dict[str, object]:
    none = {"test": "", "p": np.nan, "p_holm": np.nan}
    return {**row, **({"test": test.method, "p": test.p, "p_holm": p} if test else none)}


def _compared(levels: tuple[str, ...], base: str | None) -> list[tuple[str, str]]:
    return list(combinations(levels, 2)) if base is None else [(one, base) for one in levels if one != base]


def _mean(means: pd.DataFrame, design: pd.DataFrame, where: dict[str, str]) -> np.ndarray:
    arms = design.index[np.logical_and.reduce([design[f] == one for f, one in where.items()])]
    return means[arms].mean(axis=1).to_numpy()
