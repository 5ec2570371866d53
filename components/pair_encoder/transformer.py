"""scUniGP's pair transformer."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from components.core.registry import register
from components.core.settings import setting
from components.pair_encoder.base import LocalContext, PairEncoder, TransformerSettings, transformer


@register("pair_encoder", "transformer")
class TransformerPairEncoder(PairEncoder):
    """Encodes a pair as two tokens with role embeddings, by a transformer encoder.

    Two ``[pairs, dim]`` to ``[pairs, 2 * dim]``: both tokens, TF first. Role embeddings start as vectors of zeros (TF)
    and ones (target). With ``context``, each neighbouring pair of the training graph is one more token: the mean of its
    genes' tokens plus a role embedding of its own (the paper does not say how it enters).

    Source: scUniGP eqs 6 and b, 4.2 (four layers, 8 heads, embedding size 1024), appendix C (up to five neighbouring
    pairs); scGREAT, Wang et al. 2024.
    """

    by_gene = True

    class Settings(TransformerSettings):
        """Settings of scUniGP's pair transformer; defaults are the paper's."""

        dim: int = setting(1024, "width of a gene's token", ge=8, le=4096, search=(32, 512), log=True)
        context: int = setting(0, "neighbouring pairs of the training graph read as local context", ge=0, le=20)

    def __init__(self, settings: Settings, in_width: int) -> None:
        super().__init__()
        dim = settings.dim
        self.width = 2 * dim
        self.linear = nn.Linear(in_width, dim)
        self.roles = nn.Parameter(torch.stack([torch.zeros(dim), torch.ones(dim)]))
        self.encoder = transformer(settings)
        self.context = settings.context
        if self.context:
            self.context_role = nn.Parameter(torch.zeros(dim))

    def project(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Project ``[genes, in_width]`` by one shared linear map and add the role embeddings."""
        token = self.linear(features)
        return token + self.roles[0], token + self.roles[1]

    def forward(self, tf: Tensor, target: Tensor, context: LocalContext | None = None) -> Tensor:
        """Encode two ``[pairs, dim]`` tokens jointly as ``[pairs, 2 * dim]``."""
        tokens, absent = torch.stack([tf, target], dim=1), None
        if context is not None:
            neighbours = (context.tf + context.target) / 2 + self.context_role
            tokens = torch.cat([tokens, neighbours], dim=1)
            absent = F.pad(context.absent, (2, 0))  # the pair's own two tokens are never absent
        return self.encoder(tokens, src_key_padding_mask=absent)[:, :2].flatten(1)
