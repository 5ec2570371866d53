"""What expression says of pairs of genes, alone and together with the graph of training edges."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.core.dataset import Floats, Ints
from components.core.metrics import Scores
from components.core.settings import Settings, setting
from components.pairs.dependence import centred_unit_rows, mutual_information
from components.pairs.graph import TrainingGraph

BINS = 10  # of equal frequency, per gene, for mutual information
SHARPNESS = (5.0, 15.0)  # of the weight exp(sharpness (correlation - 1)) of a gene that is expressed alike


class ExpressionSettings(Settings):
    """Which features of expression a level reads."""

    correlation: bool = setting(True, "Pearson's and Spearman's correlation of the two genes", search=(False, True))
    information: bool = setting(False, "mutual information of the two genes", search=(False, True))
    profile: bool = setting(True, "mean, spread and share of zeros of either gene", search=(False, True))
    neighbours: bool = setting(
        True, "known edges of the genes that are expressed like the target, or like the TF", search=(False, True)
    )
    components: int = setting(0, "principal components of either gene", ge=0, le=128, search=(0, 32))

    @property
    def reads_expression(self) -> bool:
        """Whether any of them is switched on."""
        return self.width > 0

    @property
    def width(self) -> int:
        """Number of features."""
        blocks = 2 * self.correlation + self.information + 6 * self.profile + (2 + 2 * len(SHARPNESS)) * self.neighbours
        return blocks + 2 * self.components


class ExpressionFeatures:
    """Features of pairs from expression ``[genes, cells]``, by blocks that settings name.

    Called with a graph of training edges and pairs ``[pairs, 2]``, it returns ``[pairs, features]``. Memory grows with
    genes squared where ``neighbours`` or ``information`` acts.
    """

    def __init__(self, settings: ExpressionSettings, expression: Floats) -> None:
        self.settings = settings
        self.expression = np.asarray(expression, dtype=np.float32)

    def __call__(self, graph: TrainingGraph, pairs: Ints) -> Floats:
        """Return features ``[pairs, features]``."""
        return np.column_stack([block.astype(np.float32) for block in self._blocks(graph, pairs)])

    def _blocks(self, graph: TrainingGraph, pairs: Ints) -> Iterator[NDArray[Any]]:
        tf, target = pairs.T
        if self.settings.correlation:
            for unit in (self._pearson, self._spearman):
                yield np.einsum("pc,pc->p", unit[tf], unit[target])
        if self.settings.information:
            new = np.setdiff1d(tf, np.flatnonzero(~np.isnan(self._information[:, 0])))
            self._information[new] = mutual_information(self.expression, new, BINS)
            yield self._information[tf, target]
        if self.settings.profile:
            yield from (self._profile[tf], self._profile[target])
        if self.settings.neighbours:
            yield graph.entries(pairs, self._votes(graph))
        if self.settings.components:
            yield from (self._principal[tf], self._principal[target])

    def _votes(self, graph: TrainingGraph) -> Callable[[Ints], list[Scores]]:
        """Return what gives rows ``[rows, genes]`` of each vote of known edges, for or against a pair.

        A gene has no vote on a pair of its own, so whether the pair itself is an edge of the graph is not read.
        """
        edges = graph.directed
        out, into = np.maximum(graph.out_degree, 1), np.maximum(graph.in_degree, 1)

        def of(rows: Ints) -> list[Scores]:
            votes = [
                (edges[rows] @ self._correlations) / out[rows][:, None],  # of the target with known targets of the TF
                np.asarray((edges.T @ self._correlations[rows].T).T) / into,  # of the TF with known TFs of the target
            ]
            for weight, total in self._alike:
                votes.append((edges[rows] @ weight) / total)  # targets that are expressed like this one
                votes.append(np.asarray((edges.T @ weight[rows].T).T) / total[rows][:, None])  # TFs like this one
            return votes

        return of

    @cached_property
    def _information(self) -> Floats:
        """Mutual information ``[genes, genes]``; rows of TFs that were not asked for yet are NaN."""
        return np.full((len(self.expression),) * 2, np.nan, dtype=np.float32)

    @cached_property
    def _pearson(self) -> Floats:
        return centred_unit_rows(self.expression).astype(np.float32)

    @cached_property
    def _spearman(self) -> Floats:
        from scipy.stats import rankdata

        return centred_unit_rows(rankdata(self.expression, axis=1)).astype(np.float32)

    @cached_property
    def _correlations(self) -> Floats:
        """Spearman's correlations ``[genes, genes]``; a gene's with itself left out."""
        correlations = self._spearman @ self._spearman.T
        np.fill_diagonal(correlations, 0)
        return correlations

    @cached_property
    def _alike(self) -> list[tuple[Floats, Floats]]:
        """Weights ``[genes, genes]`` of genes that are expressed alike, none of a gene itself, and their sums."""
        weights = []
        for sharpness in SHARPNESS:
            weight = np.exp(sharpness * (self._correlations - 1))
            np.fill_diagonal(weight, 0)
            weights.append((weight, weight.sum(axis=1)))
        return weights

    @cached_property
    def _profile(self) -> Floats:
        """Mean, standard deviation and share of zeros of each gene, ``[genes, 3]``."""
        values = self.expression
        return np.column_stack([values.mean(axis=1), values.std(axis=1), (values == 0).mean(axis=1)])

    @cached_property
    def _principal(self) -> Floats:
        """Principal components of each gene over cells, ``[genes, components]``, each with its largest entry positive.

        A singular vector's sign is no fact of the data.
        """
        unit = centred_unit_rows(self.expression) * np.sqrt(self.expression.shape[1])
        u, s, _ = np.linalg.svd(unit, full_matrices=False)
        scores = (u * s)[:, : self.settings.components] / np.sqrt(self.expression.shape[1])
        signed = scores * np.sign(scores[np.abs(scores).argmax(axis=0), np.arange(scores.shape[1])])
        return np.pad(signed, ((0, 0), (0, self.settings.components - signed.shape[1])))  # where cells are few
