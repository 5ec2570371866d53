"""No contrastive loss."""

from __future__ import annotations

from torch import Tensor

from components.contrast.base import Contrast
from components.core.registry import register


@register("contrast", "off")
class NoContrast(Contrast):
    """Adds no loss: pair encodings ``[pairs, width]`` learn from cross-entropy alone.

    Source: scUniGP eq 8; the arm 'without contrastive learning' of GP-DHT.
    """

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """Return zero."""
        return z.new_zeros(())
