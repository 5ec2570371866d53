"""Whether expression is on the log scale, judged by its values alone: the same way for every file format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from components.core.dataset import Reals

LARGEST_LOG = 20  # log2 of a million, all that a cell holds in counts per million
SAMPLED = 200  # cells, and genes, whose values are looked at one by one
DISTINCT = 4  # different values above 0 that a cell or gene must have to tell anything
SHARE = 0.9  # of those that must agree
SMALLEST_UNIT = 10  # times the last decimal: a smaller unit may be rounding
TOLERANCE = 0.01  # of a unit
EQUAL = 1e-4  # relative difference of library sizes that counts as none


@dataclass(frozen=True)
class Scale:
    """What the values are: ``counts``, ``unlogged`` (corrected or normalised, but no logarithm) or ``log``; and why."""

    kind: Literal["counts", "unlogged", "log"]
    why: str


def judge(expression: Any) -> Scale:
    """Judge expression ``[genes, cells]``, an array or a sparse matrix in rows, finite and not negative.

    Whole numbers throughout are counts, however small. Of the others these are not log values: any above 20, log2 of a
    million; values of which every cell has the same sum (normalised to one library size); values that in each cell, or
    in each gene, are whole multiples of one unit (counts that were scaled or corrected).
    """
    values = getattr(expression, "data", expression) if hasattr(expression, "tocsr") else expression
    largest = float(values.max(initial=0.0))
    if not np.any(values % 1):
        return Scale("counts", f"all values are whole numbers, the largest is {largest:g}")
    facts = f"values have decimals, the largest is {largest:g}"
    if largest > LARGEST_LOG:
        return Scale("unlogged", f"{facts}, and no logarithm of counts exceeds {LARGEST_LOG}")
    cells = _dense(expression[:, _sample(expression.shape[1])])
    if _equal_sums(expression, cells):
        return Scale("unlogged", f"{facts}, and all cells have one sum: normalised to one library size, no log")
    genes = _dense(expression[_sample(expression.shape[0]), :])
    rows = [np.unique(row[row > 0]) for row in genes]
    for what, sampled, groups in (
        ("cell", cells, [column[column > 0] for column in cells.T]),
        ("gene", genes, [row[1:] - row[0] for row in rows if len(row)]),
    ):
        if _in_steps(groups, _last_decimal(sampled)):
            return Scale("unlogged", f"{facts}, and lie whole steps apart in each {what}: scaled or corrected counts")
    return Scale("log", facts)


def _equal_sums(expression: Any, cells: Reals) -> bool:
    sums = np.asarray(expression.sum(axis=0, dtype=np.float64)).ravel()
    sums = sums[sums > 0]
    if len(sums) < 2 or np.ptp(sums) > EQUAL * sums.mean():
        return False
    ranked = np.sort(cells, axis=0)
    return bool(np.any(np.ptp(ranked, axis=1) > EQUAL * ranked.max()))  # else quantile-normalised


def _in_steps(groups: list[Reals], decimal: float) -> bool:
    """Return whether most groups of values hold whole multiples of a unit: of the smallest value or a part of it."""
    informative = [distinct for group in groups if len(distinct := _distinct(group)) >= DISTINCT]
    agree = [any(_multiples(values, values[0] / part, decimal) for part in (1, 2, 3)) for values in informative]
    return len(agree) > 1 and bool(np.mean(agree) >= SHARE)


def _distinct(values: Reals) -> Reals:
    ordered = np.unique(values)
    return ordered[np.diff(ordered, prepend=0.0) > 1e-5 * ordered] if len(ordered) else ordered


def _multiples(values: Reals, unit: float, decimal: float) -> bool:
    steps = values / unit
    return bool(unit > SMALLEST_UNIT * decimal and np.all(np.abs(steps - np.round(steps)) < TOLERANCE))


def _last_decimal(values: Reals) -> float:
    """Return the unit that values are rounded to, 0 for more than three decimals.

    Nor are values rounded that are all multiples of 5, or of 93, of the last decimal: halves of counts, say.
    """
    for decimal in (1.0, 0.1, 0.01, 0.001):
        units = np.round(values / decimal)
        if np.all(np.abs(values / decimal - units) < 1e-3):
            return decimal if np.gcd.reduce(units.astype(np.int64), axis=None) == 1 else 0.0
    return 0.0


def _sample(length: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, length - 1, min(length, SAMPLED)).astype(np.int64))


def _dense(values: Any) -> Reals:
    return np.asarray(values.toarray() if hasattr(values, "toarray") else values, dtype=np.float64)
