"""The pair branch on top of the graph branch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from components.core.registry import register
from components.core.settings import Settings as BaseSettings
from components.fusion.base import Fusion, LinearClassifier


@register("fusion", "stacked")
class Stacked(Fusion):
    """Lets the pair encoder read the graph's last embedding in place of a gene's features; a linear map decides.

    ``[genes, gene_width]`` becomes ``[genes, width_L]``, and encodings ``[pairs, pair_width]`` logits ``[pairs]``. The
    expert score is not used.

    Source: public code of IGEGRNS (DHUDBlab/IGEGRNS).
    """

    reads_layers = False

    class Settings(BaseSettings):
        """No settings."""

    def __init__(self, settings: Any, pair_width: int, graph_widths: Sequence[int]) -> None:
        super().__init__(settings, pair_width, graph_widths)
        self.classifier = LinearClassifier(pair_width)

    @classmethod
    def encoder_width(cls, gene_width: int, graph_widths: Sequence[int]) -> int:
        """Return the width of the last layer."""
        return graph_widths[-1]

    def encoder_input(self, features: Tensor, layers: Sequence[Tensor]) -> Tensor:
        """Return the last layer, ``[genes, width_L]``."""
        return layers[-1]

    def forward(self, z: Tensor, tf: Sequence[Tensor], target: Sequence[Tensor], score: Tensor) -> Tensor:
        """Return logits ``[pairs]`` of encodings ``[pairs, pair_width]``."""
        return self.classifier(z)
