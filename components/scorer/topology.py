"""Controls that know the whole graph of training edges, and no expression."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from components.core.dataset import Ints
from components.core.exam import TrainingPairs
from components.core.metrics import Scores
from components.core.registry import register
from components.pairs.crossfit import BoostedTrees, TreeSettings
from components.pairs.graph import DECIMALS, TrainingGraph
from components.scorer.base import Rule


@register("scorer", "topology")
class Topology(Rule):
    """Scores a pair by what the graph of training edges says of it, by gradient boosting.

    ``[pairs, 2]`` to ``[pairs]``. The classifier learns from the training positives and a sample of the pool. It is
    cross-fitted: what the graph says of the pairs of one fold is read from the edges of the others, since no edge that
    is asked for lies in the graph.

    Source: knockout. Features: Adamic & Adar 2003; Zhou et al. 2009 (resource allocation); Cannistraci et al. 2013.
    """

    class Settings(TreeSettings, Rule.Settings):
        """Settings of the features and of the classifier."""

    settings: Settings

    @cached_property
    def model(self) -> BoostedTrees:
        """The fitted classifier."""
        return BoostedTrees(self.settings, self.split, [TrainingGraph.features], self.rng)

    def score(self, pairs: Ints) -> Scores:
        """Return log-odds ``[pairs]``."""
        return self.model.score(pairs)


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
        return np.round(self.graph.entries(pairs, lambda rows: [self.graph.adamic_adar(rows)])[:, 0], DECIMALS)
