"""Where scores vary: variance components of nested places, by the method of moments.

Literature: [1] Searle, Casella & McCulloch 1992, chapter 5 (Henderson's method III); [2] Bouthillier et al. 2021.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reports.statistics.arrays import Values
from reports.statistics.factors.flips import basis

Codes = NDArray[np.intp]


def components(values: Values, places: Sequence[Codes], fixed: Values | None = None) -> Values:
    """Estimate the variance of each nested place, coarsest first, ``[places, columns]``; some may be negative.

    What each level adds to the squares explained is equated with what that is expected to be (fitting constants [1]).
    In balanced tables that is REML, as long as no estimate is negative.

    Parameters
    ----------
    values
        Scores, ``[rows, columns]``; each column is estimated by itself.
    places
        Of each row its place at every level, coarsest first, ``[rows]`` each; the last tells all rows apart. Every
        level has more places than the one above it, or the two cannot be told apart.
    fixed
        What is no source of chance, as contrasts beside the mean, ``[rows, contrasts]``; it is taken out. Left out
        where with it some level could not be told from those above.
    """
    rows = len(values)
    mean = np.ones((rows, 1))
    dummies = [np.eye(int(place.max()) + 1)[place] for place in places]
    spans = _spans(mean if fixed is None else np.column_stack([mean, fixed]), dummies)
    if min(np.diff([span.shape[1] for span in spans])) == 0:
        spans = _spans(mean, dummies)
    explained = np.array([((span.T @ (values - values.mean(axis=0))) ** 2).sum(axis=0) for span in spans])
    # how much of one unit of variance at each place (columns) is explained by each level (rows)
    held = np.array([[((span.T @ dummy) ** 2).sum() for dummy in dummies] for span in spans])
    return np.asarray(np.linalg.solve(np.diff(held, axis=0), np.diff(explained, axis=0)), dtype=float)


def _spans(first: Values, dummies: Sequence[Values]) -> list[Values]:
    """Return orthonormal bases of what is fixed and of each level, with all above it, ``[rows, rank]`` each."""
    spans = [basis(first)]
    for dummy in dummies[:-1]:
        spans.append(basis(np.column_stack([spans[-1], dummy])))
    return [*spans, np.eye(len(first))]


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
