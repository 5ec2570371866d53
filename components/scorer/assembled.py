"""The assembled model, trained on true expression, on noise, or on expression of other genes."""

from __future__ import annotations

import numpy as np

from components.core.dataset import Floats
from components.core.registry import register
from components.learning import shown
from components.scorer.base import TrainedScorer


@register("scorer", "assembled")
class Assembled(TrainedScorer):
    """Trains the model that the other factors describe, on true expression ``[genes, cells]``.

    Source: scUniGP eqs 4-8.
    """

    control = False

    def expression(self, expression: Floats, rng: np.random.Generator) -> Floats:
        """Return the expression ``[genes, cells]`` as it is."""
        return expression


@register("scorer", "noise")
class Noise(TrainedScorer):
    """Trains the model on standard normal noise in place of expression, ``[genes, cells]``.

    What it reaches comes from the graph and from gene identities.

    Source: knockout.
    """

    control = True

    def expression(self, expression: Floats, rng: np.random.Generator) -> Floats:
        """Return noise of the same shape ``[genes, cells]``."""
        return shown("noise", expression, rng)


@register("scorer", "permuted")
class Permuted(TrainedScorer):
    """Trains the model on expression whose rows, ``[genes, cells]``, are permuted between genes.

    Profiles and their correlations stay real, but belong to other genes: what it reaches does not come from a gene's
    own expression.

    Source: knockout.
    """

    control = True

    def expression(self, expression: Floats, rng: np.random.Generator) -> Floats:
        """Return the rows of ``[genes, cells]`` in random order."""
        return shown("permuted", expression, rng)
