"""Degree rules."""

from __future__ import annotations

import numpy as np

from components.core.dataset import Ints, pair_keys
from components.core.exam import Split
from components.core.metrics import Scores
from components.core.registry import register
from components.scorer.base import Rule


@register("scorer", "degree")
class Degree(Rule):
    """Scores a pair by the TF's out-degree times the target's in-degree among training positives.

    ``[pairs, 2]`` to ``[pairs]``; each degree plus one, so that an unseen partner does not erase the other's.

    Source: protocol.md, control arms.
    """

    def __init__(self, settings: Rule.Settings, split: Split, rng: np.random.Generator) -> None:
        super().__init__(settings, split, rng)
        self.out_degree = np.bincount(split.train[:, 0], minlength=split.n_genes)
        self.in_degree = np.bincount(split.train[:, 1], minlength=split.n_genes)

    def score(self, pairs: Ints) -> Scores:
        """Return degree products ``[pairs]``."""
        return (self.out_degree[pairs[:, 0]] + 1.0) * (self.in_degree[pairs[:, 1]] + 1.0)


@register("scorer", "reverse_degree")
class ReverseDegree(Degree):
    """Scores a pair first by whether its reverse is a training positive, then by the degree product.

    ``[pairs, 2]`` to ``[pairs]``. Strong on STRING, where 75 % of the edges are listed both ways.

    Source: protocol.md, control arms.
    """

    def score(self, pairs: Ints) -> Scores:
        """Return degree products ``[pairs]``, lifted above all others where the reverse edge is known."""
        degree = super().score(pairs)
        ceiling = (self.out_degree.max() + 1.0) * (self.in_degree.max() + 1.0)
        known = np.isin(pair_keys(pairs[:, ::-1], self.split.n_genes), pair_keys(self.split.train, self.split.n_genes))
        return degree + ceiling * known
