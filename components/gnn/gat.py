"""Graph attention: each gene weighs its neighbours."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from components.core.registry import register
from components.core.settings import setting
from components.gnn.base import GraphBranch
from components.passing.graph import GlorotLinear, Graph, GraphLayer, as_operand, draw_again, glorot, scored_ends
from components.passing.layout import Layout


class GATLayer(GraphLayer):
    """Takes a mean of linear maps of a gene's neighbours, weighted by attention, in ``heads`` side by side or averaged.

    A neighbour is scored by both genes' maps, each on its own: eq 3 of Velickovic et al. 2018.
    ``[genes, in_channels]`` to ``[genes, heads * out_channels]``, or with ``concat=False`` ``[genes, out_channels]``.
    """

    def __init__(self, in_channels: int, out_channels: int, *, heads: int, concat: bool, add_self_loops: bool) -> None:
        super().__init__()
        self.heads, self.out_channels, self.concat, self.loops = heads, out_channels, concat, add_self_loops
        self._weights(in_channels)
        self.bias = nn.Parameter(torch.zeros(heads * out_channels if concat else out_channels))

    def forward(self, x: Tensor, graph: Graph) -> Tensor:
        """Return embeddings of features ``[genes, in_channels]``."""
        messages = graph.messages(len(x), loops=self.loops)
        sent, score = self._sent_and_scores(x, messages.layout)
        out = messages.sum(sent.unflatten(1, (self.heads, -1)), messages.softmax(score))
        return (out.flatten(1) if self.concat else out.mean(dim=1)) + self.bias

    def _weights(self, in_channels: int) -> None:
        """Draw the weights."""
        self.lin = GlorotLinear(in_channels, self.heads * self.out_channels, bias=False)
        draw_again(self.lin)
        self.att_src, self.att_dst = (vector(self.heads, self.out_channels) for _ in range(2))

    def _sent_and_scores(self, x: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
        """Return messages ``[genes, heads * out_channels]`` and scores ``[edges, heads]``."""
        x, weight = as_operand(x), as_operand(self.lin.weight)
        sent = F.linear(x, weight)
        away, toward = scored_ends(x, weight, torch.cat([self.att_src, self.att_dst])).chunk(2, dim=1)
        return sent, F.leaky_relu(layout.at_source(away) + layout.at_target(toward), 0.2)


@register("gnn", "gat")
class GAT(GraphBranch):
    """Takes a mean of each gene's neighbours, weighted by attention.

    ``[genes, in_width]`` and ``[2, edges]`` to one ``[genes, heads * width_l]`` (or ``[genes, width_l]``) per layer.

    Source: scUniGP appendix C ('3 attention heads per layer with LeakyReLU activation and concatenation');
    Velickovic et al. 2018 eqs 1-5.
    """

    class Settings(GraphBranch.Settings):
        """Settings of graph attention."""

        heads: int = setting(3, "attention heads", ge=1, le=16, search=(1, 8))
        concat: bool = setting(True, "concatenate the heads, each as wide as the layer, instead of averaging them")
        self_loops: bool = setting(True, "let a gene attend to itself")
        activation: Literal["relu", "leaky_relu", "elu"] = setting(
            "leaky_relu", "function after each layer; a leaky ReLU has a slope of .2 (scUniGP)"
        )

    settings: Settings
    conv: ClassVar[type[nn.Module]] = GATLayer

    def layer(self, in_width: int, width: int) -> nn.Module:
        """Return an attention layer."""
        s = self.settings
        return self.conv(in_width, width, heads=s.heads, concat=s.concat, add_self_loops=s.self_loops)

    def out_width(self, width: int) -> int:
        """Return the width of the concatenated or averaged heads."""
        return width * self.settings.heads if self.settings.concat else width


def vector(heads: int, width: int) -> nn.Parameter:
    """Return a vector for each head, ``[1, heads, width]``."""
    return nn.Parameter(glorot(torch.empty(1, heads, width)))
