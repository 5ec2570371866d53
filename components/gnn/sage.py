"""GraphSAGE."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from components.core.registry import register
from components.core.settings import setting
from components.gnn.base import GraphBranch
from components.passing.graph import Graph, GraphLayer, draw_again

Aggregation = Literal["mean", "sum", "max"]


class SAGELayer(GraphLayer):
    """Adds linear maps of a gene and of its joined neighbours: ``[genes, width]`` to the same."""

    def __init__(self, in_width: int, width: int, aggregation: Aggregation, *, normalize: bool) -> None:
        super().__init__()
        self.aggregation, self.normalize = aggregation, normalize
        self.lin_l = nn.Linear(in_width, width)
        self.lin_r = nn.Linear(in_width, width, bias=False)
        draw_again(self.lin_l, self.lin_r)

    def forward(self, x: Tensor, graph: Graph) -> Tensor:
        """Return embeddings ``[genes, width]`` of features ``[genes, in_width]``."""
        messages = graph.messages(len(x))
        if self.aggregation == "max":
            joined = messages.maximum(x)
        else:
            joined = messages.mean(x) if self.aggregation == "mean" else messages.sum(x.unsqueeze(1)).squeeze(1)
        out = self.lin_l(joined) + self.lin_r(x)
        return F.normalize(out, dim=-1) if self.normalize else out


@register("gnn", "sage")
class SAGE(GraphBranch):
    """Adds a linear map of each gene's features to one of its neighbours' mean (or sum, or maximum).

    ``[genes, in_width]`` and ``[2, edges]`` to one ``[genes, width_l]`` per layer.

    Source: Hamilton et al. 2017 (GraphSAGE) algorithm 1, named in scUniGP 3.2.
    """

    class Settings(GraphBranch.Settings):
        """Settings of GraphSAGE."""

        aggregation: Aggregation = setting(
            "mean", "how neighbours are joined; a sum keeps the degree", search=("mean", "sum", "max")
        )
        normalize: bool = setting(False, "scale each gene's embedding to unit length before the activation")

    settings: Settings

    def layer(self, in_width: int, width: int) -> nn.Module:
        """Return a GraphSAGE layer."""
        return SAGELayer(in_width, width, self.settings.aggregation, normalize=self.settings.normalize)
