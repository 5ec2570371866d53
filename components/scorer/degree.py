"""Controls that know the degrees of the training positives, and their reverse."""

from __future__ import annotations

import numpy as np

from components.core.dataset import Ints, pair_keys
from components.core.exam import TrainingPairs
from components.core.metrics import Scores
from components.core.registry import register
from components.scorer.base import Rule


@register("scorer", "degree")
class Degree(Rule):
    """Scores a pair by the TF's out-degree times the target's in-degree among training positives.

    ``[pairs, 2]`` to ``[pairs]``; one is added to each degree, so that an unseen gene does not hide its partner's.

    Source: knockout.
    """

    def __init__(self, settings: Rule.Settings, split: TrainingPairs, rng: np.random.Generator) -> None:
        super().__init__(settings, split, rng)
        self.out_degree = np.bincount(split.train[:, 0], minlength=split.n_genes)
        self.in_degree = np.bincount(split.train[:, 1], minlength=split.n_genes)

    def score(self, pairs: Ints) -> Scores:
        """Return degree products ``[pairs]``."""
        return (self.out_degree[pairs[:, 0]] + 1.0) * (self.in_degree[pairs[:, 1]] + 1.0)


@register("scorer", "reverse_degree")
class ReverseDegree(Degree):
    """Scores a pair first by whether its reverse is a training positive, then by the degree product.

    ``[pairs, 2]`` to ``[pairs]``. Strong on STRING, which lists 75 % of its edges both ways.

    Source: knockout.
    """

    def score(self, pairs: Ints) -> Scores:
        """Return degree products ``[pairs]``, raised above all others where the reverse is a training positive."""
        largest = (self.out_degree.max() + 1.0) * (self.in_degree.max() + 1.0)
        n_genes = self.split.n_genes
        reverse = np.isin(pair_keys(pairs[:, ::-1], n_genes), pair_keys(self.split.train, n_genes))
        return super().score(pairs) + largest * reverse
