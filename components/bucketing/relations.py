"""Message passing over a gene-cell graph with one relation per expression level and direction.

Source: GP-DHT 2.2.3, eqs 11-14.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from components.bucketing.buckets import Edges
from components.core.dataset import Ints

GROUP = 8192  # neighbours looked up at once: what fits into a core's cache gains nothing from being larger

Similarity = Literal["target", "message"]


class Neighbours(nn.Module):
    """Knows, for every relation, whose messages reach whom, and takes their maximum feature by feature.

    From messages ``[levels, sources, dim]`` to ``[levels, targets, dim]``; a target without neighbours in a relation
    gets zeros. Targets with as many neighbours (or nearly) are looked up together, the shorter lists filled up with
    one of their own, which leaves a maximum as it is: no message is ever copied per edge and kept, so memory does
    not grow with the number of edges.

    Source: GP-DHT eq 13, AGG ('using a max-pooling operation').
    """

    def __init__(self, source: Ints, target: Ints, level: Ints, weight: Tensor | None, n: tuple[int, int, int]) -> None:
        super().__init__()
        self.levels, self.sources, self.targets = n
        rows, heads = (level - 1) * self.targets + target, (level - 1) * self.sources + source
        order = np.argsort(rows, kind="stable")
        found, start, count = np.unique(rows[order], return_index=True, return_counts=True)
        by_count = np.argsort(count, kind="stable")
        found, start, count = found[by_count], start[by_count], count[by_count]
        self.shapes = _group(count)
        places, stop = [], 0
        for size, longest in self.shapes:
            mine = slice(stop, stop := stop + size)
            step = np.arange(longest) % count[mine, None]
            places.append(order[start[mine, None] + step].ravel())
        place = np.concatenate([np.empty(0, dtype=np.int64), *places])
        self.register_buffer("rows", torch.from_numpy(found), persistent=False)
        self.register_buffer("heads", torch.from_numpy(heads[place]), persistent=False)
        self.register_buffer("weights", None if weight is None else weight[torch.from_numpy(place)], persistent=False)
        self.rows: Tensor
        self.heads: Tensor
        self.weights: Tensor | None

    def forward(self, messages: Tensor) -> Tensor:
        """Return the strongest message ``[levels, targets, dim]`` of each target's neighbours, zeros without one."""
        flat: Tensor = _Strongest.apply(messages.flatten(0, 1), self)
        return flat.view(self.levels, self.targets, -1)


class _Strongest(torch.autograd.Function):
    """Maximum over neighbours whose gradient goes to the winner alone."""

    @staticmethod
    def forward(ctx: Any, messages: Tensor, graph: Neighbours) -> Tensor:
        dim = messages.shape[1]
        out = messages.new_zeros(graph.levels * graph.targets, dim)
        winner = torch.empty(len(graph.rows), dim, dtype=torch.long, device=messages.device)
        factor = None if graph.weights is None else messages.new_empty(len(graph.rows), dim)
        row = place = 0
        for size, longest in graph.shapes:
            mine, asked = slice(row, row + size), slice(place, place + size * longest)
            row, place = row + size, place + size * longest
            heads = graph.heads[asked].view(size, longest)
            heard = messages.index_select(0, graph.heads[asked]).view(size, longest, dim)
            if graph.weights is None or factor is None:
                best, which = heard.max(dim=1)
            else:
                weights = graph.weights[asked].view(size, longest).to(messages.dtype)
                best, which = (heard * weights.unsqueeze(2)).max(dim=1)
                factor[mine] = weights.gather(1, which)
            out[graph.rows[mine]] = best
            winner[mine] = heads.gather(1, which)
        ctx.save_for_backward(graph.rows, winner, *([] if factor is None else [factor]))
        ctx.n_messages = len(messages)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        rows, winner, *factor = ctx.saved_tensors
        grad = grads[0][rows] * factor[0] if factor else grads[0][rows]
        return grad.new_zeros(ctx.n_messages, grad.shape[1]).scatter_add_(0, winner, grad), None


