"""Degree-matched exam."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.core.dataset import Dataset, Ints
from components.core.exam import NONE, TEST, TRAIN, VALIDATION
from components.core.registry import register
from components.core.sampling import draw_matched, matched_probabilities
from components.core.settings import setting
from components.split.base import Cut, Splitter, candidates, mirrored

Bools = NDArray[np.bool_]


@register("split", "balanced")
class Balanced(Cut):
    """Asks of each TF and each target as many non-edges as held-out edges, so that degree tells nothing.

    Positives are cut as in ``per_tf``. The negatives ``[pairs, 2]`` of the test are non-edges between the TFs and the
    targets of its own positives, drawn so that each gene comes up in them as often as in the positives (times
    ``ratio``); those of the validation likewise. A score made of something known of either gene alone (out-degree,
    in-degree, identity, mean expression) then ranks at random. Where a hub leaves too few such pairs, as in a network
    of few TFs, other genes whose in-degree in training is nearest take the targets' place, and where it regulates most
    genes its negatives are too few. What is left is the pair, and its reverse, which ``reciprocal: together`` keeps
    out of training. Prevalence is about 1 / (1 + ratio), so AUPRC compares with no other exam.

    Source: knockout (protocol.md, honest splits); odds of the configuration model, Park & Newman 2004.
    """

    class Settings(Splitter.Settings):
        """Settings of the degree-matched exam."""

        ratio: float = setting(
            1.0, "held-out negatives per positive; more of them can be matched less well", ge=0.5, le=5.0
        )

    settings: Settings

    def _assign_negatives(self, part: np.ndarray, dataset: Dataset, rng: np.random.Generator) -> np.ndarray:
        negative = np.zeros_like(part)
        free = candidates(part, dataset.tfs)
        for which in (TEST, VALIDATION):  # the test first: it has the choice of all pairs
            elsewhere = (negative != NONE) | ((part != NONE) & (part != which))
            allowed = free & (negative == NONE) & ~mirrored(self, elsewhere)
            negative[self._matched(part == which, allowed, np.sum(part == TRAIN, axis=0), rng)] = which
        return negative

    def _matched(self, positive: np.ndarray, allowed: np.ndarray, in_degree: Ints, rng: np.random.Generator) -> Bools:
        """Draw what stands against ``positive``, out of ``allowed``: ``[genes, genes]`` all; in-degrees ``[genes]``."""
        tf_wanted, target_wanted = (self.settings.ratio * positive.sum(axis=axis, dtype=float) for axis in (1, 0))
        pairs = np.argwhere(allowed & (tf_wanted > 0)[:, None] & (target_wanted > 0))
        drawn = np.zeros_like(allowed)
        drawn[tuple(draw_matched(pairs, matched_probabilities(pairs, tf_wanted, target_wanted), rng).T)] = True
        wanted = np.ceil(tf_wanted).astype(int)
        for tf in np.flatnonzero(drawn.sum(axis=1) > wanted):  # targets that were short of TFs took more of this one
            targets = rng.permutation(np.flatnonzero(drawn[tf]))
            drawn[tf, targets[wanted[tf] :]] = False
        unmet = np.maximum(np.round(target_wanted).astype(int) - drawn.sum(axis=0), 0)
        short = rng.permutation(np.repeat(in_degree, unmet))  # in-degrees still wanted, in random order
        for tf in np.flatnonzero(drawn.sum(axis=1) < wanted):
            missing = wanted[tf] - drawn[tf].sum()
            _take_nearest(drawn[tf], allowed[tf], short[:missing], in_degree, rng)
            short = short[missing:]
        return drawn


def _take_nearest(drawn: Bools, allowed: Bools, wanted: Ints, degrees: Ints, rng: np.random.Generator) -> None:
    """Add to the targets ``[genes]`` drawn for one TF, per wanted in-degree, the free gene whose degree is nearest."""
    free = np.flatnonzero(allowed & ~drawn)
    for degree in wanted[: len(free)]:
        nearest = np.argmin(np.abs(degrees[free] - degree) + 0.5 * rng.random(len(free)))  # ties by lot
        drawn[free[nearest]] = True
        free = np.delete(free, nearest)
