"""Training negatives of the positives' own TFs."""

from __future__ import annotations

import numpy as np

from components.core.dataset import Floats, Ints
from components.core.exam import TrainingPairs
from components.core.registry import register
from components.negatives.base import NegativeSampler


@register("negatives", "same_tf")
class SameTF(NegativeSampler):
    """Draws non-targets of the same TF for every training positive, so that out-degree is no clue in training.

    Returns ``[negatives, 2]`` pairs; a TF whose pool is too small has all of it drawn.

    Source: scUniGP 4.2 (hard negative sampling, 'a negative pair with the same TF is uniformly drawn'); GENELink's
    public code, which draws one per positive.
    """

    def __init__(self, settings: NegativeSampler.Settings, split: TrainingPairs, expression: Floats) -> None:
        super().__init__(settings, split, expression)
        tfs, counts = np.unique(split.train[:, 0], return_counts=True)
        self._number = np.ceil(settings.ratio * counts).astype(int)
        self._start = np.searchsorted(split.pool[:, 0], tfs, side="left")
        self._stop = np.searchsorted(split.pool[:, 0], tfs, side="right")

    def draw(self, rng: np.random.Generator) -> Ints:
        """Return ``[negatives, 2]`` pairs, as many per TF as ``ratio`` times its training positives."""
        rows = [
            start + rng.permutation(stop - start)[:number]
            for start, stop, number in zip(self._start, self._stop, self._number, strict=True)
        ]
        return self.split.pool[np.concatenate(rows)]
