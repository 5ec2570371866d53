"""Gradient-boosted trees over features of pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from components.core.dataset import Floats, Ints
from components.core.exam import TrainingPairs
from components.core.metrics import Scores
from components.core.settings import Settings as BaseSettings
from components.core.settings import setting
from components.pairs.crossfit import Block, CrossFitted, folds_of


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
        return self.log_odds(self.features.of(pairs))

    def log_odds(self, features: Floats) -> Scores:
        """Return log-odds ``[pairs]`` of features ``[pairs, features]``."""
        return np.asarray(self.classifier.decision_function(features))


def _classifier(settings: Any, leaves: int, rng: np.random.Generator) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=settings.trees,
        learning_rate=settings.learning_rate,
        max_leaf_nodes=leaves,
        l2_regularization=1.0,
        random_state=int(rng.integers(2**31 - 1)),
    )


def out_of_fold(settings: Any, training: TrainingPairs, blocks: Sequence[Block], rng: np.random.Generator) -> Scores:
    """Return the log-odds ``[pairs]`` of all training pairs, edges first, by trees that never saw the pair.

    The trees of a fold learn from the pairs of the others, and read the graph of their edges alone.
    """
    pairs = np.concatenate([training.train, training.pool])
    is_edge = np.arange(len(pairs)) < len(training.train)
    fold = folds_of(training, pairs, settings.folds, rng)
    scores = np.zeros(len(pairs))  # where a single TF, or target, has all the training pairs, nothing is left to learn
    for number in np.unique(fold):
        rest, held_out = fold != number, fold == number
        others = replace(training, train=pairs[rest & is_edge], pool=pairs[rest & ~is_edge])
        if len(others.train) and len(others.pool):
            scores[held_out] = BoostedTrees(settings, others, blocks, rng).score(pairs[held_out])
    return scores
