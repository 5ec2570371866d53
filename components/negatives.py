"""Factor negatives: draws the training negatives, pairs that the model learns to score low.

Every sampler draws from the pool that the split leaves for training, never from validation or test pairs, and with
the ``negatives`` stream, which does not depend on the arm. Levels are listed in the order of this file, which search
spaces depend on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.core.dataset import Floats, Ints
from components.core.errors import KnockoutError
from components.core.exam import TrainingPairs
from components.core.registry import register
from components.core.sampling import draw_matched, matched_probabilities
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


@register("negatives", "uniform")
class Uniform(NegativeSampler):
    """Draws training negatives ``[negatives, 2]`` uniformly from the pool, without repetition.

    Source: common practice, and how GENELink's protocol draws its test negatives.
    """

    def draw(self, rng: np.random.Generator) -> Ints:
        """Return ``[negatives, 2]`` pairs, each pair of the pool equally likely."""
        return self._uniformly(self.split.pool, rng)


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


def highly_expressed(expression: Floats, quantile: float) -> NDArray[np.bool_]:
    """Return whether each value ``[genes, cells]`` is positive and at least its gene's ``quantile`` over cells."""
    return (expression > 0) & (expression >= np.quantile(expression, quantile, axis=1, keepdims=True))


def joint_share(high: NDArray[np.bool_], pairs: Ints) -> NDArray[np.float64]:
    """Return the share ``[pairs]`` of cells in which both genes of ``[pairs, 2]`` are ``high``, ``[genes, cells]``."""
    tfs, row = np.unique(pairs[:, 0], return_inverse=True)
    values = high.astype(np.float32)  # exact for up to 2^24 cells
    return (values[tfs] @ values.T)[row, pairs[:, 1]].astype(np.float64) / high.shape[1]


@register("negatives", "cooccurrence")
class Cooccurrence(NegativeSampler):
    """Draws training negatives uniformly from the pairs whose genes are rarely highly expressed together.

    Returns ``[negatives, 2]`` pairs without repetition; pairs of which both genes are high in a share of ``joint`` or
    more of the cells are left out. The paper does not define 'highly'. Here a gene is high in a cell above its own
    quantile: two independent genes are high together in (1 - quantile)^2 of the cells, 2.25 % at 0.85, so that the
    paper's 5 % is twice chance. On mDC and mESC TFs+500 this excludes 4 to 9 % of the pool (and would exclude 6 to 16 %
    of the positives); at 0.8 it is 30 to 70 %, at 0.9 almost none. The exam's negatives are not filtered.

    Source: GP-DHT 2.1 ('filter out pairs that are jointly highly expressed in >= 5% of cells ... randomly sample
    negatives from the remaining gene pairs at a size 5-10x that of the positive samples').
    """

    class Settings(NegativeSampler.Settings):
        """Settings of the co-occurrence filter."""

        ratio: float = setting(
            5.0, "negatives per training positive (2.1: 5-10)", ge=0.1, le=50.0, search=(5.0, 10.0), log=True
        )
        joint: float = setting(
            0.05, "share of cells from which on a pair is left out (2.1)", ge=0.001, le=1.0, search=(0.02, 0.1)
        )
        quantile: float = setting(
            0.85, "a gene is high in a cell above this quantile of its own", ge=0.0, le=1.0, search=(0.8, 0.9)
        )

    settings: Settings

    def __init__(self, settings: Settings, split: TrainingPairs, expression: Floats) -> None:
        super().__init__(settings, split, expression)
        share = joint_share(highly_expressed(expression, settings.quantile), split.pool)
        self.candidates = split.pool[share < settings.joint]

    def draw(self, rng: np.random.Generator) -> Ints:
        """Return ``[negatives, 2]`` pairs, each candidate equally likely; all of them if there are too few.

        Raises
        ------
        KnockoutError
            If the filter leaves no pair at all.
        """
        s = self.settings
        if not len(self.candidates):
            raise KnockoutError(
                f"negatives.cooccurrence: all {len(self.split.pool)} candidate pairs are highly expressed together in "
                f"at least {s.joint:g} of the cells; raise joint or quantile ({s.quantile:g})."
            )
        return self._uniformly(self.candidates, rng)


@register("negatives", "degree_matched")
class DegreeMatched(NegativeSampler):
    """Draws training negatives that contain each TF and each target as often as the positives do, times ``ratio``.

    Returns ``[negatives, 2]`` pairs without repetition, so that degree is no clue in training. Out-degrees are met to
    within one pair, in-degrees in expectation. A TF of nearly every gene, or a target of nearly every TF, has too few
    pairs in the pool and falls short. AUROC of the degree product on training positives against negatives, TFs+500
    (``uniform``, then this level at ratio 1, 2, 5): STRING mDC 0.94, 0.52, 0.52, 0.56; Non-Specific mDC 0.95, 0.50,
    0.51, 0.54; Specific mDC 0.92, 0.50, 0.58, 0.72; STRING mESC 0.94, 0.51, 0.51, 0.52. ``same_tf`` leaves 0.76 to
    0.87.

    Source: knockout; odds of the configuration model, Park & Newman 2004.
    """

    def __init__(self, settings: NegativeSampler.Settings, split: TrainingPairs, expression: Floats) -> None:
        super().__init__(settings, split, expression)
        out_degree, in_degree = (
            (settings.ratio * np.bincount(column, minlength=split.n_genes)).astype(np.float64)
            for column in split.train.T
        )
        self.candidates = split.pool[(out_degree[split.pool[:, 0]] > 0) & (in_degree[split.pool[:, 1]] > 0)]
        self.probabilities = matched_probabilities(self.candidates, out_degree, in_degree)

    def draw(self, rng: np.random.Generator) -> Ints:
        """Return ``[negatives, 2]`` pairs in the order of TFs."""
        return draw_matched(self.candidates, self.probabilities, rng)
