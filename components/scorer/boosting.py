"""Gradient boosting of features of pairs: what the graph of training edges says, what expression says, or both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from components.core.dataset import Floats, Ints
from components.core.errors import KnockoutError
from components.core.exam import TrainingPairs
from components.core.metrics import Scores
from components.core.registry import register
from components.core.settings import Settings as BaseSettings
from components.core.settings import setting
from components.learning import Context, View
from components.pairs.crossfit import Block, CrossFitted, structure
from components.pairs.expression import ExpressionFeatures, ExpressionSettings
from components.scorer.base import MODEL_FACTORS, ExpressionLearner


class TreeSettings(BaseSettings):
    """Settings of features of the graph, and of the classifier that reads features of pairs."""

    folds: int = setting(5, "parts of the training edges, each of which is left out of the graph once", ge=2, le=50)
    ratio: float = setting(10.0, "pairs of the pool per training edge, at most", ge=1.0, le=100.0)
    rank: int = setting(32, "singular values kept of the adjacency matrix", ge=1, le=512)
    trees: int = setting(300, "boosting iterations, at most", ge=1, le=1000)
    learning_rate: float = setting(0.05, "share of each tree that is added", ge=1e-4, le=1.0, log=True)


class BoostedTrees:
    """Gradient-boosted trees that learn from training positives and a sample of the pool, by cross-fitted features."""

    def __init__(
        self,
        settings: Any,
        training: TrainingPairs,
        blocks: Sequence[Block],
        rng: np.random.Generator,
        leaves: int = 15,
    ) -> None:
        self.features = CrossFitted(training, blocks, settings.folds, settings.rank)
        number = min(len(training.pool), round(settings.ratio * len(training.train)))
        pool = training.pool[rng.choice(len(training.pool), size=number, replace=False)]
        pairs = np.concatenate([training.train, pool])
        labels = np.repeat([1, 0], [len(training.train), len(pool)])
        classifier = _classifier(settings, leaves, rng)
        with threadpool_limits(torch.get_num_threads(), user_api="openmp"):
            self.classifier = classifier.fit(self.features.of_training(pairs, labels, rng), labels)

    def score(self, pairs: Ints) -> Scores:
        """Return log-odds ``[pairs]`` of ``[pairs, 2]``."""
        return np.asarray(self.classifier.decision_function(self.features.of(pairs)))


@register("scorer", "boosting")
class Boosting(ExpressionLearner):
    """Scores a pair by gradient boosting of what the graph of training edges and expression say of it.

    ``[pairs, 2]`` to ``[pairs]``. With features of the graph alone it is ``topology``, but for how many times it is
    fitted. No training pair's features are read from a graph that has the pair's own edge.

    Source: knockout; for features of the graph see ``topology``, for votes of genes that are expressed alike
    collaborative filtering (Sarwar et al. 2001) with expression in place of ratings.
    """

    silences: ClassVar[tuple[str, ...]] = MODEL_FACTORS  # it has a sample of the pool of its own
    budgeted: ClassVar[bool] = False

    class Settings(ExpressionSettings, TreeSettings, ExpressionLearner.Settings):
        """Settings of the features and of the classifier."""

        graph: bool = setting(True, "features of the graph of training edges, those of `topology`")
        leaves: int = setting(15, "leaves of a tree, at most", ge=2, le=255, search=(7, 63), log=True)
        trees: int = setting(300, "boosting iterations, at most", ge=1, le=1000, search=(100, 600), log=True)
        learning_rate: float = setting(
            0.05, "share of each tree that is added", ge=1e-4, le=1.0, search=(0.02, 0.2), log=True
        )
        fits: int = setting(
            1, "classifiers of samples and folds of their own, whose log-odds are averaged", ge=1, le=50
        )

    settings: Settings

    def check(self, view: View) -> None:
        """Refuse settings that leave it no feature."""
        self._blocks(view.expression)

    def fit(self, view: View, context: Context) -> None:
        """Fit the classifiers."""
        rng = context.streams.numpy("negatives")  # paired with those of topology
        blocks = self._blocks(view.expression)
        self.fitted = [
            BoostedTrees(self.settings, view.training, blocks, rng, self.settings.leaves)
            for _ in range(self.settings.fits)
        ]

    def score(self, pairs: Ints) -> Scores:
        """Return mean log-odds ``[pairs]``."""
        scores: Scores = np.mean([trees.score(pairs) for trees in self.fitted], axis=0)
        return scores

    def _blocks(self, expression: Floats) -> list[Block]:
        blocks: list[Block] = [structure] if self.settings.graph else []
        if self.settings.reads_expression:
            blocks.append(ExpressionFeatures(self.settings, expression))
        if not blocks:
            named = ", ".join(["graph", *ExpressionSettings.model_fields])
            raise KnockoutError(f"scorer.boosting has no feature to read: switch one of {named} on.")
        return blocks


def _classifier(settings: Any, leaves: int, rng: np.random.Generator) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=settings.trees,
        learning_rate=settings.learning_rate,
        max_leaf_nodes=leaves,
        l2_regularization=1.0,
        random_state=int(rng.integers(2**31 - 1)),
    )
