"""What a model is told is not an edge: samplers of training negatives.

Every sampler draws from the pool that the split leaves for training, never from validation or test pairs, and from
the ``negatives`` stream, which does not depend on the arm.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from components.core.dataset import Floats, Ints
from components.core.exam import Split
from components.core.registry import register
from components.core.settings import Settings as BaseSettings
from components.core.settings import setting

__all__ = ["AllNegatives", "NegativeSampler", "Protocol", "SameTF", "Uniform"]


class NegativeSampler(ABC):
    """Base of every sampler of training negatives: built from an exam and the expression ``[genes, cells]``.

    The expression is what the model is shown, so a control that hides it from the model hides it here, too.
    """

    class Settings(BaseSettings):
        """What every sampler can be asked."""

        ratio: float = setting(1.0, "negatives per training positive", ge=0.1, le=50.0, search=(1.0, 10.0), log=True)
        fresh: bool = setting(True, "draw anew in every epoch instead of once per training")

    def __init__(self, settings: Settings, split: Split, expression: Floats) -> None:
        self.settings = settings
        self.split = split

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Ints:
        """Return ``[negatives, 2]`` (TF, target) pairs of the split's pool for one epoch."""

    def _uniformly(self, candidates: Ints, rng: np.random.Generator) -> Ints:
        """Draw ``ratio`` times as many of the candidates as there are positives, or all if there are fewer."""
        wanted = min(round(self.settings.ratio * len(self.split.train)), len(candidates))
        return candidates[rng.choice(len(candidates), size=wanted, replace=False)]

    @property
    def fresh(self) -> bool:
        """Whether a new draw is wanted in every epoch."""
        return self.settings.fresh


@register("negatives", "uniform")
class Uniform(NegativeSampler):
    """Draws training negatives uniformly over all candidate pairs, whatever their TF.

    Returns ``[negatives, 2]`` pairs without repetition.

    Source: common practice; the test negatives of GENELink's protocol are drawn so (protocol.md rule 5).
    """

    def draw(self, rng: np.random.Generator) -> Ints:
        """Return ``[negatives, 2]`` pairs, each pool pair equally likely."""
        return self._uniformly(self.split.pool, rng)


@register("negatives", "same_tf")
class SameTF(NegativeSampler):
    """Draws for every training positive non-targets of the same TF: out-degree then tells nothing in training.

    Returns ``[negatives, 2]`` pairs; a TF with fewer free genes than asked gives all it has.

    Source: scUniGP 4.2 (hard negative sampling, 'a negative pair with the same TF is uniformly drawn'); protocol.md
    rule 3.
    """

    def __init__(self, settings: NegativeSampler.Settings, split: Split, expression: Floats) -> None:
        super().__init__(settings, split, expression)
        tfs, counts = np.unique(split.train[:, 0], return_counts=True)
        self._wanted = np.ceil(settings.ratio * counts).astype(int)
        self._start = np.searchsorted(split.pool[:, 0], tfs, side="left")
        self._stop = np.searchsorted(split.pool[:, 0], tfs, side="right")

    def draw(self, rng: np.random.Generator) -> Ints:
        """Return ``[negatives, 2]`` pairs, as many per TF as ``ratio`` times its training positives."""
        rows = [
            start + rng.permutation(stop - start)[:wanted]
            for start, stop, wanted in zip(self._start, self._stop, self._wanted, strict=True)
        ]
        return self.split.pool[np.concatenate(rows)]


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
