"""More kinds of message passing for the global branch.

Sources: GIN, Xu et al. 2019; GATv2, Brody et al. 2022.
"""

from __future__ import annotations

from torch import nn
from torch_geometric.nn import GATv2Conv, GINConv

from components.core.registry import register
from components.core.settings import setting
from components.gnn.base import GAT, GraphBranch

__all__ = ["GIN", "GATv2"]


@register("gnn", "gin")
class GIN(GraphBranch):
    """Sums each gene's neighbours, so that their number counts, and sends the sum through a small perceptron.

    ``[genes, in_width]`` and ``[2, edges]`` to one ``[genes, width_l]`` per layer.

    Source: Xu et al. 2019 (GIN) eq 4.1; widths and expert score as in scUniGP 4.2.
    """

    class Settings(GraphBranch.Settings):
        """Settings of the graph isomorphism network."""

        learn_eps: bool = setting(True, "learn how much more than a neighbour a gene's own features count (epsilon)")

    settings: Settings

    def layer(self, in_width: int, width: int) -> nn.Module:
        """Return a perceptron over a gene's own features plus the sum of its neighbours'."""
        perceptron = nn.Sequential(nn.Linear(in_width, width), nn.ReLU(), nn.Linear(width, width))
        return GINConv(perceptron, train_eps=self.settings.learn_eps)


@register("gnn", "gatv2")
class GATv2(GAT):
    """Lets each gene choose anew which neighbours to attend to: the ranking may differ from gene to gene.

    ``[genes, in_width]`` and ``[2, edges]`` to one ``[genes, heads * width_l]`` (or ``[genes, width_l]``) per layer.

    Source: Brody et al. 2022 eq 7; heads and activation as in scUniGP appendix C.
    """

    class Settings(GAT.Settings):
        """Settings of dynamic graph attention: those of GAT."""

    settings: Settings

    def layer(self, in_width: int, width: int) -> nn.Module:
        """Return a layer whose attention is computed after the non-linearity."""
        s = self.settings
        return GATv2Conv(in_width, width, heads=s.heads, concat=s.concat, add_self_loops=s.self_loops)
