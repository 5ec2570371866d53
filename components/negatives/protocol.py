"""Training negatives that the split protocol prescribes, and the whole pool."""

from __future__ import annotations

import numpy as np

from components.core.dataset import Ints
from components.core.registry import register
from components.core.settings import Settings as BaseSettings
from components.negatives.base import NegativeSampler
from components.negatives.same_tf import SameTF


@register("negatives", "protocol")
class Protocol(SameTF):
    """Takes the training negatives that the exam's own protocol prescribes.

    Returns ``[negatives, 2]``: the whole pool where the protocol cuts all other genes of a TF like its targets
    (``hard_negative``, ``kfold_pooled``), else as ``same_tf`` draws. So a published recipe can be asked about networks
    that its paper splits in different ways.

    Source: GENELink's public code (protocol.md rules 3 and 8); scUniGP appendix B ('negative samples are partitioned in
    the same proportion').
    """

    def draw(self, rng: np.random.Generator) -> Ints:
        """Return ``[negatives, 2]``: the pool, or as many pairs per TF as ``ratio`` times its training positives."""
        return self.split.pool if self.split.whole_pool else super().draw(rng)

    @property
    def fresh(self) -> bool:
        """A whole pool never changes."""
        return self.settings.fresh and not self.split.whole_pool


@register("negatives", "all")
class AllNegatives(NegativeSampler):
    """Takes every pair that the split leaves for training, at natural prevalence.

    Returns ``[negatives, 2]``, the whole pool. Meant for the hard-negative split, whose rule 8 trains on all of it.

    Source: protocol.md rule 8 (GENELink on Specific networks, scGREAT).
    """

    class Settings(BaseSettings):
        """The whole pool leaves nothing to choose."""

    def draw(self, rng: np.random.Generator) -> Ints:
        """Return the whole pool ``[negatives, 2]``."""
        return self.split.pool

    @property
    def fresh(self) -> bool:
        """The pool never changes."""
        return False
