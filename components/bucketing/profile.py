"""Expression profiles as gene features: whole, or their correlations."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from components.bucketing.base import Bucketing, FixedBucketing
from components.core.registry import register
from components.core.settings import setting


@register("bucketing", "none")
class NoBucketing(FixedBucketing):
    """Gives each gene its standardised expression profile: ``[genes, cells]``, no weights.

    Source: scUniGP 3.1, 'e_k = X_{:,k}', and appendix C, 'standardized expression profiles'; of length 1 in GNNLink's
    public code.
    """

    class Settings(Bucketing.Settings):
        """Settings of the plain profile."""

        scale: Literal["gene", "cell", "unit", "none"] = setting(
            "gene",
            "standardise each gene over cells (unit: then to length 1), each cell over genes, or not at all",
            search=("gene", "cell", "none"),
        )

    def __init__(self, settings: Settings, expression: Tensor) -> None:
        if settings.scale != "none":
            over = 0 if settings.scale == "cell" else 1
            spread = expression.std(dim=over, keepdim=True, unbiased=False).clamp_min(1e-6)
            expression = (expression - expression.mean(dim=over, keepdim=True)) / spread
        if settings.scale == "unit":
            expression = F.normalize(expression, dim=1)
        super().__init__(expression)


@register("bucketing", "coexpression")
class Coexpression(FixedBucketing):
    """Gives each gene its Pearson correlations with all genes: ``[genes, cells]`` to ``[genes, genes]``, no weights.

    They are scaled to unit variance over the whole matrix; a gene that never varies has zeros. The width does not
    depend on the cells, so that a model can be trained on one data set and tested on another with the same genes.

    Source: weighted gene co-expression, Zhang & Horvath 2005; as an input of this model, knockout.
    """

    tied_to = ""
    over_genes = True

    def __init__(self, settings: Bucketing.Settings, expression: Tensor) -> None:
        super().__init__(_correlations(expression))

    def show(self, expression: Tensor) -> None:
        """Compute correlations over other cells of the same genes, ``[genes, other cells]``."""
        self.features = _correlations(expression).to(self.features)


def _correlations(expression: Tensor) -> Tensor:
    centred = expression - expression.mean(dim=1, keepdim=True)
    unit = centred / centred.norm(dim=1, keepdim=True).clamp_min(1e-6)
    correlations = unit @ unit.T
    correlations.fill_diagonal_(0.0)  # a gene's correlation with itself is no information
    return correlations / correlations.std().clamp_min(1e-6)  # the scale of a standardised profile
