"""Correlations with all genes as gene features: the same width for any cells."""

from __future__ import annotations

from torch import Tensor

from components.bucketing.base import Bucketing
from components.core.registry import register


@register("bucketing", "coexpression")
class Coexpression(Bucketing):
    """Gives each gene its Pearson correlations with all genes: ``[genes, cells]`` to ``[genes, genes]``, no weights.

    A gene that never varies has zeros. The width does not depend on the cells, so that a model can be trained on one
    data set and tested on another with the same genes.

    Source: weighted gene co-expression, Zhang & Horvath 2005; as an input of this model, knockout.
    """

    tied_to = ""
    over_genes = True

    def __init__(self, settings: Bucketing.Settings, expression: Tensor) -> None:
        super().__init__()
        self.width = len(expression)
        self.register_buffer("correlations", _correlations(expression), persistent=False)
        self.correlations: Tensor

    def show(self, expression: Tensor) -> None:
        """Compute correlations over other cells of the same genes, ``[genes, other cells]``."""
        self.correlations = _correlations(expression).to(self.correlations)

    def forward(self) -> Tensor:
        """Return correlations ``[genes, genes]``, scaled to unit variance over the whole matrix."""
        return self.correlations


def _correlations(expression: Tensor) -> Tensor:
    centred = expression - expression.mean(dim=1, keepdim=True)
    unit = centred / centred.norm(dim=1, keepdim=True).clamp_min(1e-6)
    correlations = unit @ unit.T
    correlations.fill_diagonal_(0.0)  # a gene's correlation with itself is no information
    return correlations / correlations.std().clamp_min(1e-6)  # the scale of a standardised profile
