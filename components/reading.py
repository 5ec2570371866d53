"""One reading of the graph that several batches of pairs share, and how it learns from all of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from components.gnn.base import GraphEmbedding
from components.passing.graph import Graph


@dataclass(frozen=True)
class Reading:
    """What a model computes of every gene before it sees pairs, once for each view that its loss takes.

    Attributes
    ----------
    graph
        The graph that was read.
    views
        Features ``[genes, width]`` with their embedding, None without a graph branch: plain, then of features that the
        contrast changed.
    """

    graph: Graph
    views: tuple[tuple[Tensor, GraphEmbedding | None], ...]

    def cut(self) -> Reading:
        """Return the same values as leaves: they collect gradients, and hand none on to what computed them."""
        views = []
        for features, embedding in self.views:
            cut = None if embedding is None else GraphEmbedding.of_tensors([_leaf(x) for x in embedding.tensors()])
            views.append((_leaf(features), cut))
        return Reading(self.graph, tuple(views))

    def owed(self, cut: Reading) -> Tensor:
        """Return a scalar of value 0 whose gradient is what the leaves of :meth:`cut` collected."""
        pairs = zip(self._tensors(), cut._tensors(), strict=True)
        terms = [(x * leaf.grad).sum() for x, leaf in pairs if x.requires_grad and leaf.grad is not None]
        total = torch.stack([term.float() for term in terms]).sum() if terms else self.views[0][0].new_zeros(())
        return total - total.detach()

    def _tensors(self) -> list[Tensor]:
        return [x for features, of in self.views for x in (features, *(of.tensors() if of is not None else ()))]


def _leaf(x: Tensor) -> Tensor:
    return x.detach().requires_grad_(x.requires_grad)
