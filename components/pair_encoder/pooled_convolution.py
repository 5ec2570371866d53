"""Convolutions over the embeddings of both genes and of the genes that top-k pooling keeps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from components.core.registry import register
from components.core.settings import setting
from components.pair_encoder.base import PairEncoder, token_map

BLOCKS = 3


@register("pair_encoder", "pooled_convolution")
class PooledConvolution(PairEncoder):
    """Encodes a pair by convolutions along features, whose channels are both genes and the genes that pooling keeps.

    Two ``[pairs, dim * (1 + kept)]`` to ``[pairs, width]``: a token carries the kept genes, the same for all pairs,
    behind its own values. Pooling keeps the genes of the highest learned score and multiplies them by it. Each block is
    batch normalisation, a convolution of two features, ReLU and a maximum over two; the outputs of the blocks, one
    after another along features, pass a linear map.

    Source: public code of IGEGRNS (DHUDBlab/IGEGRNS), which keeps one gene: its ratio of 1 is an integer.
    """

    classified = True

    class Settings(PairEncoder.Settings):
        """Settings of pooling, convolutions and head; defaults are IGEGRNS's."""

        dim: int = setting(256, "width of a gene's token", ge=16, le=4096, search=(32, 512), log=True)
        dropout: float = setting(0.5, "share of the convolutions' output dropped", ge=0.0, le=0.9, search=(0.0, 0.5))
        kept: int = setting(1, "genes that pooling keeps", ge=1, le=8)
        width: int = setting(128, "width of the pair encoding", ge=4, le=4096, search=(32, 256), log=True)

    def __init__(self, settings: Settings, in_width: int) -> None:
        super().__init__()
        s = settings
        self.dim, self.width, channels = s.dim, s.width, 2 + s.kept
        self.token = token_map(in_width, s.dim)
        self.pooling = nn.Parameter(torch.empty(s.dim))
        self.kept = s.kept
        for _ in range(2):  # as torch_geometric does, so that the same seed gives the same weights
            nn.init.uniform_(self.pooling, -(s.dim**-0.5), s.dim**-0.5)
        self.blocks = nn.ModuleList(_block(channels) for _ in range(BLOCKS))
        lengths = [s.dim]
        for _ in self.blocks:
            lengths.append((lengths[-1] - 1) // 2)
        self.head = nn.Sequential(
            nn.Dropout(s.dropout), nn.Linear(channels * sum(lengths[1:]), s.width), nn.BatchNorm1d(s.width)
        )

    def project(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return tokens of both roles: features ``[genes, in_width]`` with those of the kept genes behind them."""
        token = self.token(features)
        score = torch.tanh(token @ self.pooling / self.pooling.norm())
        highest = score.topk(min(self.kept, len(score)))
        pooled = token[highest.indices] * highest.values.unsqueeze(1)
        token = torch.cat([token, pooled.flatten().expand(len(token), -1)], dim=1)
        return token, token

    def forward(self, tf: Tensor, target: Tensor) -> Tensor:
        """Encode two ``[pairs, dim * (1 + kept)]`` tokens as ``[pairs, width]``."""
        x = torch.cat([tf[:, : self.dim], target], dim=1).unflatten(1, (-1, self.dim))
        lengths = []
        for block in self.blocks:
            x = block(x)
            lengths.append(x)
        return self.head(torch.cat(lengths, dim=2).flatten(1))


def _block(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm1d(channels), nn.Conv1d(channels, channels, 2), nn.ReLU(), nn.MaxPool1d(2))