class RelationalAttention(nn.Module):
    """Updates one kind of node from the other, one message path per expression level.

    Sources ``[sources, in_width]`` and targets ``[targets, in_width]`` to ``[targets, width]``. Per relation: project
    both (eq 11), attend to features (eq 12), take the neighbours' maximum and modulate it (eq 13); then join the
    relations (eq 14).

    Eq 12 as printed multiplies the target's normalised projection by itself (``similarity="target"``); 'message' puts
    the aggregated message in the place of one of the two. 'Norm' is read as the Euclidean norm. A softmax over
    features has a mean weight of 1 / dim; with ``unit_gain`` it is multiplied by dim, a constant that W_o would
    otherwise have to learn. The activation of eq 13 is not named; ReLU here.
    """

    def __init__(
        self, levels: int, in_width: int, dim: int, width: int, temperature: float, similarity: Similarity, gain: bool
    ) -> None:
        super().__init__()
        self.temperature, self.similarity, self.gain = temperature, similarity, dim if gain else 1
        self.source = nn.Parameter(torch.randn(levels, in_width, dim) / in_width**0.5)  # W_r of eq 11
        self.target = nn.Parameter(torch.randn(levels, in_width, dim) / in_width**0.5)  # W_k of eq 11
        self.join = nn.Linear(levels * dim, width)  # W_o and b of eq 14

    def forward(self, sources: Tensor, targets: Tensor, graph: Neighbours) -> Tensor:
        """Return updated targets ``[targets, width]``."""
        message = graph(sources @ self.source)
        own = targets @ self.target
        updated = F.relu(message * self.attention(own, message) * self.gain)
        return self.join(updated.transpose(0, 1).flatten(1))

    def attention(self, own: Tensor, message: Tensor) -> Tensor:
        """Return the weight of each feature, ``[levels, targets, dim]``, summing to 1 over features (eq 12)."""
        other = own if self.similarity == "target" else message
        response = (F.normalize(own, dim=-1) * F.normalize(other, dim=-1)).abs()
        return torch.softmax(response / self.temperature, dim=-1)


class GeneCellLayer(nn.Module):
    """Lets cells tell genes, and genes tell cells, at which level they were seen: one layer of eqs 11-14.

    Genes ``[genes, in_width]`` and cells ``[cells, in_width]`` to G ``[genes, width]`` and C ``[cells, width]``. A last
    layer whose cells nobody reads is built without them (``cells=False``) and returns them as they were.
    """

    def __init__(self, attention: dict[str, Any], *, cells: bool) -> None:
        super().__init__()
        self.to_genes = RelationalAttention(**attention)
        self.to_cells = RelationalAttention(**attention) if cells else None

    def forward(self, genes: Tensor, cells: Tensor, into_genes: Neighbours, into_cells: Neighbours | None) -> tuple:
        """Return updated genes and cells."""
        updated = self.to_genes(cells, genes, into_genes)
        if self.to_cells is None or into_cells is None:
            return updated, cells
        return updated, self.to_cells(genes, cells, into_cells)


def both_ways(edges: Edges, levels: int, shape: tuple[int, int], *, weighted: bool) -> tuple[Neighbours, Neighbours]:
    """Return whose messages reach each gene and, over the reverse edges, each cell, of a graph of ``[genes, cells]``.

    ``weighted`` multiplies a message by r / K of its edge.
    """
    genes, cells = shape
    weight = torch.from_numpy((edges.position / levels).astype(np.float32)) if weighted else None
    into_genes = Neighbours(edges.cell, edges.gene, edges.level, weight, (levels, cells, genes))
    into_cells = Neighbours(edges.gene, edges.cell, edges.level, weight, (levels, genes, cells))
    return into_genes, into_cells


def _group(count: Ints) -> list[tuple[int, int]]:
    """Cut ascending neighbour counts into groups of (targets, longest list) with at most GROUP places each."""
    shapes, first = [], 0
    while first < len(count):
        last = first + 1
        while last < len(count) and (last + 1 - first) * count[last] <= GROUP:
            last += 1
        shapes.append((last - first, int(count[last - 1])))
        first = last
    return shapes
