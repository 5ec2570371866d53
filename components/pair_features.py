"""Factor pair_features: what a model is told of a pair beside what it makes of the two genes.

Levels are listed in the order of this file, which search spaces depend on.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from components.core.dataset import Floats, Ints, pair_keys
from components.core.exam import TrainingPairs
from components.core.registry import register
from components.core.settings import Settings as BaseSettings
from components.core.settings import setting
from components.pairs.crossfit import Block, BoostedTrees, CrossFitted, TreeSettings, out_of_fold
from components.pairs.expression import ExpressionFeatures, ExpressionSettings
from components.pairs.graph import STRUCTURE, TrainingGraph

CHUNKS = 64  # of held-out pairs whose features are remembered: those of validation are asked for in every epoch


class PairFeatures(nn.Module):
    """Base of every level: ``[pairs, 2]`` gene indices to ``[pairs, width]``, appended to the pair's encoding.

    Features of a training pair are read from a graph without its own edge, and are computed when one is first needed:
    a plan assembles every model. Each feature has mean 0 and deviation 1 over the training pairs.

    Parameters
    ----------
    settings
        Settings of the level.
    training
        The training part of the exam.
    expression
        ``[genes, cells]``, as the scorer shows it.
    rng
        Draws the folds of training pairs.
    """

    class Settings(BaseSettings):
        """Settings common to all levels."""

        folds: int = setting(5, "parts of the training edges, each of which is left out of the graph once", ge=2, le=50)
        rank: int = setting(32, "singular values kept of the adjacency matrix", ge=1, le=512)

    def __init__(
        self, settings: Settings, training: TrainingPairs | None, expression: Tensor, rng: np.random.Generator
    ) -> None:
        super().__init__()
        if training is None:
            raise RuntimeError("features of pairs need the training part of an exam")
        self.settings, self._training, self._rng = settings, training, rng
        self._source = CrossFitted(training, self.blocks(expression.cpu().numpy()), settings.folds, settings.rank)
        self._keys: Tensor | None = None  # of training pairs, sorted
        self._known: Tensor
        self._held_out: OrderedDict[bytes, Tensor] = OrderedDict()

    @property
    @abstractmethod
    def width(self) -> int:
        """The number of features."""

    @abstractmethod
    def blocks(self, expression: Floats) -> list[Block]:
        """Return what makes features of a graph and pairs, from expression ``[genes, cells]``."""

    def of_training(self, pairs: Ints) -> NDArray[Any]:
        """Return the features ``[pairs, width]`` of all training pairs ``[pairs, 2]``, edges first."""
        labels = (np.arange(len(pairs)) < len(self._training.train)).astype(np.int64)
        return self._source.of_training(pairs, labels, self._rng)

    def of_held_out(self, pairs: Ints) -> NDArray[Any]:
        """Return the features ``[pairs, width]`` of other pairs ``[pairs, 2]``."""
        return self._source.of(pairs)

    def forward(self, pairs: Tensor) -> Tensor:
        """Return the features ``[pairs, width]`` of ``[pairs, 2]``: in training, of training pairs alone."""
        if self._keys is None or self._keys.device != pairs.device:
            self._read_training(pairs.device)
        assert self._keys is not None
        n_genes = self._training.n_genes
        keys = pairs[:, 0] * n_genes + pairs[:, 1]
        row = torch.searchsorted(self._keys, keys).clamp(max=len(self._keys) - 1)
        if self.training:  # all are candidates of the exam; to look would make a GPU wait
            return self._known[row]
        is_training = (self._keys[row] == keys).unsqueeze(1)
        return torch.where(is_training, self._known[row], self._of_held_out(pairs))

    def _read_training(self, device: torch.device) -> None:
        pairs = np.concatenate([self._training.train, self._training.pool])
        keys = pair_keys(pairs, self._training.n_genes)
        order = np.argsort(keys)
        features = self.of_training(pairs).astype(np.float64)
        self._mean, self._spread = features.mean(axis=0), features.std(axis=0)
        self._spread[self._spread < 1e-6 * (1 + np.abs(self._mean))] = np.inf  # a constant says nothing
        self._keys = torch.from_numpy(keys[order]).to(device)
        self._known = self._standardised(features[order], device)

    def _of_held_out(self, pairs: Tensor) -> Tensor:
        array = pairs.cpu().numpy()
        key = array.tobytes()
        if key not in self._held_out:
            self._held_out[key] = self._standardised(self.of_held_out(array), pairs.device)
            if len(self._held_out) > CHUNKS:
                self._held_out.popitem(last=False)
        self._held_out.move_to_end(key)
        return self._held_out[key].to(pairs.device)

    def _standardised(self, features: np.ndarray, device: torch.device) -> Tensor:
        scaled = (features - self._mean) / self._spread
        return torch.from_numpy(scaled).to(device, torch.get_default_dtype())


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

    width = STRUCTURE

    def blocks(self, expression: Floats) -> list[Block]:
        """Return the block that reads the graph alone."""
        return [TrainingGraph.features]


@register("pair_features", "coexpression")
class CoexpressionFeatures(PairFeatures):
    """Tells a model what expression says of a pair, and of its genes' known partners: ``[pairs, 2]`` to ``[pairs, n]``.

    Source: knockout; correlation and mutual information as in Pratapa et al. 2020 (BEELINE).
    """

    class Settings(ExpressionSettings, PairFeatures.Settings):
        """Settings of the features."""

    settings: Settings

    @property
    def width(self) -> int:
        """The number of features."""
        return self.settings.width

    def blocks(self, expression: Floats) -> list[Block]:
        """Return the block that reads expression."""
        return [ExpressionFeatures(self.settings, expression)] if self.settings.reads_expression else []


@register("pair_features", "both")
class BothFeatures(CoexpressionFeatures):
    """Tells a model what the graph says of a pair and what expression says: ``topology`` and ``coexpression``.

    ``[pairs, 2]`` to ``[pairs, 10 + n]``.

    Source: knockout.
    """

    @property
    def width(self) -> int:
        """The number of features."""
        return STRUCTURE + self.settings.width

    def blocks(self, expression: Floats) -> list[Block]:
        """Return both blocks."""
        return [TrainingGraph.features, *super().blocks(expression)]


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
    width = 1

    def of_training(self, pairs: Ints) -> NDArray[Any]:
        """Return the log-odds ``[pairs, 1]`` of all training pairs, by trees that never saw them."""
        return out_of_fold(self.settings, self._training, self._source.blocks, self._rng)[:, None]

    def of_held_out(self, pairs: Ints) -> NDArray[Any]:
        """Return the log-odds ``[pairs, 1]`` of other pairs, by trees that saw all training pairs."""
        return self._trees.score(pairs)[:, None]

    @cached_property
    def _trees(self) -> BoostedTrees:
        return BoostedTrees(self.settings, self._training, self._source.blocks, self._rng)
