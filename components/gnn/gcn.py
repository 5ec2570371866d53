"""Graph convolution."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from components.core.registry import register
from components.core.settings import setting
from components.gnn.base import GraphBranch
from components.passing.graph import GlorotLinear, Graph, GraphLayer, draw_again


class GCNLayer(GraphLayer):
    """Sums linear maps of a gene's neighbours, each over the root of both degrees: ``[genes, width]`` to the same.

    With ``self_loops``, a gene counts among its neighbours, ``self_weight`` times.
    """

    def __init__(self, in_width: int, width: int, *, self_loops: bool, self_weight: float, bias: bool) -> None:
        super().__init__()
        self.lin = GlorotLinear(in_width, width, bias=False)
        draw_again(self.lin)
        self.bias = nn.Parameter(torch.zeros(width)) if bias else None
        self.loops, self.self_weight = self_loops, float(self_weight)

    def forward(self, x: Tensor, graph: Graph) -> Tensor:
        """Return embeddings ``[genes, width]`` of features ``[genes, in_width]``."""
        messages, h = graph.messages(len(x), loops=self.loops), self.lin(x)
        weight = messages.count(x, self.self_weight)
        degree = messages.degree(weight)
        root = torch.where(degree > 0, degree.rsqrt(), 0.0)
        layout = messages.layout
        weight = weight * root.index_select(0, layout.source) * root.index_select(0, layout.target)
        out = messages.sum(h.unsqueeze(1), weight.unsqueeze(1)).squeeze(1)
        return out if self.bias is None else out + self.bias


@register("gnn", "gcn")
class GCN(GraphBranch):
    """Averages each gene with its neighbours, weighted by symmetric degree normalisation.

    ``[genes, in_width]`` and ``[2, edges]`` to one ``[genes, width_l]`` per layer.

    Source: scUniGP appendix C ('for GCN, symmetric normalization with ReLU'); Kipf & Welling 2017 eq 2.
    """

    class Settings(GraphBranch.Settings):
        """Settings of graph convolution."""

        self_loops: bool = setting(True, "let a gene keep its own features (Kipf & Welling's renormalisation)")
        self_weight: Literal[1, 2] = setting(
            1, "how often a gene counts among its neighbours, where it does (2: GNNLink)"
        )
        bias: bool = setting(True, "add a bias to each feature")

    settings: Settings

    def layer(self, in_width: int, width: int) -> nn.Module:
        """Return a graph convolution."""
        s = self.settings
        return GCNLayer(in_width, width, self_loops=s.self_loops, self_weight=s.self_weight, bias=s.bias)
