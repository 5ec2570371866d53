"""Random pairs with given degrees: each TF and each target is drawn a given number of times."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.core.dataset import Ints, Reals

ROUNDS = 300  # degrees that can be met are met to 1e-3 much earlier
CONVERGED = 1e-9  # change of the log odds in a round below which further rounds change nothing
MAX_LOG_ODDS = 20.0  # of a TF or target whose degree cannot be met: practically certain


def matched_probabilities(pairs: Ints, out_degree: Reals, in_degree: Reals) -> Reals:
    """Return the probability ``[pairs]`` of drawing each pair so that TFs and targets have the expected degrees.

    The maximum-entropy distribution with given expected degrees (Park & Newman 2004): odds ``a_tf * b_target``, the
    configuration model without repeated edges, fitted by alternating between TFs and targets. A gene with too few
    candidate pairs has them all drawn and falls short of its degree.

    Parameters
    ----------
    pairs
        ``[pairs, 2]`` candidates.
    out_degree, in_degree
        ``[genes]`` expected number of drawn pairs with this TF, with this target.
    """
    tf, target = pairs.T
    n = len(out_degree)
    a, b = np.log(np.maximum(out_degree, 1e-9)), np.zeros(n)
    a -= np.log(max(len(pairs) / max((out_degree > 0).sum(), 1), 1.0))
    for _ in range(ROUNDS):
        before = np.concatenate([a, b])
        for own, other, gene, partner, degree in ((b, a, target, tf, in_degree), (a, b, tf, target, out_degree)):
            # sum of p = exp(own) * sum of exp(other) / (1 + exp(own + other)), solved for the first factor
            odds = np.exp(other[partner])
            reach = np.bincount(gene, odds / (1 + odds * np.exp(own[gene])), minlength=n)
            with np.errstate(divide="ignore", invalid="ignore"):
                fitted = np.log(degree) - np.log(reach)
            own[:] = np.clip(np.nan_to_num(fitted, nan=0.0), -MAX_LOG_ODDS, MAX_LOG_ODDS)
        if np.abs(np.concatenate([a, b]) - before).max() < CONVERGED:
            break
    return 1 / (1 + np.exp(-(a[tf] + b[target])))


def systematic(probabilities: Reals, rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw rows without repetition, each with its own probability ``[rows]``; their number is the sum up to rounding.

    Systematic sampling (Madow 1949): rows whose probabilities sum to m and stand next to each other give m draws, or
    one more or less.
    """
    teeth = np.floor(np.cumsum(probabilities) + rng.random())
    return np.flatnonzero(np.diff(teeth, prepend=0.0) > 0.5)


def draw_matched(pairs: Ints, probabilities: Reals, rng: np.random.Generator) -> Ints:
    """Draw pairs ``[drawn, 2]`` out of ``[pairs, 2]``, each with its probability ``[pairs]``, in the order of TFs.

    Each TF is drawn as often as its pairs' probabilities sum to, or once more or less.
    """
    # targets in a new order for every draw: systematic sampling rarely draws two neighbours together
    order = np.lexsort((rng.random(len(pairs)), pairs[:, 0]))
    return pairs[order[systematic(probabilities[order], rng)]]
