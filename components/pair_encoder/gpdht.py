"""The pair transformer of GP-DHT.

Source: GP-DHT 2.3.2, eqs 17-20.
"""

from __future__ import annotations

from typing import Self

import torch
from pydantic import model_validator
from torch import Tensor, nn

from components.core.registry import register
from components.core.settings import setting
from components.pair_encoder.base import PairEncoder, check_heads


@register("pair_encoder", "gpdht")
class GPDHTPairEncoder(PairEncoder):
    """Encodes a pair as two tokens by a three-layer GELU transformer and a 256-wide projection of both.

    Two ``[pairs, dim]`` to ``[pairs, width]``. No role embeddings: the projection (eq 20) reads the TF's token first,
    which is what tells a pair from its reverse. Eq 17 is read as softmax(Q K^T / sqrt(d_k)) V and eq 19 as the usual
    layer normalisation (by the square root of the variance plus epsilon); as printed, neither has fitting shapes or
    units. A layer's output is normalised (post-norm), as 2.3.2 says.

    Source: GP-DHT 2.3.2 and eqs 17-20.
    """

    class Settings(PairEncoder.Settings):
        """Settings of GP-DHT's pair transformer; heads, feed-forward width and dropout are not in the paper."""

        dim: int = setting(256, "width of a gene's token (2.3.4)", ge=8, le=4096, search=(32, 512), log=True)
        dropout: float = setting(0.1, "share of activations dropped", ge=0.0, le=0.9, search=(0.0, 0.5))
        layers: int = setting(3, "transformer layers (2.3.2: three)", ge=1, le=12, search=(1, 4))
        heads: int = setting(4, "attention heads; must divide dim", ge=1, le=32, search=(2, 4, 8))
        hidden: float = setting(2.0, "width of the feed-forward part, in units of dim", ge=0.5, le=8.0)
        width: int = setting(256, "width of the pair encoding f (eq 20)", ge=4, le=4096, search=(64, 512), log=True)

        @model_validator(mode="after")
        def _heads_divide_dim(self) -> Self:
            check_heads(self.heads, self.dim)
            return self

    def __init__(self, settings: Settings, in_width: int) -> None:
        super().__init__()
        s = settings
        self.width = s.width
        self.linear = nn.Linear(in_width, s.dim)
        block = nn.TransformerEncoderLayer(
            s.dim, s.heads, round(s.hidden * s.dim), s.dropout, activation="gelu", batch_first=True
        )
        self.encoder = nn.TransformerEncoder(block, s.layers, enable_nested_tensor=False)
        self.out = nn.Sequential(nn.Linear(2 * s.dim, s.width), nn.GELU(), nn.LayerNorm(s.width))

    def project(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Project ``[genes, in_width]`` by one map for both roles."""
        token = self.linear(features)
        return token, token

    def forward(self, tf: Tensor, target: Tensor) -> Tensor:
        """Encode two ``[pairs, dim]`` tokens as ``[pairs, width]`` (f of eq 20)."""
        return self.out(self.encoder(torch.stack([tf, target], dim=1)).flatten(1))
