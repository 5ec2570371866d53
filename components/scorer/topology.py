"""Controls that know the whole graph of training edges, and no expression."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from components.core.dataset import Floats, Ints
from components.core.exam import TrainingPairs
from components.core.metrics import Scores
from components.core.registry import register
from components.core.settings import setting
from components.scorer.base import Rule

ROWS = 256  # TFs whose scores with every gene are held at once
DECIMALS = 5  # of a feature: two pairs that are alike must not differ by the rounding of a sum
LEAST = 0.69  # weight of a neighbour with one edge, log 2, rounded down


class TrainingGraph:
    """The graph of training edges, and what it says of pairs of genes.

    Parameters
    ----------
    edges
        ``[n, 2]`` (TF, target).
    n_genes
        Number of genes.
    rank
        Singular values kept of the adjacency matrix.
    """

    def __init__(self, edges: Ints, n_genes: int, rank: int = 32) -> None:
        from scipy import sparse

        ones = np.ones(len(edges))
        self.directed = sparse.csr_matrix((ones, tuple(edges.T)), shape=(n_genes, n_genes))
        self.out_degree = np.asarray(self.directed.sum(axis=1)).ravel()
        self.in_degree = np.asarray(self.directed.sum(axis=0)).ravel()
        self.linked = self.directed.maximum(self.directed.T).tocsr()
        self.degree = np.asarray(self.linked.sum(axis=1)).ravel()
        self.rank = rank

    def features(self, pairs: Ints) -> Floats:
        """Return what the graph says of each pair, ``[pairs, 2]`` to ``[pairs, 10]``.

        Log out- and in-degree of both genes; whether the reverse is an edge; Adamic-Adar; resource allocation; how
        often TFs with alike targets regulate the target; how often targets with alike TFs are regulated by the TF; the
        pair's entry in the adjacency matrix of low rank. An edge's own entry is left out of the sums over alike genes.
        """
        if not len(pairs):
            return np.empty((0, 10), dtype=np.float32)
        tf, target = pairs.T
        degrees = [self.out_degree[tf], self.in_degree[target], self.out_degree[target], self.in_degree[tf]]
        reverse = np.asarray(self.directed[target, tf]).ravel()
        sums = self.entries(pairs, self._sums)
        sums[:, 0] = np.log1p(sums[:, 0])
        features = np.column_stack([*map(np.log1p, degrees), reverse, sums])
        return np.round(features, DECIMALS).astype(np.float32)

    def entries(self, pairs: Ints, matrices: Callable[[Ints], list[Scores]]) -> Scores:
        """Return the entries of matrices at pairs, ``[pairs, matrices]``.

        ``matrices`` returns the rows it is asked for, each ``[rows, genes]``; it is asked for some rows at a time.
        """
        tf, target = pairs.T
        order = np.argsort(tf, kind="stable")
        tfs, starts = np.unique(tf[order], return_index=True)
        entries: list[Scores] = []
        for first in range(0, len(tfs), ROWS):
            rows = tfs[first : first + ROWS]
            stop = starts[first + ROWS] if first + ROWS < len(tfs) else len(order)
            asked = order[starts[first] : stop]
            at = np.searchsorted(rows, tf[asked]), target[asked]
            entries.append(np.stack([of[at] for of in matrices(rows)], axis=1))
        return np.concatenate(entries)[np.argsort(order)]

    def adamic_adar(self, rows: Ints) -> Scores:
        """Return the sum over common neighbours of 1 / log(degree + 1), ``[rows]`` to ``[rows, genes]``."""
        return _dense(_scaled(self.linked[rows], 1 / np.maximum(np.log(self.degree + 1), LEAST)) @ self.linked)

    def _sums(self, rows: Ints) -> list[Scores]:
        """Return the five sums over other genes, each ``[rows, genes]``."""
        allocation = _scaled(self.linked[rows], 1 / np.maximum(self.degree, 1)) @ self.linked
        out, into = 1 / np.maximum(self.out_degree, 1), 1 / np.maximum(self.in_degree, 1)
        edges = self.directed[rows]
        # cosine of two TFs' targets, the TF's with itself (1 where it has any) left out, times their targets
        alike_tfs = _scaled(edges @ self.directed.T, np.sqrt(out)) @ self.directed
        of_tfs = _dense(alike_tfs) * np.sqrt(out[rows])[:, None] - _dense(edges)
        alike_targets = _scaled(edges, np.sqrt(into)) @ self.directed.T @ self.directed
        of_targets = _dense(alike_targets) * np.sqrt(into) - _dense(edges)
        left, right = self._low_rank
        return [self.adamic_adar(rows), _dense(allocation), of_tfs, of_targets, left[rows] @ right]

    @cached_property
    def _low_rank(self) -> tuple[Scores, Scores]:
        """Factors ``[genes, rank]`` and ``[rank, genes]`` of the adjacency matrix.

        Each singular value is lessened by the first one left out, so that where that one is tied with the last one
        kept, either choice gives the same matrix.
        """
        n = self.directed.shape[0]
        if n <= self.rank + 1:
            u, s, v = np.linalg.svd(self.directed.toarray())
        else:
            from scipy.sparse.linalg import svds

            u, s, v = svds(self.directed, k=self.rank + 1, v0=np.ones(n))
            u, s, v = u[:, ::-1], s[::-1], v[::-1]
        beyond = s[self.rank] if len(s) > self.rank else 0.0
        kept = np.maximum(s[: self.rank] - beyond, 0)
        return u[:, : self.rank] * kept, v[: self.rank]


def _scaled(matrix: Any, columns: Scores) -> Any:
    from scipy import sparse

    return matrix @ sparse.diags_array(columns)


def _dense(matrix: Any) -> Scores:
    dense: Scores = matrix.toarray()
    return dense


@register("scorer", "topology")
class Topology(Rule):
    """Scores a pair by what the graph of training edges says of it, by gradient boosting.

    ``[pairs, 2]`` to ``[pairs]``. The classifier learns from the training positives and a sample of the pool. It is
    cross-fitted: what the graph says of the pairs of one fold is read from the edges of the others, since no edge that
    is asked for lies in the graph.

    Source: knockout. Features: Adamic & Adar 2003; Zhou et al. 2009 (resource allocation); Cannistraci et al. 2013.
    """

    class Settings(Rule.Settings):
        """Settings of the features and of the classifier."""

        folds: int = setting(5, "parts of the training edges, each of which is left out of the graph once", ge=2, le=50)
        ratio: float = setting(10.0, "pairs of the pool per training edge, at most", ge=1.0, le=100.0)
        rank: int = setting(32, "singular values kept of the adjacency matrix", ge=1, le=512)
        trees: int = setting(300, "boosting iterations, at most", ge=1, le=1000)
        learning_rate: float = setting(0.05, "share of each tree that is added", ge=1e-4, le=1.0, log=True)

    settings: Settings

    @cached_property
    def model(self) -> Any:
        """The fitted classifier."""
        split, rng = self.split, self.rng
        number = min(len(split.pool), round(self.settings.ratio * len(split.train)))
        pool = split.pool[rng.choice(len(split.pool), size=number, replace=False)]
        pairs = np.concatenate([split.train, pool])
        labels = np.repeat([1, 0], [len(split.train), len(pool)])
        with threadpool_limits(torch.get_num_threads(), user_api="openmp"):
            return self._classifier().fit(self._cross_fitted(pairs, labels, rng), labels)

    @cached_property
    def graph(self) -> TrainingGraph:
        """The graph of all training edges."""
        return TrainingGraph(self.split.train, self.split.n_genes, self.settings.rank)

    def score(self, pairs: Ints) -> Scores:
        """Return log-odds ``[pairs]``."""
        return np.asarray(self.model.decision_function(self.graph.features(pairs)))

    def _classifier(self) -> Any:
        from sklearn.ensemble import HistGradientBoostingClassifier

        s = self.settings
        return HistGradientBoostingClassifier(
            max_iter=s.trees,
            learning_rate=s.learning_rate,
            max_leaf_nodes=15,
            l2_regularization=1.0,
            random_state=int(self.rng.integers(2**31 - 1)),
        )

    def _cross_fitted(self, pairs: Ints, labels: Ints, rng: np.random.Generator) -> Floats:
        """Return the features of pairs ``[pairs, 2]``, each from the graph without the edges of the pair's fold."""
        fold = rng.integers(self.settings.folds, size=len(pairs))
        features = np.empty((len(pairs), 10), dtype=np.float32)
        for number in range(self.settings.folds):
            rest = TrainingGraph(pairs[(fold != number) & (labels == 1)], self.split.n_genes, self.settings.rank)
            features[fold == number] = rest.features(pairs[fold == number])
        return features


@register("scorer", "adamic_adar")
class AdamicAdar(Rule):
    """Scores a pair by the neighbours that its genes share in the graph of training edges, rare ones counting more.

    ``[pairs, 2]`` to ``[pairs]``; edges count in both directions, and nothing is fitted.

    Source: Adamic & Adar 2003.
    """

    def __init__(self, settings: Rule.Settings, split: TrainingPairs, rng: np.random.Generator) -> None:
        super().__init__(settings, split, rng)
        self.graph = TrainingGraph(split.train, split.n_genes)

    def score(self, pairs: Ints) -> Scores:
        """Return Adamic-Adar sums ``[pairs]``."""
        sums: Scores = self.graph.entries(pairs, lambda rows: [self.graph.adamic_adar(rows)])[:, 0]
        return np.round(sums, DECIMALS)
