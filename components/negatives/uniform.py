"""Uniform training negatives."""

from __future__ import annotations

import numpy as np

from components.core.dataset import Ints
from components.core.registry import register
from components.negatives.base import NegativeSampler


@register("negatives", "uniform")
class Uniform(NegativeSampler):
    """Draws training negatives ``[negatives, 2]`` uniformly from the pool, without repetition.

    Source: common practice, and how GENELink's protocol draws its test negatives.
    """

    def draw(self, rng: np.random.Generator) -> Ints:
        """Return ``[negatives, 2]`` pairs, each pair of the pool equally likely."""
        return self._uniformly(self.split.pool, rng)
