"""Training negatives as the split protocol prescribes them, and the whole pool."""

from __future__ import annotations

import numpy as np

from components.core.dataset import Ints
from components.core.registry import register
from components.core.settings import Settings as BaseSettings
from components.negatives.base import NegativeSampler
from components.negatives.same_tf import SameTF


@register("negatives", "protocol")
class Protocol(SameTF):
    """Takes the training negatives ``[negatives, 2]`` that the split protocol prescribes.

    That is the whole pool where the protocol divides a TF's non-targets like its targets (``hard_negative``,
    ``kfold_pooled``), and otherwise what ``same_tf`` draws, so that one recipe fits networks that its paper splits in
    different ways.

    Source: GENELink's public code; scUniGP appendix B ('negative samples are partitioned in the same proportion').
    """

    def draw(self, rng: np.random.Generator) -> Ints:
        """Return ``[negatives, 2]``: the pool, or as many pairs per TF as ``ratio`` times its training positives."""
        return self.split.pool if self.split.whole_pool else super().draw(rng)

    @property
    def fresh(self) -> bool:
        """Whether to draw anew in every epoch; the whole pool never changes."""
        return self.settings.fresh and not self.split.whole_pool


@register("negatives", "all")
class AllNegatives(NegativeSampler):
    """Takes the whole pool ``[negatives, 2]``, at natural prevalence.

    Source: public code of GENELink (Specific networks) and of scGREAT, for their hard-negative split.
    """

    class Settings(BaseSettings):
        """No settings: the pool is taken whole."""

    def draw(self, rng: np.random.Generator) -> Ints:
        """Return the whole pool ``[negatives, 2]``."""
        return self.split.pool

    @property
    def fresh(self) -> bool:
        """Whether to draw anew in every epoch: never, as the pool does not change."""
        return False
