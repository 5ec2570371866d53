"""What a gene carries in where genes stay and cells change: its correlations with the other genes."""

from __future__ import annotations

from torch import Tensor

from components.bucketing.base import Bucketing
from components.core.registry import register


@register("bucketing", "coexpression")
class Coexpression(Bucketing):
    """Gives every gene its Pearson correlations with all genes of the data set.

    From expression ``[genes, cells]`` to features ``[genes, genes]``, zero for a gene that never varies; no weights.
    The width does not depend on which cells were measured, or how many: so a model can be trained on one data set and
    tested on another with the same genes.

    Source: weighted gene co-expression, Zhang & Horvath 2005; ours as an input of the two papers' model.
    """

    tied_to = ""
    over_genes = True

    class Settings(Bucketing.Settings):
        """Nothing to set."""

    def __init__(self, settings: Settings, expression: Tensor) -> None:
        super().__init__()
        self.width = len(expression)
        self.register_buffer("correlations", _correlations(expression), persistent=False)
        self.correlations: Tensor

    def show(self, expression: Tensor) -> None:
        """Read the correlations off other cells of the same genes, ``[genes, other cells]``."""
        self.correlations = _correlations(expression).to(self.correlations)

    def forward(self) -> Tensor:
        """Return correlations ``[genes, genes]``, scaled to unit variance over the whole matrix."""
        return self.correlations


def _correlations(expression: Tensor) -> Tensor:
    centred = expression - expression.mean(dim=1, keepdim=True)
    unit = centred / centred.norm(dim=1, keepdim=True).clamp_min(1e-6)
    correlations = unit @ unit.T
    correlations.fill_diagonal_(0.0)  # a gene's correlation with itself tells nothing
    return correlations / correlations.std().clamp_min(1e-6)  # as wide as a standardised profile
