"""Training negatives drawn uniformly."""

from __future__ import annotations

import numpy as np

from components.core.dataset import Ints
from components.core.registry import register
from components.negatives.base import NegativeSampler


@register("negatives", "uniform")
class Uniform(NegativeSampler):
    """Draws training negatives uniformly over all candidate pairs, whatever their TF.

    Returns ``[negatives, 2]`` pairs without repetition.

    Source: common practice; the test negatives of GENELink's protocol are drawn so (protocol.md rule 5).
    """

    def draw(self, rng: np.random.Generator) -> Ints:
        """Return ``[negatives, 2]`` pairs, each pool pair equally likely."""
        return self._uniformly(self.split.pool, rng)
