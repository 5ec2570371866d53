"""The graph of training positives, sorted once; hidden edges stay in place behind a mask; what its layers share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from components.passing.layout import Layout, Messages

TO_TARGET, TO_TF = "to_target", "to_tf"  # ways along a training positive
SHORTEST = 1e-12  # length that a row is divided by at least


class Graph:
    """The graph ``[2, edges]`` that messages pass over, each edge once, sorted by source, then by target.

    Parameters
    ----------
    edges
        All edges.
    slots
        Way to ``[positives]``: which edge each training positive stands for.
    """

    def __init__(self, edges: Tensor, slots: Mapping[str, Tensor] | None = None) -> None:
        self._all, self._slots = edges, slots
        self._shown: Tensor | None = None
        self._whole = self
        self._seen: Tensor | None = None  # which training positives are not hidden, [positives]
        self._ways: dict[str, Graph] = {}
        self._messages: dict[tuple[int, bool], Messages] = {}

    @classmethod
    def of(cls, edges: Tensor | Graph) -> Graph:
        """Return a graph of edges ``[2, edges]``."""
        return edges if isinstance(edges, Graph) else cls(edges)

    @classmethod
    def of_positives(cls, positives: Tensor, direction: str) -> Graph:
        """Return the graph of training positives ``[positives, 2]``, see :func:`training_graph`."""
        edges, n = training_graph(positives, direction=direction), _beyond(positives)
        ways = (TO_TARGET, TO_TF) if direction == "both" else (direction,)
        keys = edges[0] * n + edges[1]
        ends = {TO_TARGET: positives, TO_TF: positives.flip(1)}
        return cls(edges, {way: torch.searchsorted(keys, ends[way][:, 0] * n + ends[way][:, 1]) for way in ways})

    def hiding(self, hidden: Tensor) -> Graph:
        """Return the graph without training positives ``[positives]`` that are being predicted.

        Their genes stay linked where the reverse is a positive too, and not hidden.
        """
        if self._slots is None:
            raise RuntimeError("only a graph of training positives can hide them")
        graph = Graph(self._all)
        graph._whole, graph._seen = self, ~hidden
        graph._shown = graph._count(self._slots) > 0
        return graph

    def of_way(self, way: str) -> Graph:
        """Return the edges that run one way along a training positive: ``TO_TARGET`` or ``TO_TF``.

        All edges, where they are not known to be of training positives; none, where messages pass the other way alone.
        """
        slots = self._whole._slots
        if slots is None:
            return self
        if way not in self._ways:
            graph = Graph(self._all)
            graph._shown, graph._whole = self._count({way: slots[way]} if way in slots else {}) > 0, self._whole
            self._ways[way] = graph
        return self._ways[way]

    def _count(self, slots: Mapping[str, Tensor]) -> Tensor:
        """Return how many training positives that are not hidden stand for each edge by some ways, ``[edges]``."""
        count = torch.zeros(self._all.shape[1], dtype=torch.int32, device=self.device)
        for edges in slots.values():
            seen = torch.ones_like(edges) if self._seen is None else self._seen
            count = count.index_add(0, edges, seen.to(torch.int32))
        return count

    @property
    def edges(self) -> Tensor:
        """The edges that are shown, ``[2, edges]``: for layers that know of no mask. A GPU waits for their number."""
        return self._all if self._shown is None else self._all[:, self._shown]

    @property
    def device(self) -> torch.device:
        """Where the edges lie."""
        return self._all.device

    def messages(self, genes: int, *, loops: bool = False) -> Messages:
        """Return the edges among ``genes`` as layers read them; with ``loops``, each gene has an edge to itself."""
        key = (genes, loops)
        if key not in self._messages:
            if self._shown is None:
                self._messages[key] = Messages(Layout(self._all, genes, loops=loops), None)
            else:
                layout = self._whole.messages(genes, loops=loops).layout
                padded = torch.cat([self._shown, self._shown.new_ones(1)])  # a gene's edge to itself hides nothing
                self._messages[key] = Messages(layout, padded[layout.place])
        return self._messages[key]


def training_graph(positives: Tensor, *, direction: str = "both") -> Tensor:
    """Return the graph ``[2, edges]`` of training positives ``[positives, 2]``, sorted, each edge once.

    Edges run ``both`` ways, ``to_target`` or ``to_tf`` alone.

    Source: scUniGP appendix C ('positive TF-target pairs in the training set, with undirected edges and without
    self-loops').
    """
    edges = positives.t().contiguous()
    if direction == "both":
        return both_ways(edges)
    return _distinct(edges if direction == "to_target" else edges.flip(0))


def both_ways(edges: Tensor) -> Tensor:
    """Return a graph ``[2, edges]`` with every edge in both directions, sorted, each once."""
    return _distinct(torch.cat([edges, edges.flip(0)], dim=1))


def _distinct(edges: Tensor) -> Tensor:
    n = _beyond(edges)
    keys = torch.unique(edges[0] * n + edges[1])
    return torch.stack([keys // n, keys % n])


def _beyond(genes: Tensor) -> int:
    """Return a number that is larger than any of some genes."""
    return int(genes.max()) + 1 if genes.numel() else 1


class GraphLayer(nn.Module):
    """Base of layers that read a :class:`Graph` as it is, hidden edges behind a mask: ``[genes, width]`` to the same.

    Any other layer is given the edges that are shown, ``[2, edges]``.
    """

    def forward(self, x: Tensor, graph: Graph) -> Tensor:
        """Return embeddings ``[genes, width]`` of features ``[genes, in_width]``."""
        raise NotImplementedError


class GlorotLinear(nn.Linear):
    """A linear map with Xavier's uniform weights; its bias, where it has one, starts as torch's own."""

    def reset_parameters(self) -> None:
        """Draw the weights."""
        glorot(self.weight)
        if self.bias is not None:
            bound = 1.0 / math.sqrt(self.in_features)
            nn.init.uniform_(self.bias, -bound, bound)


def unit_rows(x: Tensor) -> Tensor:
    """Return rows ``[..., width]`` scaled to length 1, as ``torch.nn.functional.normalize`` does in more passes."""
    return _UnitRows.apply(x)


class _UnitRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        inverse = 1 / length.clamp_min(SHORTEST)
        unit = x * inverse
        ctx.save_for_backward(unit, inverse, length > SHORTEST)
        return unit

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        unit, inverse, moves = ctx.saved_tensors
        along = torch.linalg.vecdot(grads[0], unit).unsqueeze(-1) * moves  # a row of zeros is divided by a constant
        return torch.addcmul(grads[0], unit, along, value=-1).mul_(inverse)


def as_operand(x: Tensor) -> Tensor:
    """Return features or weights in the number format that autocast multiplies in: cast once for several products."""
    kind = x.device.type
    return x.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else x


def scored_ends(x: Tensor, weight: Tensor, ends: Tensor) -> Tensor:
    """Return scores of genes as source, then as target, by vectors over their linear map: ``[genes, 2 * heads]``.

    The map, ``weight`` ``[heads * width, in_width]``, and the vectors, ``ends`` ``[2, heads, width]``, are joined into
    one map of the features ``[genes, in_width]``: its gradient need not pass what the heads send.
    """
    by_head = weight.unflatten(0, (ends.shape[1], -1))
    by_end = ends.transpose(0, 1) @ by_head  # [heads, 2, in_width]
    return F.linear(x, by_end.transpose(0, 1).flatten(0, 1))


def draw_again(*maps: nn.Linear) -> None:
    """Draw weights once more, as torch_geometric does: the same seed gives the same weights as its layers have."""
    for one in maps:
        one.reset_parameters()


def glorot(weight: Tensor) -> Tensor:
    """Draw Xavier's uniform weights ``[..., out, in]``."""
    bound = math.sqrt(6.0 / (weight.shape[-2] + weight.shape[-1]))
    return nn.init.uniform_(weight, -bound, bound)
