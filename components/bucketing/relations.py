"""Message passing over a gene-cell graph with one relation per expression level and direction.

Source: GP-DHT 2.2.3, eqs 11-14.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from components.bucketing.buckets import Edges
from components.core.dataset import Ints

GROUP = 8192  # neighbours looked up at once: fits a core's cache, and larger groups are no faster

Similarity = Literal["target", "message"]


class Neighbours(nn.Module):
    """Takes, per relation and feature, the maximum over each target's neighbours.

    Messages ``[levels, sources, dim]`` to ``[levels, targets, dim]``; zeros for a target without neighbours in a
    relation. Targets with similar numbers of neighbours are looked up together, shorter lists padded with neighbours of
    their own, which leaves the maximum as it is. No message is stored per edge, so that memory does not grow with
    edges.

    Source: GP-DHT eq 13, AGG ('using a max-pooling operation').
    """

    def __init__(self, source: Ints, target: Ints, level: Ints, weight: Tensor | None, n: tuple[int, int, int]) -> None:
        super().__init__()
        self.levels, self.sources, self.targets = n
        rows, sources = (level - 1) * self.targets + target, (level - 1) * self.sources + source
        order = np.argsort(rows, kind="stable")
        distinct, start, count = np.unique(rows[order], return_index=True, return_counts=True)
        by_count = np.argsort(count, kind="stable")
        distinct, start, count = distinct[by_count], start[by_count], count[by_count]
        self.shapes = _group(count)
        chunks, stop = [], 0
        for size, longest in self.shapes:
            group = slice(stop, stop := stop + size)
            step = np.arange(longest) % count[group, None]
            chunks.append(order[start[group, None] + step].ravel())
        edge = np.concatenate([np.empty(0, dtype=np.int64), *chunks])
        self.rows = nn.Buffer(torch.from_numpy(distinct), persistent=False)
        self.neighbours = nn.Buffer(torch.from_numpy(sources[edge]), persistent=False)
        self.weights = None if weight is None else nn.Buffer(weight[torch.from_numpy(edge)], persistent=False)

    def forward(self, messages: Tensor) -> Tensor:
        """Return the maximum ``[levels, targets, dim]`` over neighbours of messages ``[levels, sources, dim]``."""
        return _NeighbourMaximum.apply(messages.flatten(0, 1), self).view(self.levels, self.targets, -1)


class _NeighbourMaximum(torch.autograd.Function):
    """Maximum over neighbours; the gradient goes to the largest message only."""

    @staticmethod
    def forward(ctx: Any, messages: Tensor, graph: Neighbours) -> Tensor:
        dim = messages.shape[1]
        out = messages.new_zeros(graph.levels * graph.targets, dim)
        winner = torch.empty(len(graph.rows), dim, dtype=torch.long, device=messages.device)
        factor = None if graph.weights is None else messages.new_empty(len(graph.rows), dim)
        row = edge = 0
        for size, longest in graph.shapes:
            group, edges = slice(row, row + size), slice(edge, edge + size * longest)
            row, edge = row + size, edge + size * longest
            neighbours = graph.neighbours[edges].view(size, longest)
            received = messages.index_select(0, graph.neighbours[edges]).view(size, longest, dim)
            if graph.weights is None or factor is None:
                largest, which = received.max(dim=1)
            else:
                weights = graph.weights[edges].view(size, longest).to(messages.dtype)
                largest, which = (received * weights.unsqueeze(2)).max(dim=1)
                factor[group] = weights.gather(1, which)
            out[graph.rows[group]] = largest
            winner[group] = neighbours.gather(1, which)
        ctx.save_for_backward(graph.rows, winner, *([] if factor is None else [factor]))
        ctx.n_messages = len(messages)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        rows, winner, *factor = ctx.saved_tensors
        grad = grads[0][rows] * factor[0] if factor else grads[0][rows]
        return grad.new_zeros(ctx.n_messages, grad.shape[1]).scatter_add_(0, winner, grad), None


class NeighbourSum(nn.Module):
    """Takes, per relation and feature, the sum over each target's neighbours.

    Messages ``[levels, sources, dim]`` to ``[levels, targets, dim]``. The gradient is the same sum over reverse edges.

    Source: public code of GMFGRN.
    """

    def __init__(self, source: Ints, target: Ints, level: Ints, n: tuple[int, int, int]) -> None:
        super().__init__()
        self.levels, n_sources, n_targets = n
        rows, columns = (level - 1) * n_targets + target, (level - 1) * n_sources + source
        self.neighbours, self.neighbours_start = _neighbour_lists(rows, columns, self.levels * n_targets)
        self.reverse, self.reverse_start = _neighbour_lists(columns, rows, self.levels * n_sources)

    def forward(self, messages: Tensor) -> Tensor:
        """Return the sum ``[levels, targets, dim]`` over neighbours of messages ``[levels, sources, dim]``."""
        return _NeighbourSum.apply(messages.flatten(0, 1), self).view(self.levels, -1, messages.shape[2])


class _NeighbourSum(torch.autograd.Function):
    """Sum over neighbours, in a fixed order both ways."""

    @staticmethod
    def forward(ctx: Any, messages: Tensor, graph: NeighbourSum) -> Tensor:
        ctx.graph = graph
        return F.embedding_bag(graph.neighbours, messages, graph.neighbours_start, mode="sum")

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        graph = ctx.graph
        return F.embedding_bag(graph.reverse, grads[0].contiguous(), graph.reverse_start, mode="sum"), None


def _neighbour_lists(rows: Ints, columns: Ints, n: int) -> tuple[nn.Buffer, nn.Buffer]:
    """Return the columns of each of ``n`` rows one after another, and where each row's begin."""
    count = np.bincount(rows, minlength=n)
    lists = columns[np.argsort(rows, kind="stable")], np.cumsum(count) - count
    nodes, starts = (nn.Buffer(torch.from_numpy(each), persistent=False) for each in lists)
    return nodes, starts


