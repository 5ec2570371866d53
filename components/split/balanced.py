"""An exam in which degrees are no clue."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.core.dataset import Dataset, Ints
from components.core.exam import NONE, TEST, TRAIN, VALIDATION, PairGrid
from components.core.registry import register
from components.core.sampling import draw_matched, matched_probabilities
from components.core.settings import setting
from components.split.base import Cut, Splitter, mirrored

Bools = NDArray[np.bool_]


@register("split", "balanced")
class Balanced(Cut):
    """Tests each TF and each target in as many negatives as positives, so that degrees are no clue.

    Positives are split as in ``per_tf``. Test negatives ``[pairs, 2]`` are non-edges between the TFs and the targets of
    the test positives, each gene as often as in the positives (times ``ratio``); validation negatives likewise. Scores
    that depend on one gene only (out-degree, in-degree, identity, mean expression) then rank at random; what remains is
    the pair, and its reverse, which ``reciprocal: together`` keeps out of training. Where a hub leaves too few such
    pairs, the targets are replaced by genes of the nearest in-degree in training; a hub that regulates most genes has
    fewer negatives than positives. Prevalence is about 1 / (1 + ratio): AUPRC does not compare with other exams.

    Source: knockout; odds of the configuration model, Park & Newman 2004.
    """

    class Settings(Splitter.Settings):
        """Settings of the degree-matched exam."""

        ratio: float = setting(
            1.0, "held-out negatives per positive; more of them can be matched less well", ge=0.5, le=5.0
        )

    settings: Settings

    def _assign_negatives(
        self, part: np.ndarray, grid: PairGrid, dataset: Dataset, rng: np.random.Generator
    ) -> np.ndarray:
        negative = np.zeros_like(part)
        free = grid.candidates(part, dataset.tfs)
        in_degree = np.sum(part == TRAIN, axis=0)
        for which in (TEST, VALIDATION):  # the test first: it may choose from all pairs
            elsewhere = (negative != NONE) | ((part != NONE) & (part != which))
            allowed = free & (negative == NONE) & ~mirrored(self, grid, elsewhere)
            negative[self._matched(part == which, allowed, grid, in_degree, rng)] = which
        return negative

    def _matched(
        self, positive: Bools, allowed: Bools, grid: PairGrid, in_degree: Ints, rng: np.random.Generator
    ) -> Bools:
        """Draw negatives of ``positive`` from ``allowed``, both ``[regulators, genes]``; in-degrees are ``[genes]``."""
        per_tf, per_target = (self.settings.ratio * positive.sum(axis=axis, dtype=float) for axis in (1, 0))
        pairs = grid.pairs(allowed & (per_tf > 0)[:, None] & (per_target > 0))
        out_degree = np.zeros(grid.n_genes)
        out_degree[grid.regulators] = per_tf
        drawn = grid.marked(draw_matched(pairs, matched_probabilities(pairs, out_degree, per_target), rng))
        limit = np.ceil(per_tf).astype(int)
        for tf in np.flatnonzero(drawn.sum(axis=1) > limit):  # targets with few other TFs took too many of this one
            targets = rng.permutation(np.flatnonzero(drawn[tf]))
            drawn[tf, targets[limit[tf] :]] = False
        unmet = np.maximum(np.round(per_target).astype(int) - drawn.sum(axis=0), 0)
        degrees = rng.permutation(np.repeat(in_degree, unmet))  # in-degree of each negative that is missing
        for tf in np.flatnonzero(drawn.sum(axis=1) < limit):
            missing = limit[tf] - drawn[tf].sum()
            _add_nearest(drawn[tf], allowed[tf], degrees[:missing], in_degree, rng)
            degrees = degrees[missing:]
        return drawn


def _add_nearest(drawn: Bools, allowed: Bools, degrees: Ints, in_degree: Ints, rng: np.random.Generator) -> None:
    """Add to the targets ``[genes]`` drawn for one TF, for each of ``degrees``, the free gene of nearest in-degree."""
    free = np.flatnonzero(allowed & ~drawn)
    for degree in degrees[: len(free)]:
        nearest = np.argmin(np.abs(in_degree[free] - degree) + 0.5 * rng.random(len(free)))  # ties at random
        drawn[free[nearest]] = True
        free = np.delete(free, nearest)
