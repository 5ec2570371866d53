"""A factor of one's own: what is done to expression before a model is shown it."""

import numpy as np

from components.core.registry import register
from components.core.settings import setting
from components.steps import ExpressionStep, register_factor

register_factor("example_scale", "what is done to expression before a model is shown it", "expression")


@register("example_scale", "ranks")
class Ranks(ExpressionStep):
    """Replaces the values of a gene by their ranks over cells, from 0 to 1: ``[genes, cells]``.

    Source: an example, of knockout's own making.
    """

    class Settings(ExpressionStep.Settings):
        """Settings of the ranks."""

        power: float = setting(1.0, "exponent of the ranks", ge=0.1, le=10.0, search=(0.5, 2.0))

    settings: Settings

    def transform(self, expression: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the ranks; values that tie have one rank."""
        ordered = np.sort(expression, axis=1)
        ranks = [np.searchsorted(row, values) for row, values in zip(ordered, expression, strict=True)]
        return (np.array(ranks) / expression.shape[1]) ** self.settings.power
