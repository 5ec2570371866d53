"""Expression profiles as gene features."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from components.bucketing.base import Bucketing
from components.core.registry import register
from components.core.settings import setting


@register("bucketing", "none")
class NoBucketing(Bucketing):
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
        super().__init__()
        self.width = expression.shape[1]
        if settings.scale != "none":
            over = 0 if settings.scale == "cell" else 1
            spread = expression.std(dim=over, keepdim=True, unbiased=False).clamp_min(1e-6)
            expression = (expression - expression.mean(dim=over, keepdim=True)) / spread
        if settings.scale == "unit":
            expression = F.normalize(expression, dim=1)
        self.register_buffer("profiles", expression, persistent=False)
        self.profiles: Tensor

    def forward(self) -> Tensor:
        """Return standardised profiles ``[genes, cells]``."""
        return self.profiles
