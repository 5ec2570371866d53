"""Multi-scale fusion."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from components.core.registry import register
from components.fusion.base import Classifier, Fusion, dense_block


@register("fusion", "multiscale")
class Multiscale(Fusion):
    """Adds layer l of both genes' graph embeddings to the pair encoding at step l, and s_ij at the last step.

    ``z_l = m_l([z_(l-1), h_i^l, h_j^l, (s_ij if l = L)])``, each ``[pairs, width]``, residual from the second step on;
    then a classifier gives logits ``[pairs]``.

    Source: scUniGP eq 7 and Algorithm 1, lines 11-17.
    """

    def __init__(self, settings: Fusion.Settings, pair_width: int, graph_widths: Sequence[int]) -> None:
        super().__init__(settings, pair_width, graph_widths)
        self.steps = nn.ModuleList()
        width = pair_width
        for position, graph_width in enumerate(graph_widths, start=1):
            expert = 1 if position == len(graph_widths) else 0
            self.steps.append(dense_block(width + 2 * graph_width + expert, settings.width, settings.dropout))
            width = settings.width
        self.classifier = Classifier(width, settings.width, settings.dropout)

    def forward(self, z: Tensor, tf: Sequence[Tensor], target: Sequence[Tensor], score: Tensor) -> Tensor:
        """Fuse step by step and return logits ``[pairs]``."""
        last = len(self.steps) - 1
        for level, step in enumerate(self.steps):
            parts = [z, tf[level], target[level]]
            if level == last:
                parts.append(score.unsqueeze(1))
            fused = step(torch.cat(parts, dim=1))
            z = fused + z if level else fused
        return self.classifier(z)
