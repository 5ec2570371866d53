"""Late fusion."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from components.core.registry import register
from components.fusion.base import Classifier, Fusion


@register("fusion", "late")
class Late(Fusion):
    """Adds two decisions, the pair branch's logit and the expert score s_ij, with learned weights that start at a half.

    ``[pairs, pair_width]`` and ``[pairs]`` to logits ``[pairs]``.

    Source: scUniGP 4.3 Q3, 'late fusion (decision-level ensemble)'.
    """

    reads_layers = False

    def __init__(self, settings: Fusion.Settings, pair_width: int, graph_widths: Sequence[int]) -> None:
        super().__init__(settings, pair_width, graph_widths)
        self.classifier = Classifier(pair_width, settings.width, settings.dropout)
        self.weights = nn.Parameter(torch.tensor([0.5, 0.5]))

    def forward(self, z: Tensor, tf: Sequence[Tensor], target: Sequence[Tensor], score: Tensor) -> Tensor:
        """Return the weighted sum of both decisions, ``[pairs]``."""
        return self.weights[0] * self.classifier(z) + self.weights[1] * score
