"""What each part contributes, and what scores vary by: Shapley values and variance components.

Literature: [1] Shapley 1953; [2] Grabisch & Roubens 1999 (the interaction index, here of pairs); [3] Searle, Casella &
McCulloch 1992, chapter 5 (Henderson's method III); [4] Bouthillier et al. 2021.

A subset of parts is a bit mask: part ``i`` is in subset ``s`` where bit ``i`` of ``s`` is set, so that subset 0 is the
model stripped of all parts and the last one the whole model. Values are linear in the scores, so they are written as
weights, and ``scores @ weights`` are the values of every block.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import factorial

import numpy as np
from numpy.typing import NDArray

from reports.statistics.arrays import Values
from reports.statistics.factors.incomplete import basis


def shapley_weights(parts: int, together: int = 1) -> Values:
    """Return the weights of the Shapley interaction index [2] of so many parts ``together``, ``[2**parts, sets]``.

    Of one part it is the Shapley value [1]: what the part adds, over all orders alike. Of a pair: what both add
    together beyond what each adds without the other, averaged over the subsets of the other parts as [2] weighs them.
    Sets come as :func:`itertools.combinations` lists them.
    """
    sets = list(combinations(range(parts), together))
    weights = np.zeros((2**parts, len(sets)))
    for column, members in enumerate(sets):
        masks = [sum(1 << part for part in some) for n in range(together + 1) for some in combinations(members, n)]
        for subset in (s for s in range(2**parts) if not s & masks[-1]):
            size = subset.bit_count()
            share = factorial(size) * factorial(parts - size - together) / factorial(parts - together + 1)
            for mask in masks:
                weights[subset | mask, column] += share * (-1) ** (together - mask.bit_count())
    return weights


Codes = NDArray[np.intp]


def components(values: Values, places: Sequence[Codes], fixed: Values | None = None) -> Values:
    """Estimate the variance of each nested place, coarsest first, ``[places, columns]``; some may be negative.

    What each level adds to the squares explained is equated with what that is expected to be (fitting constants [3]).
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