class RelationalAttention(nn.Module):
    """Updates one kind of node from the other, with one message path per expression level.

    Sources ``[sources, in_width]`` and targets ``[targets, in_width]`` to ``[targets, width]``. Per relation: project
    both (eq 11), weigh features (eq 12), take the neighbours' maximum and multiply it by the weights (eq 13); then join
    the relations (eq 14).

    Eq 12 as printed multiplies the target's normalised projection by itself (``similarity="target"``); ``message``
    replaces one of the two by the aggregated message. 'Norm' is read as the Euclidean norm. The softmax over features
    has a mean weight of 1 / dim; ``unit_gain`` multiplies it by dim, so that W_o need not learn it. Eq 13 names no
    activation; here it is ReLU. ``settings`` are those of the gene-cell bucketings.
    """

    def __init__(self, settings: Any, in_width: int) -> None:
        super().__init__()
        s = settings
        self.temperature, self.similarity, self.heads = s.temperature, s.similarity, s.heads
        self.gain = s.dim if s.unit_gain else 1
        self.source = nn.Parameter(torch.randn(s.levels, in_width, s.dim) / in_width**0.5)  # W_r of eq 11
        self.target = nn.Parameter(torch.randn(s.levels, in_width, s.dim) / in_width**0.5)  # W_k of eq 11
        self.join = nn.Linear(s.levels * s.dim, s.width)  # W_o and b of eq 14

    def forward(self, sources: Tensor, targets: Tensor, graph: Neighbours) -> Tensor:
        """Return updated targets ``[targets, width]``."""
        message = graph(sources @ self.source)
        own = targets @ self.target
        updated = F.relu(message * self.attention(own, message) * self.gain)
        return self.join(updated.transpose(0, 1).flatten(1))

    def attention(self, own: Tensor, message: Tensor) -> Tensor:
        """Return the weight of each feature, ``[levels, targets, dim]``, summing to 1 over features (eq 12)."""
        other = own if self.similarity == "target" else message
        return feature_weights(own, other, self.temperature, self.heads)


def feature_weights(own: Tensor, other: Tensor, temperature: float, heads: int) -> Tensor:
    """Return the weights of features ``[..., dim]``, summing to 1, from how two projections ``[..., dim]`` agree.

    Each of ``heads`` equal parts of a projection is normalised on its own.

    Source: GP-DHT eq 12; heads as in the public code of HGATLink.
    """

    def unit(x: Tensor) -> Tensor:
        return F.normalize(x.unflatten(-1, (heads, -1)), dim=-1).flatten(-2)

    return torch.softmax((unit(own) * unit(other)).abs() / temperature, dim=-1)


class GeneCellLayer(nn.Module):
    """Updates genes from cells and cells from genes: one layer of eqs 11-14.

    Genes ``[genes, in_width]`` and cells ``[cells, in_width]`` to G ``[genes, width]`` and C ``[cells, width]``. With
    ``cells=False``, for the last layer, cells are returned unchanged.
    """

    def __init__(self, settings: Any, in_width: int, *, cells: bool) -> None:
        super().__init__()
        self.to_genes = RelationalAttention(settings, in_width)
        self.to_cells = RelationalAttention(settings, in_width) if cells else None

    def forward(self, genes: Tensor, cells: Tensor, into_genes: Neighbours, into_cells: Neighbours | None) -> tuple:
        """Return updated genes and cells."""
        updated = self.to_genes(cells, genes, into_genes)
        if self.to_cells is None or into_cells is None:
            return updated, cells
        return updated, self.to_cells(genes, cells, into_cells)


def both_ways(edges: Edges, levels: int, shape: Sequence[int], *, weighted: bool) -> tuple[Neighbours, Neighbours]:
    """Return the neighbours of each gene and, over the reverse edges, of each cell; ``shape`` is (genes, cells).

    ``weighted`` multiplies a message by r / K of its edge.
    """
    genes, cells = shape
    weight = torch.from_numpy((edges.position / levels).astype(np.float32)) if weighted else None
    into_genes = Neighbours(edges.cell, edges.gene, edges.level, weight, (levels, cells, genes))
    into_cells = Neighbours(edges.gene, edges.cell, edges.level, weight, (levels, genes, cells))
    return into_genes, into_cells


def _group(count: Ints) -> list[tuple[int, int]]:
    """Cut ascending neighbour counts into groups (targets, longest list) of at most GROUP neighbours, or one target."""
    shapes, first = [], 0
    while first < len(count):
        last = first + 1
        while last < len(count) and (last + 1 - first) * count[last] <= GROUP:
            last += 1
        shapes.append((last - first, int(count[last - 1])))
        first = last
    return shapes
