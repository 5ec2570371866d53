"""Gradient boosting of features of pairs: what the graph of training edges says, what expression says, or both."""

from __future__ import annotations

from typing import ClassVar

from components.core.dataset import Ints
from components.core.errors import KnockoutError
from components.core.metrics import Scores
from components.core.registry import register
from components.core.settings import setting
from components.learning import Context, View
from components.pairs.crossfit import Block, BoostedTrees, TreeSettings
from components.pairs.expression import ExpressionFeatures, ExpressionSettings
from components.pairs.graph import TrainingGraph
from components.pairs.lagged import LaggedFeatures
from components.scorer.base import MODEL_FACTORS, ExpressionLearner


@register("scorer", "boosting")
class Boosting(ExpressionLearner):
    """Scores a pair by gradient boosting of what the graph of training edges and expression say of it.

    ``[pairs, 2]`` to ``[pairs]``. With features of the graph alone it is ``topology``, but for how many times it is
    fitted. No training pair's features are read from a graph that has the pair's own edge.

    Source: knockout; for features of the graph see ``topology``, for votes of genes that are expressed alike
    collaborative filtering (Sarwar et al. 2001) with expression in place of ratings.
    """

    silences: ClassVar[tuple[str, ...]] = MODEL_FACTORS  # it has a sample of the pool of its own
    budgeted: ClassVar[bool] = False

    class Settings(ExpressionSettings, TreeSettings, ExpressionLearner.Settings):
        """Settings of the features and of the classifier."""

        graph: bool = setting(True, "features of the graph of training edges, those of `topology`")
        lagged: bool = setting(
            False,
            "correlation of either gene with the later other along pseudotime, where the data set has one",
        )
        leaves: int = setting(15, "leaves of a tree, at most", ge=2, le=255, search=(7, 63), log=True)
        trees: int = setting(300, "boosting iterations, at most", ge=1, le=1000, search=(100, 600), log=True)
        learning_rate: float = setting(
            0.05, "share of each tree that is added", ge=1e-4, le=1.0, search=(0.02, 0.2), log=True
        )

        @property
        def reads_expression(self) -> bool:
            """Whether any feature of expression is switched on."""
            return self.lagged or self.width > 0

    settings: Settings

    def check(self, view: View) -> None:
        """Refuse settings that leave it no feature."""
        self._blocks(view)

    def fit(self, view: View, context: Context) -> None:
        """Fit the classifiers."""
        rng = context.streams.numpy("negatives")  # paired with those of topology
        blocks = self._blocks(view)
        self.trees = BoostedTrees(self.settings, view.training, blocks, rng, self.settings.leaves)

    def score(self, pairs: Ints) -> Scores:
        """Return mean log-odds ``[pairs]``."""
        return self.trees.score(pairs)

    def _blocks(self, view: View) -> list[Block]:
        blocks: list[Block] = [TrainingGraph.features] if self.settings.graph else []
        if self.settings.width:
            blocks.append(ExpressionFeatures(self.settings, view.expression))
        if self.settings.lagged and view.pseudotime is not None:
            blocks.append(LaggedFeatures(view.expression, view.pseudotime))
        if not blocks:
            named = ", ".join(["graph", *ExpressionSettings.model_fields, "lagged (with a pseudotime)"])
            raise KnockoutError(f"scorer.boosting has no feature to read: switch one of {named} on.")
        return blocks
