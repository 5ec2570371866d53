"""scUniGP's pair transformer."""

from __future__ import annotations

from typing import Self

import torch
from pydantic import model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from components.core.registry import register
from components.core.settings import setting
from components.pair_encoder.base import LocalContext, PairEncoder, check_heads


@register("pair_encoder", "transformer")
class TransformerPairEncoder(PairEncoder):
    """Encodes a pair as a sequence of two tokens with role embeddings, by a transformer encoder.

    Two ``[pairs, dim]`` to ``[pairs, 2 * dim]``: both tokens, TF first. Role embeddings p_0 and p_1 start as vectors
    of zeros and ones. With ``context``, each neighbouring pair of the training graph is one more token that the two can
    attend to: the mean of its genes' tokens plus a role embedding of its own (how it enters is in no sentence of the
    paper).

    Source: scUniGP eq b, 4.2 (four layers, 8 heads, embedding size 1024), appendix C (up to five neighbouring pairs).
    """

    class Settings(PairEncoder.Settings):
        """Settings of the pair transformer; defaults are the paper's."""

        dim: int = setting(1024, "width of a gene's token", ge=8, le=4096, search=(32, 512), log=True)
        layers: int = setting(4, "transformer layers", ge=1, le=12, search=(1, 4))
        heads: int = setting(8, "attention heads; must divide dim", ge=1, le=32, search=(2, 4, 8))
        hidden: float = setting(2.0, "width of the feed-forward part, in units of dim", ge=0.5, le=8.0)
        context: int = setting(0, "neighbouring pairs of the training graph read as local context", ge=0, le=20)

        @model_validator(mode="after")
        def _heads_divide_dim(self) -> Self:
            check_heads(self.heads, self.dim)
            return self

    def __init__(self, settings: Settings, in_width: int) -> None:
        super().__init__()
        s = settings
        self.width = 2 * s.dim
        self.linear = nn.Linear(in_width, s.dim)
        self.roles = nn.Parameter(torch.stack([torch.zeros(s.dim), torch.ones(s.dim)]))
        block = nn.TransformerEncoderLayer(
            s.dim, s.heads, round(s.hidden * s.dim), s.dropout, activation="gelu", batch_first=True
        )
        self.encoder = nn.TransformerEncoder(block, s.layers, enable_nested_tensor=False)
        self.context = s.context
        if s.context:
            self.context_role = nn.Parameter(torch.zeros(s.dim))

    def project(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Project ``[genes, in_width]`` by one shared linear map and add the role embeddings."""
        token = self.linear(features)
        return token + self.roles[0], token + self.roles[1]

    def forward(self, tf: Tensor, target: Tensor, context: LocalContext | None = None) -> Tensor:
        """Encode two ``[pairs, dim]`` tokens jointly as ``[pairs, 2 * dim]``."""
        tokens, absent = torch.stack([tf, target], dim=1), None
        if context is not None:
            around = (context.tf + context.target) / 2 + self.context_role
            tokens = torch.cat([tokens, around], dim=1)
            absent = F.pad(context.absent, (2, 0))  # the pair itself is always there
        return self.encoder(tokens, src_key_padding_mask=absent)[:, :2].flatten(1)
