"""Graph attention: each gene weighs its neighbours."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import nn
from torch_geometric.nn import GATConv

from components.core.registry import register
from components.core.settings import setting
from components.gnn.base import GraphBranch


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
    conv: ClassVar[type[nn.Module]] = GATConv

    def layer(self, in_width: int, width: int) -> nn.Module:
        """Return an attention layer."""
        s = self.settings
        return self.conv(in_width, width, heads=s.heads, concat=s.concat, add_self_loops=s.self_loops)

    def out_width(self, width: int) -> int:
        """Return the width of the concatenated or averaged heads."""
        return width * self.settings.heads if self.settings.concat else width
