"""Graph attention: each gene weighs its neighbours."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.nn import GATConv

from components.core.registry import register
from components.core.settings import setting
from components.gnn.base import GraphBranch


@register("gnn", "gat")
class GAT(GraphBranch):
    """Lets each gene attend to its neighbours and take a weighted mean of them.

    ``[genes, in_width]`` and ``[2, edges]`` to one ``[genes, heads * width_l]`` (or ``[genes, width_l]``) per layer.

    Source: scUniGP appendix C ('3 attention heads per layer with LeakyReLU activation and concatenation');
    Velickovic et al. 2018 eqs 1-5.
    """

    class Settings(GraphBranch.Settings):
        """Settings of graph attention."""

        heads: int = setting(3, "attention heads", ge=1, le=16, search=(1, 8))
        concat: bool = setting(True, "concatenate the heads, each as wide as the layer, instead of averaging them")
        self_loops: bool = setting(True, "let a gene attend to itself")

    settings: Settings

    def layer(self, in_width: int, width: int) -> nn.Module:
        """Return an attention layer."""
        s = self.settings
        return GATConv(in_width, width, heads=s.heads, concat=s.concat, add_self_loops=s.self_loops)

    def out_width(self, width: int) -> int:
        """Return the width after the heads are joined."""
        return width * self.settings.heads if self.settings.concat else width

    def activation(self, h: Tensor) -> Tensor:
        """Apply LeakyReLU, as the paper does for GAT."""
        return F.leaky_relu(h, 0.2)
