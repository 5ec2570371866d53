"""Graph convolution."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch_geometric.nn import GCNConv

from components.core.registry import register
from components.core.settings import setting
from components.gnn.base import GraphBranch


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
        return GCNConv(in_width, width, improved=s.self_weight == 2, add_self_loops=s.self_loops, bias=s.bias)

    def propagate(self, conv: nn.Module, h: Tensor, edges: Tensor) -> Tensor:
        """Apply one layer to ``[genes, width]`` over ``[2, edges]``."""
        return conv(h, edges, h.new_ones(edges.shape[1]))  # without weights, GCNConv takes that of a gene itself as 1
