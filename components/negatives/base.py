"""Base of samplers of training negatives: pairs that the model learns to score low.

Every sampler draws from the pool that the split leaves for training, never from validation or test pairs, and with
the ``negatives`` stream, which does not depend on the arm.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from components.core.dataset import Floats, Ints
from components.core.exam import TrainingPairs
from components.core.settings import Settings as BaseSettings
from components.core.settings import setting


class NegativeSampler(ABC):
    """Base of every sampler of training negatives: built from an exam and the expression ``[genes, cells]``.

    The expression is what the model reads: a control that replaces it for the model replaces it here too.
    """

    class Settings(BaseSettings):
        """Settings common to samplers."""

        ratio: float = setting(1.0, "negatives per training positive", ge=0.1, le=50.0, search=(1.0, 10.0), log=True)
        fresh: bool = setting(True, "draw anew in every epoch instead of once per training")

    def __init__(self, settings: Settings, split: TrainingPairs, expression: Floats) -> None:
        self.settings = settings
        self.split = split

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Ints:
        """Return ``[negatives, 2]`` (TF, target) pairs from the split's pool for one epoch."""

    def _uniformly(self, candidates: Ints, rng: np.random.Generator) -> Ints:
        """Draw ``ratio`` times as many candidates as there are positives, or all if there are fewer."""
        number = min(round(self.settings.ratio * len(self.split.train)), len(candidates))
        return candidates[rng.choice(len(candidates), size=number, replace=False)]

    @property
    def fresh(self) -> bool:
        """Whether to draw anew in every epoch."""
        return self.settings.fresh
