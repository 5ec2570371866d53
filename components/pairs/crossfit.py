"""Features of training pairs from a graph that lacks their edges as the graph lacks those of the test.

Where a test asks for any pair, a training pair's own edge is left out. Where it asks for genes that no training pair
has as its target (or as its TF), all edges of the training pair's target (or TF) are: otherwise a classifier learns
from features of the gene's other edges, and meets a test without any.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from components.core.dataset import Floats, Ints
from components.core.exam import TrainingPairs
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


def structure(graph: TrainingGraph, pairs: Ints) -> Floats:
    """Return what a graph says of pairs, ``[pairs, 2]`` to ``[pairs, 10]``."""
    return graph.features(pairs)


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
