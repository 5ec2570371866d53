"""What the graph of training edges says of pairs of genes.

Sources: Adamic & Adar 2003; Zhou et al. 2009 (resource allocation); Cannistraci et al. 2013.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, cached_property
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from components.core.dataset import Floats, Ints
from components.core.metrics import Scores

ROWS = 256  # TFs whose scores with every gene are held at once
DECIMALS = 5  # of a feature: two pairs that are alike must not differ by the rounding of a sum
LEAST = 0.69  # weight of a neighbour with one edge, log 2, rounded down
STRUCTURE = 10  # features that a graph has of a pair


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
            return np.empty((0, STRUCTURE), dtype=np.float32)
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
            chunk = order[starts[first] : stop]
            at = np.searchsorted(rows, tf[chunk]), target[chunk]
            entries.append(np.stack([of[at] for of in matrices(rows)], axis=1))
        return np.concatenate(entries)[np.argsort(order)]

    def adamic_adar(self, rows: Ints) -> Scores:
        """Return the sum over common neighbours of 1 / log(degree + 1), ``[rows]`` to ``[rows, genes]``."""
        weight = 1 / np.maximum(np.log(self.degree + 1), LEAST)
        return (_scaled(self.linked[rows], weight) @ self.linked).toarray()

    def _sums(self, rows: Ints) -> list[Scores]:
        """Return the five sums over other genes, each ``[rows, genes]``."""
        allocation = _scaled(self.linked[rows], 1 / np.maximum(self.degree, 1)) @ self.linked
        out, into = 1 / np.maximum(self.out_degree, 1), 1 / np.maximum(self.in_degree, 1)
        edges = self.directed[rows]
        # cosine of two TFs' targets, the TF's with itself (1 where it has any) left out, times their targets
        alike_tfs = _scaled(edges @ self.directed.T, np.sqrt(out)) @ self.directed
        of_tfs = alike_tfs.toarray() * np.sqrt(out[rows])[:, None] - edges.toarray()
        alike_targets = _scaled(edges, np.sqrt(into)) @ self.directed.T @ self.directed
        of_targets = alike_targets.toarray() * np.sqrt(into) - edges.toarray()
        left, right = self._low_rank
        return [self.adamic_adar(rows), allocation.toarray(), of_tfs, of_targets, left[rows] @ right]

    @cached_property
    def _low_rank(self) -> tuple[Scores, Scores]:
        """Factors ``[genes, rank]`` and ``[rank, genes]`` of the adjacency matrix.

        Each singular value is lessened by the first one left out, so that where that one is tied with the last one
        kept, either choice gives the same matrix. They are taken from the products of TFs with each other, which are
        decomposed directly: Lanczos iterations fail, or miss values, where few TFs have edges.
        """
        tfs = np.flatnonzero(self.out_degree)
        if not len(tfs):
            return np.zeros((len(self.degree), 0)), np.zeros((0, len(self.degree)))
        from scipy.linalg import eigh

        edges = self.directed[tfs]
        last = len(tfs) - 1
        with _libraries().limit(limits=1, user_api="blas"):  # threads wait for each other, on a busy machine for long
            squares, vectors = eigh((edges @ edges.T).toarray(), subset_by_index=[max(0, last - self.rank), last])
        beyond, strengths = np.split(np.sqrt(np.maximum(squares, 0)), [-self.rank])
        weights = 1 - (beyond[0] / np.maximum(strengths, np.finfo(float).tiny) if len(beyond) else 0.0)
        vectors = vectors[:, -self.rank :]
        left = np.zeros((len(self.degree), vectors.shape[1]))
        left[tfs] = vectors * weights
        return left, vectors.T @ edges


def _scaled(matrix: Any, columns: Scores) -> Any:
    from scipy import sparse

    return matrix @ sparse.diags_array(columns)


@cache
def _libraries() -> ThreadpoolController:
    """Return what limits the threads of linear algebra: to find its libraries takes as long as a decomposition."""
    import scipy.linalg  # noqa: F401  # has a library of its own

    return ThreadpoolController()
