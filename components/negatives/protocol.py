"""Training negatives as the split protocol prescribes them, and the whole pool."""

from __future__ import annotations

from typing import Any

import numpy as np

from components.core.dataset import Ints
from components.core.registry import register
from components.core.settings import Settings as BaseSettings
from components.core.settings import setting
from components.negatives.base import NegativeSampler
from components.negatives.same_tf import SameTF


@register("negatives", "protocol")
class Protocol(SameTF):
    """Takes the training negatives ``[negatives, 2]`` that the split protocol prescribes.

    That is the whole pool where the protocol divides a TF's non-targets like its targets (``all_non_targets``,
    ``kfold_pooled``), and otherwise what ``same_tf`` draws, so that one recipe fits networks that its paper splits in
    different ways.

    Source: GENELink's public code; scUniGP appendix B ('negative samples are partitioned in the same proportion').
    """

    class Settings(SameTF.Settings):
        """Settings of ``same_tf``, and of the whole pool."""

        share: float = setting(1.0, "share of the whole pool that each epoch draws, uniformly", ge=0.001, le=1.0)

    settings: Settings

    def draw(self, rng: np.random.Generator) -> Ints:
        """Return ``[negatives, 2]``: of the pool, or as many per TF as ``ratio`` times its training positives."""
        return share_of(self.split.pool, self.settings.share, rng) if self.split.whole_pool else super().draw(rng)

    @property
    def fresh(self) -> bool:
        """Whether to draw anew in every epoch; the whole pool never changes."""
        return self.settings.fresh and not (self.split.whole_pool and self.settings.share == 1.0)


@register("negatives", "all")
class AllNegatives(NegativeSampler):
    """Takes the whole pool ``[negatives, 2]``, at natural prevalence, or in each epoch another share of it.

    Source: public code of GENELink (Specific networks) and of scGREAT, for their hard-negative split.
    """

    class Settings(BaseSettings):
        """Settings of the whole pool."""

        share: float = setting(1.0, "share of the pool that each epoch draws, uniformly", ge=0.001, le=1.0)

    settings: Any

    def draw(self, rng: np.random.Generator) -> Ints:
        """Return the whole pool ``[negatives, 2]``, or a share of it."""
        return share_of(self.split.pool, self.settings.share, rng)

    @property
    def fresh(self) -> bool:
        """Whether to draw anew in every epoch: the whole pool does not change, a share does."""
        return self.settings.share < 1.0


def share_of(pool: Ints, share: float, rng: np.random.Generator) -> Ints:
    """Return a share of the rows of the pool, drawn uniformly; the pool itself if that is all of it."""
    if share == 1.0:
        return pool
    return pool[rng.choice(len(pool), size=max(round(share * len(pool)), 1), replace=False)]
