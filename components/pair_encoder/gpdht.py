"""GP-DHT's pair transformer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from components.core.registry import register
from components.core.settings import setting
from components.pair_encoder.base import PairEncoder, TransformerSettings, transformer


@register("pair_encoder", "gpdht")
class GPDHTPairEncoder(PairEncoder):
    """Encodes a pair as two tokens by a three-layer GELU transformer and a 256-wide projection of both.

    Two ``[pairs, dim]`` to ``[pairs, width]``. There are no role embeddings: the projection (eq 20) reads the TF's
    token first, which distinguishes a pair from its reverse. As printed, eqs 17 and 19 do not fit in shapes or units;
    eq 17 is read as softmax(Q K^T / sqrt(d_k)) V, and eq 19 as the usual layer normalisation of a layer's output
    (post-norm).

    Source: GP-DHT 2.3.2 and eqs 17-20.
    """

    by_gene = True

    class Settings(TransformerSettings):
        """Settings of GP-DHT's pair transformer; heads, feed-forward width and dropout are not in the paper."""

        dim: int = setting(256, "width of a gene's token (2.3.4)", ge=8, le=4096, search=(32, 512), log=True)
        dropout: float = setting(0.1, "share of activations dropped", ge=0.0, le=0.9, search=(0.0, 0.5))
        layers: int = setting(3, "transformer layers (2.3.2: three)", ge=1, le=12, search=(1, 4))
        heads: int = setting(4, "attention heads; must divide dim", ge=1, le=32, search=(2, 4, 8), divides="dim")
        width: int = setting(256, "width of the pair encoding f (eq 20)", ge=4, le=4096, search=(64, 512), log=True)

    def __init__(self, settings: Settings, in_width: int) -> None:
        super().__init__()
        s = settings
        self.width = s.width
        self.token = nn.Linear(in_width, s.dim)
        self.encoder = transformer(s)
        self.out = nn.Sequential(nn.Linear(2 * s.dim, s.width), nn.GELU(), nn.LayerNorm(s.width))

    def forward(self, tf: Tensor, target: Tensor) -> Tensor:
        """Encode two ``[pairs, dim]`` tokens as ``[pairs, width]`` (f of eq 20)."""
        return self.out(self.encoder(torch.stack([tf, target], dim=1)).flatten(1))
