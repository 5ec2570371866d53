"""Edges sorted by target and by source, and sums over them with backward passes of their own.

A sum over a gene's edges is one ``embedding_bag``: no message is stored, forward or backward. Sums are taken in a fixed
order, on a GPU too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


class Layout:
    """Edges ``[2, edges]`` among ``genes``, sorted by target; with ``loops``, each gene has one edge to itself.

    Attributes
    ----------
    source, target
        ``[edges]``: genes that an edge comes from and leads to.
    place
        ``[edges]``: which edge it was as given; ``len(edges)`` for one from a gene to itself that ``loops`` added.
    """

    def __init__(self, edges: Tensor, genes: int, *, loops: bool = False) -> None:
        place = torch.arange(edges.shape[1], device=edges.device)
        if loops:
            others = edges[0] != edges[1]
            itself = torch.arange(genes, device=edges.device)
            edges = torch.cat([edges[:, others], itself.expand(2, -1)], dim=1)
            place = torch.cat([place[others], itself.new_full((genes,), len(place))])
        order = torch.argsort(edges[1] * genes + edges[0])
        self.genes, self.place = genes, place[order]
        self.source, self.target = edges[0][order], edges[1][order]
        self.start = _starts(self.target, genes)
        self.by_source = torch.argsort(self.source * genes + self.target)
        self.source_start = _starts(self.source, genes)
        self.every = torch.arange(len(order), device=edges.device)
        self._rows: dict[int, _Rows] = {}

    def at_source(self, x: Tensor) -> Tensor:
        """Return the rows of ``[genes, width]`` that edges come from: ``[edges, width]``."""
        return _Gather.apply(x, self.source, self.by_source, self.source_start)

    def at_target(self, x: Tensor) -> Tensor:
        """Return the rows of ``[genes, width]`` that edges lead to: ``[edges, width]``."""
        return _Gather.apply(x, self.target, self.every, self.start)

    def total(self, values: Tensor) -> Tensor:
        """Return the sum of ``[edges, width]`` over each gene's incoming edges: ``[genes, width]``; no gradient."""
        return _sum(values, self.every, self.start)

    def sum(self, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the sum of each gene's sources, ``[genes, heads, width]``, times ``[edges, heads]``; 0 for no edge.

        Sums of numbers in half precision are single: they have too few digits to add up in.
        """
        x = _single(x)
        return _WeightedSum.apply(x, weight if weight is None else weight.to(x.dtype), self)

    def rows(self, heads: int) -> _Rows:
        """Return where edges find their genes in ``[genes * heads, width]``."""
        if heads not in self._rows:
            self._rows[heads] = _Rows(self, heads)
        return self._rows[heads]


@dataclass(frozen=True)
class Messages:
    """Edges as layers read them: sorted, and which of them are shown, ``[edges]`` bool (None: all)."""

    layout: Layout
    shown: Tensor | None

    def sum(self, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the sum of each gene's sources ``[genes, heads, width]``, weighted by ``[edges, heads]``.

        Weights of edges that are not shown must be zeros; without weights, those that are shown count once.
        """
        if weight is None and self.shown is not None:
            weight = self.shown.to(x.dtype).unsqueeze(1).expand(-1, x.shape[1])
        return self.layout.sum(x, weight)

    def mean(self, x: Tensor) -> Tensor:
        """Return the mean of each gene's sources, ``[genes, width]`` to the same; 0 for a gene without any."""
        total = self.sum(x.unsqueeze(1)).squeeze(1)
        return total / self.degree(self.count(total)).clamp_min(1).unsqueeze(1)

    def softmax(self, score: Tensor) -> Tensor:
        """Return scores ``[edges, heads]`` as weights that sum to 1 over a gene's incoming edges; 0 where not shown.

        Weights of scores in half precision are single.
        """
        return _Softmax.apply(_single(score), self.shown, self.layout)

    def maximum(self, x: Tensor) -> Tensor:
        """Return the maximum of each gene's sources, ``[genes, width]`` to the same; 0 for a gene without any."""
        layout, messages = self.layout, self.layout.at_source(x)
        # an edge that is not shown leads to a row that is cut off
        target = layout.target if self.shown is None else layout.target.where(self.shown, layout.genes)
        rows, largest = target.unsqueeze(1).expand_as(messages), x.new_zeros(layout.genes + 1, x.shape[1])
        return largest.scatter_reduce(0, rows, messages, "amax", include_self=False)[: layout.genes]

    def count(self, x: Tensor, loop: float = 1.0) -> Tensor:
        """Return how often an edge counts, ``[edges]`` in the number format of ``x``: 0 where it is not shown.

        One that was added from a gene to itself counts ``loop`` times.
        """
        count = x.new_ones(len(self.layout.source)) if self.shown is None else self.shown.to(x.dtype)
        return count if loop == 1.0 else count.masked_fill(self.layout.source == self.layout.target, loop)

    def degree(self, count: Tensor) -> Tensor:
        """Return the sum ``[genes]`` of what counts ``[edges]`` over each gene's incoming edges."""
        return self.layout.total(count.unsqueeze(1)).squeeze(1)


class _Rows:
    """Each edge once per head, as rows of ``[genes * heads, width]``: sums come out gene by gene, and are not copied.

    Attributes
    ----------
    source, target
        ``[edges * heads]``: rows of both ends, sorted by the target's.
    start
        ``[genes * heads]``: where those of a target's row begin.
    weight
        ``[edges * heads]``: where their weights stand in ``[edges, heads]``.
    place
        ``[edges * heads]``: where the weights of ``[edges, heads]`` stand among them.
    target_by_source, source_start, weight_by_source
        The same, sorted by the source's row.
    """

    def __init__(self, layout: Layout, heads: int) -> None:
        head = torch.arange(heads, device=layout.source.device)
        source, target = ((gene.unsqueeze(1) * heads + head).flatten() for gene in (layout.source, layout.target))
        self.weight, self.weight_by_source = torch.argsort(target, stable=True), torch.argsort(source, stable=True)
        self.place = torch.argsort(self.weight)
        self.source, self.target = source[self.weight], target[self.weight]
        self.target_by_source = target[self.weight_by_source]
        self.start, self.source_start = (_starts(rows, layout.genes * heads) for rows in (target, source))


class _Gather(torch.autograd.Function):
    """Looks rows up; the gradient is a sum over sorted edges in place of an addition edge by edge."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, index: Tensor, order: Tensor, start: Tensor) -> Tensor:
        ctx.save_for_backward(order, start)
        return x.index_select(0, index)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        return _sum(grads[0].contiguous(), *ctx.saved_tensors), None, None, None


class _WeightedSum(torch.autograd.Function):
    """The sum of weighted sources; its gradient is the same sum over reversed edges."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor | None, layout: Layout) -> Tensor:
        genes, heads, width = x.shape
        rows, flat = layout.rows(heads), x.reshape(genes * heads, width)
        ctx.layout, ctx.shape = layout, x.shape
        ctx.save_for_backward(flat, weight)
        return _sum(flat, rows.source, rows.start, _at(weight, rows.weight)).view(x.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        (flat, weight), layout = ctx.saved_tensors, ctx.layout
        genes, heads, width = ctx.shape
        rows, grad = layout.rows(heads), grads[0].reshape(genes * heads, width).contiguous()
        to_x = to_weight = None
        if ctx.needs_input_grad[0]:
            by_source = _at(weight, rows.weight_by_source)
            to_x = _sum(grad, rows.target_by_source, rows.source_start, by_source).view(ctx.shape)
        if ctx.needs_input_grad[1]:
            # rows of both, multiplied and added up edge by edge: what embedding_bag's own backward calls
            products = torch.ops.aten._embedding_bag_per_sample_weights_backward
            to_weight = products(grad, flat, rows.source, rows.start, rows.target, 0, -1)[rows.place].view(-1, heads)
        return to_x, to_weight, None


class _Softmax(torch.autograd.Function):
    """A softmax over each gene's incoming edges that are shown."""

    @staticmethod
    def forward(ctx: Any, score: Tensor, shown: Tensor | None, layout: Layout) -> Tensor:
        if shown is not None:
            score = score.masked_fill(~shown.unsqueeze(1), torch.finfo(score.dtype).min)
        largest = F.embedding_bag(layout.every, score, layout.start, mode="max")
        power = (score - largest.index_select(0, layout.target)).exp()
        if shown is not None:  # of a gene that is shown no edge, all are as large as the largest
            power = power * shown.unsqueeze(1)
        total = layout.total(power).clamp_min(torch.finfo(score.dtype).tiny)
        weight = power / total.index_select(0, layout.target)
        ctx.layout = layout
        ctx.save_for_backward(weight)
        return weight

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (weight,), layout = ctx.saved_tensors, ctx.layout
        weighted = grads[0] * weight
        return weighted - weight * layout.total(weighted).index_select(0, layout.target), None, None


def _single(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def _sum(x: Tensor, index: Tensor, start: Tensor, weight: Tensor | None = None) -> Tensor:
    return F.embedding_bag(index, x, start, mode="sum", per_sample_weights=weight)


def _at(weight: Tensor | None, place: Tensor) -> Tensor | None:
    return None if weight is None else weight.flatten().index_select(0, place)


def _starts(sorted_by: Tensor, genes: int) -> Tensor:
    """Return where the edges of each gene begin in ``[edges]`` that are sorted by that gene."""
    count = torch.bincount(sorted_by, minlength=genes)
    return count.cumsum(0) - count
