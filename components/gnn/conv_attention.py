"""Graph attention of unit rows: GENELink's, and GATCL's, which convolves the features in place of a weight matrix."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from components.core.registry import register
from components.core.settings import setting
from components.core.streams import Dropout, dropout
from components.gnn.base import GraphBranch, Width, activated
from components.passing.graph import Graph, GraphLayer, as_operand, scored_ends, unit_rows

DRAWS = 16  # of weights over all genes, of which each gene without neighbours gets a mixture


class _UnitRows(GraphBranch):
    """What both branches share: a layer ends with its own activation, and weights start wider than usual."""

    class Settings(GraphBranch.Settings):
        """Settings of attention of unit rows; defaults are GENELink's and GATCL's."""

        heads: int = setting(3, "attention heads of the first layer, each as wide as it", ge=1, le=16, search=(1, 8))
        attention_dropout: float = setting(0.5, "share of attention weights dropped", ge=0.0, le=0.9, search=(0.0, 0.5))
        dropout: float = setting(0.0, "share of activations dropped between layers", ge=0.0, le=0.9, search=(0.0, 0.5))
        head_dropout: float = setting(0.01, "share of activations dropped inside of an expert head", ge=0.0, le=0.9)
        activation: Literal["elu"] = setting("elu", "ELU of the heads together, except after the last layer")

    settings: Settings
    head_activation: ClassVar[type[nn.Module]]

    def __init__(self, settings: Settings, in_width: int) -> None:
        super().__init__(settings, in_width)
        self.heads.apply(_widely)

    def activation(self, h: Tensor) -> Tensor:
        """Return the embedding as it is: a layer ends with its own activation."""
        return h

    def head(self, in_width: int) -> nn.Module:
        """Return an expert head, the activation after both layers and dropout between them."""
        hidden, out = self.settings.expert_widths
        drop = Dropout(self.settings.head_dropout)
        return nn.Sequential(
            nn.Linear(in_width, hidden), self.head_activation(), drop, nn.Linear(hidden, out), self.head_activation()
        )


@register("gnn", "conv_attention")
class ConvolutionalAttention(_UnitRows):
    """Takes a mean of each gene's neighbours, weighted by attention; from the second layer on, over convolved features.

    ``[genes, in_width]`` and ``[2, edges]`` to one ``[genes, width_l]`` per layer. The first layer averages its heads.
    A later one has one head, which convolves the features with one kernel as wide as it takes to leave ``width_l`` of
    them. A gene does not attend to itself; one without neighbours attends to all genes alike.

    Source: public code of GATCL (biomg/GATCL).
    """

    class Settings(_UnitRows.Settings):
        """Settings of both kinds of attention; defaults are GATCL's."""

        widths: Annotated[tuple[Width, ...], Field(min_length=1)] = setting(
            (384, 64), "width of each layer, none wider than the one before", search=((384, 64), (96, 32))
        )

        @model_validator(mode="after")
        def _no_wider(self) -> Self:
            if list(self.widths) != sorted(self.widths, reverse=True):
                raise ValueError(f"no layer may be wider than the one before: widths {list(self.widths)}")
            return self

    settings: Settings
    head_activation = nn.ELU

    def layer(self, in_width: int, width: int) -> nn.Module:
        """Return attention over linear maps, or over a convolution."""
        dropout = self.settings.attention_dropout
        if not self.widths:
            return _LinearAttention(in_width, width, self.settings.heads, dropout, "elu", join="mean")
        return _ConvolvedAttention(in_width, width, dropout)


@register("gnn", "unit_attention")
class UnitAttention(_UnitRows):
    """Takes a mean of each gene's neighbours, weighted by attention, and scales it to length 1 before a bias.

    ``[genes, in_width]`` and ``[2, edges]`` to one ``[genes, heads * width_l]`` per layer; the last averages its heads,
    ``[genes, width_l]``. A gene does not attend to itself; one without neighbours attends to all genes alike.

    Source: public code of GENELink (zpliulab/GENELink), Chen & Liu 2022.
    """

    head_activation = nn.LeakyReLU

    def layer(self, in_width: int, width: int) -> nn.Module:
        """Return attention over linear maps."""
        s = self.settings
        last = len(self.widths) == len(s.widths) - 1
        return _LinearAttention(
            in_width, width, s.heads, s.attention_dropout, "leaky_relu", join="mean" if last else "cat"
        )

    def out_width(self, width: int) -> int:
        """Return the width of heads side by side, or averaged."""
        return width if len(self.widths) == len(self.settings.widths) - 1 else width * self.settings.heads


