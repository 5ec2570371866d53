"""The pairwise branch: encodes the two genes of a candidate pair.

Sources: scUniGP (eqs 6, b; 4.2; appendix C); scGREAT, Wang et al. 2024.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from pydantic import model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from components.core.registry import register
from components.core.settings import Settings as BaseSettings
from components.core.settings import setting

__all__ = ["LocalContext", "MLPPairEncoder", "PairEncoder", "TransformerPairEncoder", "check_heads"]


@dataclass(frozen=True)
class LocalContext:
    """Projected neighbouring pairs: two ``[pairs, k, dim]`` (TFs, targets) and ``absent``, ``[pairs, k]`` bool."""

    tf: Tensor
    target: Tensor
    absent: Tensor


class PairEncoder(nn.Module):
    """Base of every pair encoder: projects each gene once, then encodes pairs.

    :meth:`project` takes ``[genes, in_width]`` to two ``[genes, dim]`` (as TF, as target); :meth:`forward` takes rows
    of these, two ``[pairs, dim]``, to ``[pairs, width]``. An encoder that sets ``context`` above zero is handed that
    many neighbouring pairs as :class:`LocalContext` as well.
    """

    width: int
    context: int = 0

    class Settings(BaseSettings):
        """What every pair encoder can be asked."""

        dim: int = setting(128, "width of a gene's token", ge=8, le=4096, search=(32, 512), log=True)
        dropout: float = setting(0.2, "share of activations dropped", ge=0.0, le=0.9, search=(0.0, 0.5))

    def project(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Project gene features ``[genes, in_width]`` into either role: two ``[genes, dim]``."""
        raise NotImplementedError

    def forward(self, tf: Tensor, target: Tensor) -> Tensor:
        """Encode pairs of projected genes, two ``[pairs, dim]``, as ``[pairs, width]``."""
        raise NotImplementedError


def check_heads(heads: int, dim: int) -> None:
    """Refuse attention heads that cannot share a token's width evenly."""
    if dim % heads:
        raise ValueError(f"heads ({heads}) must divide dim ({dim})")


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


@register("pair_encoder", "mlp")
class MLPPairEncoder(PairEncoder):
    """Encodes a pair by two role-specific linear maps and a perceptron over both.

    Two ``[pairs, dim]`` to ``[pairs, dim]``; the element-wise product of the two tokens enters beside them.

    Source: GNE, KC et al. 2019 (MLP on pairs); scUniGP 4.2 ('each TF-gene pair is encoded by two MLPs').
    """

    class Settings(PairEncoder.Settings):
        """Settings of the pair perceptron."""

        layers: int = setting(2, "hidden layers over the pair", ge=1, le=8, search=(1, 4))

    def __init__(self, settings: Settings, in_width: int) -> None:
        super().__init__()
        s = settings
        self.width = s.dim
        self.as_tf = nn.Linear(in_width, s.dim)
        self.as_target = nn.Linear(in_width, s.dim)
        blocks: list[nn.Module] = []
        width = 3 * s.dim
        for _ in range(s.layers):
            blocks += [nn.Linear(width, s.dim), nn.GELU(), nn.Dropout(s.dropout)]
            width = s.dim
        self.body = nn.Sequential(*blocks)

    def project(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Project ``[genes, in_width]`` by one map per role."""
        return self.as_tf(features), self.as_target(features)

    def forward(self, tf: Tensor, target: Tensor) -> Tensor:
        """Encode two ``[pairs, dim]`` tokens as ``[pairs, dim]``."""
        return self.body(torch.cat([tf, target, tf * target], dim=1))
