"""The assembled model, trained on the expression as it is, on noise, or on permuted rows."""

from __future__ import annotations

import numpy as np

from components.core.dataset import Floats
from components.core.registry import register
from components.scorer.base import TrainedScorer


@register("scorer", "assembled")
class Assembled(TrainedScorer):
    """Trains the model that the other factors describe, on the expression as it is, ``[genes, cells]``.

    Source: scUniGP eqs 4-8.
    """

    control = False

    def expression(self, expression: Floats, rng: np.random.Generator) -> Floats:
        """Return the expression ``[genes, cells]`` untouched."""
        return expression


@register("scorer", "noise")
class Noise(TrainedScorer):
    """Trains the reference model on standard normal noise in place of expression, ``[genes, cells]``.

    What it still reaches, graph and gene identities gave it.

    Source: protocol.md, control arms.
    """

    control = True

    def expression(self, expression: Floats, rng: np.random.Generator) -> Floats:
        """Return noise of the same shape ``[genes, cells]``."""
        return rng.standard_normal(expression.shape, dtype=np.float32)


@register("scorer", "permuted")
class Permuted(TrainedScorer):
    """Trains the reference model on expression whose rows, ``[genes, cells]``, are permuted between genes.

    Profiles and their correlations stay real, but no gene has its own: what it still reaches, owes nothing to which
    gene is expressed where.

    Source: protocol.md, control arms.
    """

    control = True

    def expression(self, expression: Floats, rng: np.random.Generator) -> Floats:
        """Return the rows of ``[genes, cells]`` in an order drawn for the repeat."""
        return rng.permutation(expression, axis=0)
