"""Pairs drawn at random so that each TF and each target comes up as often as wanted: node degrees tell nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.core.dataset import Ints

Reals = NDArray[np.float64]

ROUNDS = 300  # marginals that can be met are met to 1e-3 long before
SETTLED = 1e-9  # change of the log odds in a round, after which rounds change nothing
STEEPEST = 20.0  # log odds of a TF or target that cannot be met: as good as certain


def matched_probabilities(pairs: Ints, tf_wanted: Reals, target_wanted: Reals) -> Reals:
    """Return how likely each candidate pair is drawn, ``[pairs]``, so that TFs and targets come up as often as wanted.

    The law of largest entropy with given expected degrees: odds ``a_tf * b_target`` (the configuration model without
    repeated edges), fitted by turns. Where the pool holds too few pairs of a TF or target, all of these are certain,
    and the degree falls short.

    Parameters
    ----------
    pairs
        ``[pairs, 2]`` candidates.
    tf_wanted, target_wanted
        ``[genes]`` wanted expected number of draws.
    """
    tf, target = pairs.T
    n = len(tf_wanted)
    a, b = np.log(np.maximum(tf_wanted, 1e-9)), np.zeros(n)
    a -= np.log(max(len(pairs) / max((tf_wanted > 0).sum(), 1), 1.0))
    for _ in range(ROUNDS):
        before = np.concatenate([a, b])
        for own, other, gene, partner, wanted in ((b, a, target, tf, target_wanted), (a, b, tf, target, tf_wanted)):
            # sum of p = exp(own) * sum of exp(other) / (1 + exp(own + other)), solved for the first factor
            odds = np.exp(other[partner])
            reach = np.bincount(gene, odds / (1 + odds * np.exp(own[gene])), minlength=n)
            with np.errstate(divide="ignore", invalid="ignore"):
                fitted = np.log(wanted) - np.log(reach)
            own[:] = np.clip(np.nan_to_num(fitted, nan=0.0), -STEEPEST, STEEPEST)
        if np.abs(np.concatenate([a, b]) - before).max() < SETTLED:
            break
    return 1 / (1 + np.exp(-(a[tf] + b[target])))


def systematic(probabilities: Reals, rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw rows without repetition, each with its own probability ``[rows]``, their number fixed up to rounding.

    A comb of unit spacing falls on the summed probabilities (Madow 1949), so any run of rows that sums to m gives m
    draws, or one more or less.
    """
    teeth = np.floor(np.cumsum(probabilities) + rng.random())
    return np.flatnonzero(np.diff(teeth, prepend=0.0) > 0.5)


def draw_matched(pairs: Ints, probabilities: Reals, rng: np.random.Generator) -> Ints:
    """Draw pairs ``[drawn, 2]`` out of ``[pairs, 2]``, each with its probability ``[pairs]``, in order of TF.

    Each TF gets the sum of its pairs' probabilities, or one draw more or less.
    """
    # targets in a new order for every draw: neighbours on the comb would exclude each other
    order = np.lexsort((rng.random(len(pairs)), pairs[:, 0]))
    return pairs[order[systematic(probabilities[order], rng)]]