class _Attention(GraphLayer):
    """Additive attention over neighbours, ``[genes, heads, width]`` to the same: mean, activation, unit rows, bias."""

    scored_by: ClassVar[str]  # activation of an attention score

    def __init__(self, heads: int, width: int, dropout: float, activation: str) -> None:
        super().__init__()
        self.dropout, self.activation = dropout, activation
        self.source = nn.Parameter(torch.empty(1, heads, width))
        self.target = nn.Parameter(torch.empty(1, heads, width))
        self.bias = nn.Parameter(torch.zeros(heads, width))
        for vector in (self.source, self.target):
            _uniform(vector, 2 * width + 1)

    @property
    def ends(self) -> Tensor:
        """Vectors that score a gene as source and as target, ``[2, heads, width]``."""
        return torch.cat([self.source, self.target])

    def attend(self, h: Tensor, scores: Tensor, graph: Graph) -> Tensor:
        """Return means of ``[genes, heads, width]``; ``scores`` are ``[genes, 2 * heads]``, as source, then target."""
        messages = graph.messages(len(h))
        layout = messages.layout
        away, toward = scores.chunk(2, dim=1)
        score = activated(layout.at_target(toward) + layout.at_source(away), self.scored_by)
        weight = dropout(messages.softmax(score), self.dropout, training=self.training)
        alone = messages.degree(messages.count(h)) == 0
        mean = self._with_mean_of_all(messages.sum(h, weight), h, alone)
        rows = unit_rows(activated(mean, self.activation))
        return rows + self.bias.to(rows.dtype)

    def _with_mean_of_all(self, mean: Tensor, h: Tensor, alone: Tensor) -> Tensor:
        """Return ``mean``, zeros where a gene is ``alone``, with that of all genes there; as for others, weights drop.

        What dropping adds to the mean of all is a sum over ``DRAWS`` with signs of each gene's own: mean and variance
        are those of weights of its own, and two genes are uncorrelated, if not independent; but no number is drawn for
        each pair of genes. Every gene gets signs: a GPU need not wait for which are alone.
        """
        which = alone.to(h.dtype).unsqueeze(1)
        if self.training and self.dropout:
            genes, heads, _ = h.shape
            even = h.new_full((heads, 1 + DRAWS, genes), 1 / genes)
            added = (dropout(even[:, 1:], self.dropout, training=True) - even[:, 1:]) / DRAWS**0.5
            weight = torch.cat([even[:, :1], added], dim=1)
            of_all = (weight @ h.transpose(0, 1)).transpose(0, 1).flatten(1)  # [1 + draws, heads * width]
            signs = dropout(h.new_ones(genes, DRAWS), 0.5, training=True) - 1  # 0 or 2, less 1
            which = which * F.pad(signs, (1, 0), value=1.0)
        else:
            of_all = h.flatten(1).mean(dim=0, keepdim=True)
        # a product: its gradient takes one pass over the genes
        return torch.addmm(mean.flatten(1), which, of_all).view_as(h)


class _LinearAttention(_Attention):
    """Joins heads over linear maps: side by side or (``mean``) averaged, ``[genes, in_width]`` to ``[genes, width]``.

    ELU follows, except where heads that GENELink averages are its last layer.
    """

    scored_by = "leaky_relu"

    def __init__(self, in_width: int, width: int, heads: int, dropout: float, activation: str, *, join: str) -> None:
        super().__init__(heads, width, dropout, activation)
        self.heads, self.join = heads, join
        self.linear = nn.Linear(in_width, heads * width, bias=False)
        _uniform(self.linear.weight, in_width + width)

    def forward(self, x: Tensor, graph: Graph) -> Tensor:
        """Return embeddings ``[genes, width]``."""
        heads = self.by_head(x, graph)
        if self.join == "cat":
            return F.elu(heads.flatten(1))
        return F.elu(heads.mean(dim=1)) if self.activation == "elu" else heads.mean(dim=1)

    def by_head(self, x: Tensor, graph: Graph) -> Tensor:
        """Return what each head makes of ``[genes, in_width]``: ``[genes, heads, width]``."""
        x, weight = as_operand(x), as_operand(self.linear.weight)
        sent = F.linear(x, weight).unflatten(1, (self.heads, -1))
        return self.attend(sent, scored_ends(x, weight, self.ends), graph)


class _ConvolvedAttention(_Attention):
    """Attends over features that one kernel has convolved: ``[genes, in_width]`` to ``[genes, width]``."""

    scored_by = "elu"

    def __init__(self, in_width: int, width: int, dropout: float) -> None:
        super().__init__(1, width, dropout, "elu")
        self.convolution = nn.Conv1d(1, 1, in_width - width + 1)

    def forward(self, x: Tensor, graph: Graph) -> Tensor:
        """Return embeddings ``[genes, width]``."""
        h = self.convolution(x.unsqueeze(1))
        return self.attend(h, F.linear(h.squeeze(1), self.ends.squeeze(1)), graph).squeeze(1)


def _uniform(weight: Tensor, fans: int) -> None:
    """Draw Xavier's uniform weights with a gain of sqrt 2, as both codes do."""
    bound = (2 * 6 / fans) ** 0.5
    nn.init.uniform_(weight, -bound, bound)


def _widely(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        _uniform(module.weight, module.in_features + module.out_features)
