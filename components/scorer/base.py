"""Bases of scorers: the assembled model, rules that read no expression, and known methods.

Rules, and models trained on other than true expression, are controls: they show what can be reached without reading
expression.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal, Self

import numpy as np

from components.core.dataset import Floats, Ints
from components.core.exam import TrainingPairs
from components.core.metrics import Scores
from components.core.settings import Settings as BaseSettings
from components.core.settings import setting
from components.learning import Context, View, shown

MODEL_FACTORS = ("bucketing", "gnn", "pair_encoder", "pair_features", "fusion", "contrast", "negatives", "optimizer")


class TrainedScorer:
    """Base of scorers that train the model of the other factors: they decide what expression it reads."""

    trains: ClassVar[bool] = True
    control: ClassVar[bool] = True
    shows: ClassVar[str]  # true, noise or permuted, see :func:`components.learning.shown`

    class Settings(BaseSettings):
        """No settings: the other factors describe the model."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def expression(self, expression: Floats, rng: np.random.Generator) -> Floats:
        """Return the expression that the model reads, ``[genes, cells]``."""
        return shown(self.shows, expression, rng)


class PairScorer(ABC):
    """Base of scorers that score pairs themselves, without the model of the other factors."""

    trains: ClassVar[bool] = False
    control: ClassVar[bool] = False
    silences: ClassVar[tuple[str, ...]] = MODEL_FACTORS

    class Settings(BaseSettings):
        """No settings common to all of them."""

    @abstractmethod
    def score(self, pairs: Ints) -> Scores:
        """Return one score per pair, ``[pairs, 2]`` to ``[pairs]``; higher is more likely an edge."""


class Rule(PairScorer):
    """Base of controls that score pairs by a rule over the training part of the exam.

    One that is fitted is so once, when a score is first needed: a plan constructs every rule.
    """

    control = True

    def __init__(self, settings: PairScorer.Settings, split: TrainingPairs, rng: np.random.Generator) -> None:
        self.settings, self.split, self.rng = settings, split, rng


class Baseline(PairScorer):
    """Base of known methods, which score pairs from true expression without the assembled model.

    A method fits once, when a score is first needed. One that learns from known edges reads ``split.train`` and draws
    from ``split.pool``, never from held-out pairs; others do not read ``split``.

    Parameters
    ----------
    settings
        Settings of the method.
    split
        The training part of the exam.
    expression
        ``[genes, cells]``, log scale.
    tfs
        ``[tfs]`` sorted gene indices of the candidate regulators.
    rng
        Random stream of the repeat: the same stream gives the same scores.
    """

    def __init__(
        self,
        settings: PairScorer.Settings,
        split: TrainingPairs,
        expression: Floats,
        tfs: Ints,
        rng: np.random.Generator,
    ) -> None:
        self.settings, self.split, self.expression, self.tfs, self.rng = settings, split, expression, tfs, rng

    def on(self, expression: Floats) -> Self:
        """Return the method for other cells of the same genes, ``[genes, other cells]``, to be fitted anew.

        A method that learns from known edges overrides this to keep what it has learnt.
        """
        return type(self)(self.settings, self.split, expression, self.tfs, self.rng)


class Learner(PairScorer):
    """Base of models of one's own: fitted on what a cell may see, then asked for the scores of pairs.

    One object is made, fitted and asked once per fold of a cell. Only ``negatives`` of the other factors acts beside
    it, in what :attr:`View.draw` draws. Pairs of validation and test come together, sorted, so that their order tells
    nothing.
    """

    silences: ClassVar[tuple[str, ...]] = tuple(name for name in MODEL_FACTORS if name != "negatives")
    budgeted: ClassVar[bool] = True  # whether it reads the study's budget
    by_default: ClassVar[bool] = True  # whether a search over all levels takes it: not where only a user has its file
    probed: ClassVar[bool] = True  # whether a plan may run it for a moment, on simulated data and to time it

    def __init__(self, settings: PairScorer.Settings) -> None:
        self.settings = settings

    def check(self, view: View) -> None:  # most have nothing to check
        """Refuse, before anything is fitted, a data set that it cannot be fitted to: raise :class:`KnockoutError`."""

    @abstractmethod
    def fit(self, view: View, context: Context) -> None:
        """Learn from training pairs, validation pairs and expression."""


class ExpressionLearner(Learner):
    """Base of models of one's own that read expression: their controls are shown other expression."""

    class Settings(Learner.Settings):
        """Settings common to them."""

        expression: Literal["true", "noise", "permuted"] = setting(
            "true", "what it is shown: expression, noise, or rows of other genes; for controls"
        )
