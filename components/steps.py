"""Factors of plug-ins: steps that change what a trained arm is shown, its embeddings of genes, or the scores it gives.

Such a factor has a level ``none``, which stands for its absence: an arm with it is the arm that it was before the
factor was known. It acts on arms that are trained on known edges, and on no rule or known method.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal

import numpy as np

from components.core import registry
from components.core.dataset import Floats, Ints
from components.core.exam import TrainingPairs
from components.core.metrics import Scores
from components.core.registry import Factor, register
from components.core.settings import Settings as BaseSettings

if TYPE_CHECKING:
    from torch import nn


class Step:
    """Base of the levels of such factors."""

    class Settings(BaseSettings):
        """No settings common to all of them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings


class ExpressionStep(Step, ABC):
    """Base of levels of a factor that acts on expression."""

    @abstractmethod
    def transform(self, expression: Floats, rng: np.random.Generator) -> Floats:
        """Return other expression of the same shape ``[genes, cells]``; the argument is a copy."""


class ScoreStep(Step, ABC):
    """Base of levels of a factor that acts on scores."""

    @abstractmethod
    def adjust(self, scores: Scores, pairs: Ints, training: TrainingPairs) -> Scores:
        """Return other scores ``[pairs]`` of ``[pairs, 2]``, of validation or of the test; the argument is a copy.

        A pair's score must not depend on which others are asked: those of the test are no training data.
        """


class EmbeddingStep(Step, ABC):
    """Base of levels of a factor that acts inside the assembled model: on what the graph branch makes of genes.

    The module is trained with the model, from weights of a stream of its own. It acts where pairs are encoded beside a
    graph branch; the branch's own score of a pair (eq 5) and its pre-training do not read it.
    """

    @abstractmethod
    def build(self, width: int) -> nn.Module:
        """Return a module from embeddings ``[genes, width]`` to others of that shape, whatever the genes' order."""


class Absent(ExpressionStep, EmbeddingStep, ScoreStep):
    """Leaves expression ``[genes, cells]``, embeddings ``[genes, width]`` and scores ``[pairs]`` as they are.

    Source: knockout.
    """

    def transform(self, expression: Floats, rng: np.random.Generator) -> Floats:
        """Return the expression."""
        return expression

    def build(self, width: int) -> nn.Module:
        """Return a module that does nothing."""
        from torch import nn

        return nn.Identity()

    def adjust(self, scores: Scores, pairs: Ints, training: TrainingPairs) -> Scores:
        """Return the scores."""
        return scores


def register_factor(name: str, meaning: str, acts: Literal["expression", "embeddings", "scores"]) -> None:
    """Add a factor, with a level ``none``; its other levels are registered as those of any factor.

    Parameters
    ----------
    name, meaning
        Name in study files and tables, and one line for ``knockout components``.
    acts
        What its levels change: :class:`ExpressionStep`, :class:`EmbeddingStep` or :class:`ScoreStep`.

    Raises
    ------
    KnockoutError
        If the name is taken, or cannot be one.
    """
    registry.add_factor(Factor(name, meaning, "none", acts=acts, optional=True))
    register(name, "none")(Absent)
