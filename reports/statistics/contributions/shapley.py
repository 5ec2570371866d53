"""Exact Shapley values and interactions of parts, from the scores of a model with every subset of them.

Literature: [1] Shapley 1953; [2] Grabisch & Roubens 1999 (the interaction index, here of pairs).

A subset is a bit mask: part ``i`` is in subset ``s`` where bit ``i`` of ``s`` is set, so that subset 0 is the model
stripped of all parts and the last one the whole model. Values are linear in the scores, so they are written as
weights, and ``scores @ weights`` are the values of every block.
"""

from __future__ import annotations

from itertools import combinations
from math import factorial

import numpy as np

from reports.statistics.arrays import Values


def value_weights(parts: int) -> Values:
    """Return the weights of the Shapley values [1], ``[2**parts, parts]``: what a part adds, over all orders alike."""
    weights = np.zeros((2**parts, parts))
    for part in range(parts):
        bit = 1 << part
        for subset in (s for s in range(2**parts) if not s & bit):
            size = subset.bit_count()
            share = factorial(size) * factorial(parts - size - 1) / factorial(parts)
            weights[subset | bit, part] += share
            weights[subset, part] -= share
    return weights


def pair_weights(parts: int) -> Values:
    """Return the weights of the Shapley interaction index of every pair [2], ``[2**parts, pairs]``.

    Of a pair: what both add together beyond what each adds without the other, averaged over the subsets of the other
    parts as [2] weighs them. Pairs come as :func:`itertools.combinations` lists them.
    """
    pairs = list(combinations(range(parts), 2))
    weights = np.zeros((2**parts, len(pairs)))
    for column, (one, other) in enumerate(pairs):
        a, b = 1 << one, 1 << other
        for subset in (s for s in range(2**parts) if not s & (a | b)):
            size = subset.bit_count()
            share = factorial(size) * factorial(parts - size - 2) / factorial(parts - 1)
            for added, sign in ((a | b, 1.0), (a, -1.0), (b, -1.0), (0, 1.0)):
                weights[subset | added, column] += sign * share
    return weights
