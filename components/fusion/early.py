"""Early fusion."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from components.core.registry import register
from components.fusion.base import Classifier, Fusion


@register("fusion", "early")
class Early(Fusion):
    """Concatenates every layer's graph embedding to a gene's features before the pair encoder reads them.

    ``[genes, gene_width]`` becomes ``[genes, gene_width + sum(width_l)]``; the expert score is not used.

    Source: scUniGP 4.3 Q3, 'early fusion (feature concatenation before the Transformer encoder)'.
    """

    reads_layers = False

    @classmethod
    def encoder_width(cls, gene_width: int, graph_widths: Sequence[int]) -> int:
        """Return the summed width of features and all layers."""
        return gene_width + sum(graph_widths)

    def __init__(self, settings: Fusion.Settings, pair_width: int, graph_widths: Sequence[int]) -> None:
        super().__init__(settings, pair_width, graph_widths)
        self.classifier = Classifier(pair_width, settings.width, settings.dropout)

    def encoder_input(self, features: Tensor, layers: Sequence[Tensor]) -> Tensor:
        """Return ``[genes, gene_width + sum(width_l)]``."""
        return torch.cat([features, *layers], dim=1)

    def forward(self, z: Tensor, tf: Sequence[Tensor], target: Sequence[Tensor], score: Tensor) -> Tensor:
        """Return logits ``[pairs]`` of the already fused encoding ``[pairs, pair_width]``."""
        return self.classifier(z)
