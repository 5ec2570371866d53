"""GraphSAGE."""

from __future__ import annotations

from typing import Literal

from torch import nn
from torch_geometric.nn import SAGEConv

from components.core.registry import register
from components.core.settings import setting
from components.gnn.base import GraphBranch


@register("gnn", "sage")
class SAGE(GraphBranch):
    """Adds a linear map of each gene's features to one of its neighbours' mean (or sum, or maximum).

    ``[genes, in_width]`` and ``[2, edges]`` to one ``[genes, width_l]`` per layer.

    Source: Hamilton et al. 2017 (GraphSAGE) algorithm 1, named in scUniGP 3.2.
    """

    class Settings(GraphBranch.Settings):
        """Settings of GraphSAGE."""

        aggregation: Literal["mean", "sum", "max"] = setting(
            "mean", "how neighbours are joined; a sum keeps the degree", search=("mean", "sum", "max")
        )
        normalize: bool = setting(False, "scale each gene's embedding to unit length before the activation")

    settings: Settings

    def layer(self, in_width: int, width: int) -> nn.Module:
        """Return a GraphSAGE layer."""
        return SAGEConv(in_width, width, aggr=self.settings.aggregation, normalize=self.settings.normalize)
