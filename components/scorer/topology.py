"""Controls that know the whole graph of training edges, and no expression."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from components.core.dataset import Ints
from components.core.exam import TrainingPairs
from components.core.metrics import Scores
from components.core.registry import register
from components.core.settings import setting
from components.pairs.crossfit import BoostedTrees, TreeSettings, sample_size
from components.pairs.graph import DECIMALS, TrainingGraph
from components.scorer.base import Rule

PAIRS = 200_000  # that the classifiers of `topology` learn from in all: where edges are many, one is as good as ten


@register("scorer", "topology")
class Topology(Rule):
    """Scores a pair by what the graph of training edges says of it, by gradient boosting.

    ``[pairs, 2]`` to ``[pairs]``. The classifier learns from the training positives and a sample of the pool. It is
    cross-fitted: what the graph says of the pairs of one fold is read from the edges of the others, since no edge that
    is asked for lies in the graph. Scores are means over several such fits: on networks of a few hundred edges a single
    one varies by what it draws, and is a weaker control.

    Source: knockout. Features: Adamic & Adar 2003; Zhou et al. 2009 (resource allocation); Cannistraci et al. 2013.
    """

    class Settings(TreeSettings, Rule.Settings):
        """Settings of the features and of the classifiers."""

        # chosen on validation of nine BEELINE sets: level with ten classifiers of 300 trees, above one
        trees: int = setting(50, "boosting iterations of a classifier, at most", ge=1, le=1000)
        learning_rate: float = setting(0.1, "share of each tree that is added", ge=1e-4, le=1.0, log=True)
        fits: int = setting(
            10, f"classifiers as of `boosting`, fewer where they would learn from over {PAIRS:,} pairs", ge=1, le=50
        )

    settings: Settings

    @cached_property
    def model(self) -> BoostedTrees:
        """The fitted classifiers."""
        pairs = len(self.split.train) + sample_size(self.settings, self.split)
        fits = max(1, min(self.settings.fits, PAIRS // max(pairs, 1)))
        settings = self.settings.model_copy(update={"fits": fits})
        return BoostedTrees(settings, self.split, [TrainingGraph.features], self.rng)

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
