"""What a model is told of a pair: nothing, what the graph says, what expression says, or both."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from components.core.dataset import Floats, Ints
from components.core.exam import TrainingPairs
from components.core.registry import register
from components.core.settings import Settings as BaseSettings
from components.pair_features.base import PairFeatures
from components.pairs.crossfit import Block, structure
from components.pairs.expression import ExpressionFeatures, ExpressionSettings
from components.pairs.graph import STRUCTURE
from components.pairs.trees import BoostedTrees, TreeSettings, out_of_fold


@register("pair_features", "none")
class NoFeatures(nn.Module):
    """Tells a model nothing of a pair beside its two genes: ``[pairs, 2]`` to ``[pairs, 0]``.

    Source: both papers.
    """

    width: ClassVar[int] = 0

    class Settings(BaseSettings):
        """No settings."""

    def __init__(
        self, settings: Settings, training: TrainingPairs | None, expression: Tensor, rng: np.random.Generator
    ) -> None:
        super().__init__()

    def forward(self, pairs: Tensor) -> Tensor:
        """Return no features, ``[pairs, 0]``."""
        return torch.empty(len(pairs), 0, device=pairs.device)


@register("pair_features", "topology")
class TopologyFeatures(PairFeatures):
    """Tells a model what the graph of training edges says of a pair, as ``scorer: topology`` reads it.

    ``[pairs, 2]`` to ``[pairs, 10]``. The pair's own edge is hidden: features of a training pair come from a graph that
    lacks it.

    Source: knockout. Subgraph features beside embeddings: Zhang & Chen 2018 (SEAL); Chamberlain et al. 2023 (BUDDY).
    """

    @classmethod
    def width_of(cls, settings: Any) -> int:
        """Return the number of features."""
        return STRUCTURE

    def blocks(self, expression: Floats) -> list[Block]:
        """Return the block that reads the graph alone."""
        return [structure]


@register("pair_features", "coexpression")
class CoexpressionFeatures(PairFeatures):
    """Tells a model what expression says of a pair, and of its genes' known partners: ``[pairs, 2]`` to ``[pairs, n]``.

    Source: knockout; correlation and mutual information as in Pratapa et al. 2020 (BEELINE).
    """

    class Settings(ExpressionSettings, PairFeatures.Settings):
        """Settings of the features."""

    settings: Settings

    @classmethod
    def width_of(cls, settings: Any) -> int:
        """Return the number of features."""
        return int(settings.width)

    def blocks(self, expression: Floats) -> list[Block]:
        """Return the block that reads expression."""
        return [ExpressionFeatures(self.settings, expression)] if self.settings.reads_expression else []


@register("pair_features", "both")
class BothFeatures(CoexpressionFeatures):
    """Tells a model what the graph says of a pair and what expression says: ``topology`` and ``coexpression``.

    ``[pairs, 2]`` to ``[pairs, 10 + n]``.

    Source: knockout.
    """

    @classmethod
    def width_of(cls, settings: Any) -> int:
        """Return the number of features."""
        return STRUCTURE + int(settings.width)

    def blocks(self, expression: Floats) -> list[Block]:
        """Return both blocks."""
        return [structure, *super().blocks(expression)]


@register("pair_features", "boosting")
class BoostedFeatures(BothFeatures):
    """Tells a model the log-odds that gradient boosting gives a pair by the features of ``both``.

    ``[pairs, 2]`` to ``[pairs, 1]``. Log-odds of a training pair are those of trees that never saw it, so the model
    learns to weigh them as it will meet them.

    Source: Wolpert 1992 (stacked generalisation), as late stacking of topology with what a model learns.
    """

    class Settings(BothFeatures.Settings, TreeSettings):
        """Settings of the features and of the trees."""

    settings: Settings

    @classmethod
    def width_of(cls, settings: Any) -> int:
        """Return 1."""
        return 1

    def of_training(self, pairs: Ints) -> NDArray[Any]:
        """Return the log-odds ``[pairs, 1]`` of all training pairs, by trees that never saw them."""
        return out_of_fold(self.settings, self._training, self._source.blocks, self._rng)[:, None]

    def of_held_out(self, pairs: Ints) -> NDArray[Any]:
        """Return the log-odds ``[pairs, 1]`` of other pairs, by trees that saw all training pairs."""
        return self._trees.score(pairs)[:, None]

    @cached_property
    def _trees(self) -> BoostedTrees:
        return BoostedTrees(self.settings, self._training, self._source.blocks, self._rng)
