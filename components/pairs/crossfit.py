"""Features of training pairs from a graph that lacks their edges as that of the test does, and trees over features.

Where a test asks for any pair, a training pair's own edge is left out. Where it asks for genes that no training pair
has as its target (or as its TF), all edges of the training pair's target (or TF) are: otherwise a classifier learns
from features of the gene's other edges, and meets a test without any.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from components.core.dataset import Floats, Ints
from components.core.exam import TrainingPairs
from components.core.metrics import Scores
from components.core.settings import Settings as BaseSettings
from components.core.settings import setting
from components.pairs.graph import TrainingGraph

Block = Callable[[TrainingGraph, Ints], Floats]  # a graph and pairs [pairs, 2] -> features [pairs, features]


def folds_of(training: TrainingPairs, pairs: Ints, folds: int, rng: np.random.Generator) -> Ints:
    """Return the fold ``[pairs]`` of training pairs ``[pairs, 2]``: pairs are dealt as the exam deals them.

    Pairs of one target have one fold where those of the test have targets that are unseen; of one TF likewise.
    """
    if training.unseen == "none":
        return rng.integers(folds, size=len(pairs))
    genes, gene = np.unique(pairs[:, 0 if training.unseen == "tf" else 1], return_inverse=True)
    return (rng.permutation(len(genes)) % folds)[gene]


class CrossFitted:
    """Features of pairs: of training pairs without edges of their fold, of others from all training edges.

    Parameters
    ----------
    training
        The training part of the exam.
    blocks
        What makes features of a graph and pairs.
    folds
        Parts of the training pairs; the features of one are read from the edges of the others.
    rank
        Singular values kept of the adjacency matrix.
    """

    def __init__(self, training: TrainingPairs, blocks: Sequence[Block], folds: int, rank: int = 32) -> None:
        self.training, self.blocks, self.folds, self.rank = training, blocks, folds, rank

    def of(self, pairs: Ints) -> Floats:
        """Return the features ``[pairs, features]`` of pairs that are held out, ``[pairs, 2]``."""
        return self._features(self._graph, pairs)

    def of_training(self, pairs: Ints, labels: Ints, rng: np.random.Generator) -> Floats:
        """Return the features ``[pairs, features]`` of training pairs ``[pairs, 2]`` with their labels ``[pairs]``.

        A pair that is no edge has a fold as well: its features come from a graph of the same size as those of an edge.
        """
        fold = folds_of(self.training, pairs, self.folds, rng)
        features = None
        for number in np.unique(fold):
            held_out = fold == number
            rest = TrainingGraph(pairs[~held_out & (labels == 1)], self.training.n_genes, self.rank)
            part = self._features(rest, pairs[held_out])
            if features is None:
                features = np.empty((len(pairs), part.shape[1]), dtype=np.float32)
            features[held_out] = part
        assert features is not None  # there is a pair
        return features

    def _features(self, graph: TrainingGraph, pairs: Ints) -> Floats:
        return np.column_stack([block(graph, pairs) for block in self.blocks])

    @cached_property
    def _graph(self) -> TrainingGraph:
        return TrainingGraph(self.training.train, self.training.n_genes, self.rank)


class TreeSettings(BaseSettings):
    """Settings of features of the graph, and of the classifier that reads features of pairs."""

    folds: int = setting(5, "parts of the training edges, each of which is left out of the graph once", ge=2, le=50)
    ratio: float = setting(10.0, "pairs of the pool per training edge, at most", ge=1.0, le=100.0)
    rank: int = setting(32, "singular values kept of the adjacency matrix", ge=1, le=512)
    trees: int = setting(300, "boosting iterations, at most", ge=1, le=1000)
    learning_rate: float = setting(0.05, "share of each tree that is added", ge=1e-4, le=1.0, log=True)
    fits: int = setting(1, "classifiers of samples and folds of their own, whose log-odds are averaged", ge=1, le=50)


def sample_size(settings: TreeSettings, training: TrainingPairs) -> int:
    """Return how many pairs of the pool trees learn from."""
    return min(len(training.pool), round(settings.ratio * len(training.train)))


class BoostedTrees:
    """Gradient-boosted trees that learn from training positives and a sample of the pool, by cross-fitted features.

    Each of ``settings.fits`` classifiers has a sample and folds of its own.
    """

    def __init__(
        self,
        settings: Any,
        training: TrainingPairs,
        blocks: Sequence[Block],
        rng: np.random.Generator,
        leaves: int = 15,
    ) -> None:
        from sklearn.ensemble import HistGradientBoostingClassifier  # before its library of threads is limited

        self.features = CrossFitted(training, blocks, settings.folds, settings.rank)
        trees = partial(
            HistGradientBoostingClassifier,
            max_iter=settings.trees,
            learning_rate=settings.learning_rate,
            max_leaf_nodes=leaves,
            l2_regularization=1.0,
        )
        with threadpool_limits(torch.get_num_threads(), user_api="openmp"):
            self.classifiers = [self._fitted(trees, settings, rng) for _ in range(settings.fits)]

    def score(self, pairs: Ints) -> Scores:
        """Return mean log-odds ``[pairs]`` of ``[pairs, 2]``."""
        features = self.features.of(pairs)  # of all training edges, whichever folds a classifier was fitted by
        return np.mean([classifier.decision_function(features) for classifier in self.classifiers], axis=0)

    def _fitted(self, trees: Callable[..., Any], settings: Any, rng: np.random.Generator) -> Any:
        training = self.features.training
        size = sample_size(settings, training)
        pool = training.pool[rng.choice(len(training.pool), size=size, replace=False)]
        pairs = np.concatenate([training.train, pool])
        labels = np.repeat([1, 0], [len(training.train), len(pool)])
        classifier = trees(random_state=int(rng.integers(2**31 - 1)))
        return classifier.fit(self.features.of_training(pairs, labels, rng), labels)


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
