"""Graph isomorphism network."""

from __future__ import annotations

from torch import nn
from torch_geometric.nn import GINConv

from components.core.registry import register
from components.core.settings import setting
from components.gnn.base import GraphBranch


@register("gnn", "gin")
class GIN(GraphBranch):
    """Applies a perceptron to the sum of each gene and its neighbours, so that their number counts.

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
