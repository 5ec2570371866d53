"""Where scores vary: variance components of nested places, by the method of moments.

Literature: [1] Searle, Casella & McCulloch 1992, section 5.3 (unbalanced nested designs); [2] Bouthillier et al. 2021.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reports.statistics.arrays import Values

Codes = NDArray[np.intp]


def components(values: Values, places: Sequence[Codes]) -> Values:
    """Estimate the variance of each nested place, coarsest first, ``[places]``; negative estimates are left as such.

    The mean squares of the nested analysis of variance are equated with what they are expected to be [1]. In balanced
    tables that is REML, as long as no estimate is negative.

    Parameters
    ----------
    values
        Scores, ``[rows]``.
    places
        Of each row its place at every level, coarsest first, ``[rows]`` each; the last tells all rows apart. Every
        level has more places than the one above it, or the two cannot be told apart.
    """
    values = values - values.mean()  # what all rows share would cost digits
    levels = [np.zeros(len(values), dtype=np.intp), *places]
    within = np.array([float((_means(values, level) ** 2).sum()) for level in levels])
    # how much of one unit of variance at each place (columns) the squares of the means at each level (rows) hold
    held = np.array([[_held(level, place) for place in places] for level in levels])
    return np.asarray(np.linalg.solve(np.diff(held, axis=0), np.diff(within)), dtype=float)


def error_weights(places: Sequence[Codes]) -> Values:
    """Return how much of each component the variance of the mean holds, ``[places]``.

    The mean is taken as reports take it: all places inside one place weigh alike, level by level.
    """
    above = np.zeros(len(places[-1]), dtype=np.intp)
    weights = np.ones(len(above))
    for place in places:
        inside = np.unique(np.stack([above, place]), axis=1)[0]
        weights /= np.bincount(inside)[above]
        above = place
    return np.array([float((np.bincount(place, weights=weights) ** 2).sum()) for place in places])


def _means(values: Values, place: Codes) -> Values:
    return np.asarray((np.bincount(place, weights=values) / np.bincount(place))[place], dtype=float)


def _held(level: Codes, place: Codes) -> float:
    """Return the sum over units of ``level`` of their rows squared by ``place``, over their own rows."""
    rows = np.bincount(level)
    pairs, counts = np.unique(np.stack([level, place]), axis=1, return_counts=True)
    return float((counts**2 / rows[pairs[0]]).sum())
