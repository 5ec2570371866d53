"""Graph isomorphism network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from components.core.registry import register
from components.core.settings import setting
from components.gnn.base import GraphBranch
from components.passing.graph import Graph, GraphLayer, draw_again


class GINLayer(GraphLayer):
    """Applies a perceptron to 1 + eps times a gene and the sum of its neighbours: ``[genes, width]`` to the same."""

    def __init__(self, perceptron: nn.Module, *, learn_eps: bool) -> None:
        super().__init__()
        self.nn = perceptron
        self.eps = nn.Parameter(torch.zeros(1)) if learn_eps else nn.Buffer(torch.zeros(1))

    def forward(self, x: Tensor, graph: Graph) -> Tensor:
        """Return embeddings ``[genes, width]`` of features ``[genes, in_width]``."""
        neighbours = graph.messages(len(x)).sum(x.unsqueeze(1)).squeeze(1)
        return self.nn(neighbours + (1 + self.eps) * x)


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
        first, second = nn.Linear(in_width, width), nn.Linear(width, width)
        draw_again(first, second)
        return GINLayer(nn.Sequential(first, nn.ReLU(), second), learn_eps=self.settings.learn_eps)
