"""Perceptron over a pair."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from components.core.registry import register
from components.core.settings import setting
from components.core.streams import Dropout
from components.pair_encoder.base import PairEncoder


@register("pair_encoder", "mlp")
class MLPPairEncoder(PairEncoder):
    """Encodes a pair by a perceptron over two tokens, one linear map per role, and their element-wise product.

    Two ``[pairs, dim]`` to ``[pairs, dim]``.

    Source: GNE, KC et al. 2019 (MLP on pairs); scUniGP 4.2 ('each TF-gene pair is encoded by two MLPs').
    """

    by_gene = True

    class Settings(PairEncoder.Settings):
        """Settings of the perceptron."""

        layers: int = setting(2, "hidden layers over the pair", ge=1, le=8, search=(1, 4))

    def __init__(self, settings: Settings, in_width: int) -> None:
        super().__init__()
        s = settings
        self.width = s.dim
        self.as_tf = nn.Linear(in_width, s.dim)
        self.as_target = nn.Linear(in_width, s.dim)
        blocks: list[nn.Module] = []
        width = (3 + self.common) * s.dim
        for _ in range(s.layers):
            blocks += [nn.Linear(width, s.dim), nn.GELU(), Dropout(s.dropout)]
            width = s.dim
        self.body = nn.Sequential(*blocks)

    def project(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Project ``[genes, in_width]`` by one map per role."""
        return self.as_tf(features), self.as_target(features)

    def forward(self, tf: Tensor, target: Tensor) -> Tensor:
        """Encode two ``[pairs, dim]`` tokens as ``[pairs, dim]``."""
        return self.body(torch.cat([tf, target, tf * target], dim=1))


@register("pair_encoder", "common_neighbours")
class CommonNeighboursEncoder(MLPPairEncoder):
    """Encodes a pair as ``mlp`` does, and reads the sum of the tokens of the genes that both are linked to.

    Two ``[pairs, dim]`` to ``[pairs, dim]``. Links are training edges either way; the pair's own is none of them.

    Source: Wang et al. 2024 (NCN) eq 6, beside the product of the two tokens.
    """

    by_gene = False
    common = True

    def forward(self, tf: Tensor, target: Tensor, shared: Tensor | None = None) -> Tensor:
        """Encode two ``[pairs, dim]`` tokens and the sum of those of common neighbours as ``[pairs, dim]``."""
        shared = torch.zeros_like(tf) if shared is None else shared
        return self.body(torch.cat([tf, target, tf * target, shared], dim=1))
