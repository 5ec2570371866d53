"""Messages along regulation and against it, as two relations."""

from __future__ import annotations

from torch import Tensor, nn

from components.core.registry import register
from components.gnn.base import GraphBranch
from components.passing.graph import TO_TARGET, TO_TF, Graph, GraphLayer


class RelationalLayer(GraphLayer):
    """Adds linear maps of a gene, of its TFs' mean and of its targets' mean: ``[genes, width]`` to the same."""

    def __init__(self, in_width: int, width: int) -> None:
        super().__init__()
        self.of_gene = nn.Linear(in_width, width)
        self.of_tfs = nn.Linear(in_width, width, bias=False)
        self.of_targets = nn.Linear(in_width, width, bias=False)

    def forward(self, x: Tensor, graph: Graph) -> Tensor:
        """Return embeddings ``[genes, width]`` of features ``[genes, in_width]``."""
        tfs, targets = (graph.of_way(way).messages(len(x)).mean(x) for way in (TO_TARGET, TO_TF))
        return self.of_gene(x) + self.of_tfs(tfs) + self.of_targets(targets)


@register("gnn", "relational")
class Relational(GraphBranch):
    """Passes messages from TF to target and from target to TF by weights of their own.

    ``[genes, in_width]`` and ``[2, edges]`` to one ``[genes, width_l]`` per layer. Edges that are given without saying
    which way they regulate count both ways.

    Source: Schlichtkrull et al. 2018 (R-GCN) eq 2 with the two relations; Rossi et al. 2023 (Dir-GNN).
    """

    def layer(self, in_width: int, width: int) -> nn.Module:
        """Return a layer of two relations."""
        return RelationalLayer(in_width, width)
