"""What gives a candidate pair its score: the assembled model, a known method, or a control without true expression.

The controls answer 'how much of this could be had without looking at expression?' (protocol.md: on two of three
networks, as much as the published state of the art).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Self

import numpy as np

from components.core.dataset import Floats, Ints
from components.core.exam import Split
from components.core.metrics import Scores
from components.core.settings import Settings as BaseSettings

MODEL_FACTORS = ("bucketing", "gnn", "pair_encoder", "fusion", "contrast", "negatives", "optimizer")


class TrainedScorer(ABC):
    """Base of scorers that train the assembled model: they decide what expression it is shown."""

    trains: ClassVar[bool] = True
    control: ClassVar[bool]

    class Settings(BaseSettings):
        """Nothing to set: the other factors describe the model."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @abstractmethod
    def expression(self, expression: Floats, rng: np.random.Generator) -> Floats:
        """Return what the model is shown as expression, ``[genes, cells]``."""


class Rule(ABC):
    """Base of scorers that need no model: a rule over the training part of the exam."""

    trains: ClassVar[bool] = False
    control: ClassVar[bool] = True
    silences: ClassVar[tuple[str, ...]] = MODEL_FACTORS

    class Settings(BaseSettings):
        """Nothing to set."""

    def __init__(self, settings: Settings, split: Split, rng: np.random.Generator) -> None:
        self.settings = settings
        self.split = split
        self.rng = rng

    @abstractmethod
    def score(self, pairs: Ints) -> Scores:
        """Return one score per pair: ``[pairs, 2]`` to ``[pairs]``, higher is more likely an edge."""


class Baseline(ABC):
    """Base of known methods that are run as they are, beside the assembled model, on true expression.

    Whatever a method fits, it fits once, when a score is first asked for. A method that cannot learn from known edges
    leaves ``split`` unread; one that does reads ``split.train`` and draws from ``split.pool``, never held-out pairs.

    Parameters
    ----------
    settings
        Its own settings.
    split
        The exam.
    expression
        ``[genes, cells]``, log scale.
    tfs
        ``[tfs]`` sorted gene indices: the candidate regulators.
    rng
        Stream of the repeat: the same repeat gives the same scores.
    """

    trains: ClassVar[bool] = False
    control: ClassVar[bool] = False
    silences: ClassVar[tuple[str, ...]] = MODEL_FACTORS

    class Settings(BaseSettings):
        """Nothing to set."""

    def __init__(
        self, settings: Settings, split: Split, expression: Floats, tfs: Ints, rng: np.random.Generator
    ) -> None:
        self.settings, self.split, self.expression, self.tfs, self.rng = settings, split, expression, tfs, rng

    @abstractmethod
    def score(self, pairs: Ints) -> Scores:
        """Return one score per pair: ``[pairs, 2]`` to ``[pairs]``, higher is more likely an edge."""

    def on(self, expression: Floats) -> Self:
        """Return the method for other cells of the same genes, ``[genes, other cells]``: fitted anew unless it learns.

        A method that learns from known edges overrides this, and keeps what it learnt.
        """
        return type(self)(self.settings, self.split, expression, self.tfs, self.rng)
