"""Graph attention whose later layers have a convolution along the features in place of a weight matrix."""

from __future__ import annotations

from typing import Annotated, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.utils import scatter, softmax

from components.core.registry import register
from components.core.settings import setting
from components.gnn.base import GraphBranch, Width


@register("gnn", "conv_attention")
class ConvolutionalAttention(GraphBranch):
    """Takes a mean of each gene's neighbours, weighted by attention; from the second layer on, over convolved features.

    ``[genes, in_width]`` and ``[2, edges]`` to one ``[genes, width_l]`` per layer. The first layer averages its heads.
    A later one has one head, which convolves the features with one kernel as wide as it takes to leave ``width_l`` of
    them. A gene does not attend to itself; one without neighbours has the bias alone.

    Source: public code of GATCL (biomg/GATCL).
    """

    class Settings(GraphBranch.Settings):
        """Settings of both kinds of attention; defaults are GATCL's."""

        widths: Annotated[tuple[Width, ...], Field(min_length=1)] = setting(
            (384, 128), "width of each layer, none wider than the one before", search=((384, 128), (96, 32))
        )
        heads: int = setting(3, "attention heads of the first layer, each as wide as it", ge=1, le=16, search=(1, 8))
        attention_dropout: float = setting(0.5, "share of attention weights dropped", ge=0.0, le=0.9, search=(0.0, 0.5))

        @model_validator(mode="after")
        def _no_wider(self) -> Self:
            if list(self.widths) != sorted(self.widths, reverse=True):
                raise ValueError(f"no layer may be wider than the one before: widths {list(self.widths)}")
            return self

    settings: Settings

    def layer(self, in_width: int, width: int) -> nn.Module:
        """Return attention over linear maps, or over a convolution."""
        dropout = self.settings.attention_dropout
        if not self.widths:
            return _LinearAttention(in_width, width, self.settings.heads, dropout)
        return _ConvolvedAttention(in_width, width, dropout)

    def activation(self, h: Tensor) -> Tensor:
        """Return the embedding as it is: a layer ends with its own activation."""
        return h

    def head(self, in_width: int) -> nn.Module:
        """Return an expert head, ELU and dropout after both layers."""
        hidden, out = self.settings.expert_widths
        layers = (nn.Linear(in_width, hidden), nn.Linear(hidden, out))
        return nn.Sequential(*(nn.Sequential(one, nn.ELU(), nn.Dropout(self.settings.dropout)) for one in layers))


class _Attention(nn.Module):
    """Additive attention over neighbours, ``[genes, heads, width]`` to the same: mean, ELU, unit rows, bias."""

    def __init__(self, heads: int, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.source = nn.Parameter(torch.empty(1, heads, width))
        self.target = nn.Parameter(torch.empty(1, heads, width))
        self.bias = nn.Parameter(torch.zeros(heads, width))
        for vector in (self.source, self.target):
            nn.init.xavier_uniform_(vector)

    def score_activation(self, score: Tensor) -> Tensor:
        raise NotImplementedError

    def attend(self, h: Tensor, edges: Tensor) -> Tensor:
        source, target = edges
        toward, away = (h * self.target).sum(-1), (h * self.source).sum(-1)
        weight = softmax(self.score_activation(toward[target] + away[source]), target, num_nodes=len(h))
        weight = F.dropout(weight, self.dropout, self.training).unsqueeze(-1)
        mean = scatter(weight * h[source], target, dim=0, dim_size=len(h))
        return F.normalize(F.elu(mean), dim=-1) + self.bias


class _LinearAttention(_Attention):
    """Averages heads over linear maps, then ELU: ``[genes, in_width]`` to ``[genes, width]``."""

    def __init__(self, in_width: int, width: int, heads: int, dropout: float) -> None:
        super().__init__(heads, width, dropout)
        self.heads = heads
        self.linear = nn.Linear(in_width, heads * width, bias=False)

    def score_activation(self, score: Tensor) -> Tensor:
        return F.leaky_relu(score, 0.2)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        """Return embeddings over ``[2, edges]``."""
        return F.elu(self.attend(self.linear(x).unflatten(1, (self.heads, -1)), edges).mean(dim=1))


class _ConvolvedAttention(_Attention):
    """Attends over features that one kernel has convolved: ``[genes, in_width]`` to ``[genes, width]``."""

    def __init__(self, in_width: int, width: int, dropout: float) -> None:
        super().__init__(1, width, dropout)
        self.convolution = nn.Conv1d(1, 1, in_width - width + 1)

    def score_activation(self, score: Tensor) -> Tensor:
        return F.elu(score)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        """Return embeddings over ``[2, edges]``."""
        return self.attend(self.convolution(x.unsqueeze(1)), edges).squeeze(1)
