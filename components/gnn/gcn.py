"""Graph convolution."""

from __future__ import annotations

from torch import nn
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

    settings: Settings

    def layer(self, in_width: int, width: int) -> nn.Module:
        """Return a graph convolution."""
        return GCNConv(in_width, width, add_self_loops=self.settings.self_loops)
