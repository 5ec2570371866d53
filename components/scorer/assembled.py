"""The assembled model, trained on true expression, on noise, or on expression of other genes."""

from __future__ import annotations

from components.core.registry import register
from components.scorer.base import TrainedScorer


@register("scorer", "assembled")
class Assembled(TrainedScorer):
    """Trains the model that the other factors describe, on true expression ``[genes, cells]``.

    Source: scUniGP eqs 4-8.
    """

    control = False
    shows = "true"


@register("scorer", "noise")
class Noise(TrainedScorer):
    """Trains the model on standard normal noise in place of expression, ``[genes, cells]``.

    What it reaches comes from the graph and from gene identities.

    Source: knockout.
    """

    shows = "noise"


@register("scorer", "permuted")
class Permuted(TrainedScorer):
    """Trains the model on expression whose rows, ``[genes, cells]``, are permuted between genes.

    Profiles and their correlations stay real, but belong to other genes: what it reaches does not come from a gene's
    own expression.

    Source: knockout.
    """

    shows = "permuted"
