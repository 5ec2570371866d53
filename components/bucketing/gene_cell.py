"""GP-DHT's bucketing: expression levels become relations of a gene-cell graph, which an encoder embeds.

Source: GP-DHT 2.2 (eqs 1-14); buckets in :mod:`components.bucketing.buckets`, encoder in
:mod:`components.bucketing.relations`.

Cost on mESC TFs+500 (1120 genes x 421 cells, 415,574 positive values), one CPU core, width 256, one layer: edges in
both directions, seconds of forward + backward per batch, and peak memory beyond the 305 MB of Python, torch and
expression:

==========  ======  ===  =========  =================  ======
level       levels  dim  edges      seconds            memory
==========  ======  ===  =========  =================  ======
uniform          5   64    831,148  0.036 + 0.010       65 MB
uniform          5  256    831,148  0.18 + 0.10        190 MB
uniform         10   64    831,148  0.055 + 0.025      105 MB
cumulative       5   64  2.8 M      0.095 + 0.020      135 MB
cumulative      10   64  5.2 M      0.18 + 0.04        245 MB
cumulative      10  256  5.2 M      0.95 + 0.13        400 MB
quantile         5   64    831,148  0.036 + 0.010       60 MB
==========  ======  ===  =========  =================  ======

Building the graph takes 0.1 to 0.7 s per training. Two layers, which need both directions, take three times as long.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from components.bucketing.base import Bucketing
from components.bucketing.buckets import Edges, Log, cumulative, quantile, uniform
from components.bucketing.relations import GeneCellLayer, Similarity, both_ways
from components.core.registry import register
from components.core.settings import setting


class GeneCellBucketing(Bucketing):
    """Base of bucketings over the gene-cell graph: ``[genes, cells]`` to ``[genes, width]``.

    A one-hot node times a weight matrix is a row of that matrix, so that nodes are rows of two tables (``genes``,
    ``cells``), and the encoder is tied to the genes and cells of one data set. Each layer updates genes and cells (eqs
    11-14), the last one only genes: nothing reads its cells.
    """

    cut: Callable[[np.ndarray, int, Log], Edges]  # values into levels
    tied_to: ClassVar[str] = "the genes and cells it was trained on"
    per_gene: ClassVar[tuple[str, ...]] = ("genes",)

    class Settings(Bucketing.Settings):
        """Settings of buckets and encoder. Only the width is from the paper."""

        levels: int = setting(5, "expression levels K: relations per direction", ge=1, le=50, search=(3, 10))
        log: Log = setting(
            "ln",
            "eq 1 to the letter, also for expression that is on a log scale already (as BEELINE's is), or no logarithm",
            search=("ln", "none"),
        )
        dim: int = setting(
            64, "width of node tables and of messages within a relation", ge=4, le=1024, search=(32, 64, 128, 256)
        )
        width: int = setting(
            256, "width of a gene's embedding (2.3.4: 'embedding dimension of 256')", ge=4, le=4096, search=(64, 512)
        )
        layers: int = setting(1, "layers of message passing (2.2.3: 'after one layer')", ge=1, le=4, search=(1, 2))
        temperature: float = setting(0.1, "tau of eq 12", ge=1e-3, le=100.0, search=(0.01, 1.0), log=True)
        heads: int = setting(
            1, "parts of a projection that eq 12 normalises apart; must divide dim", ge=1, le=32, divides="dim"
        )
        similarity: Similarity = setting(
            "target",
            "what the target's projection is compared with in eq 12: itself, as printed, or the aggregated message",
            search=("target", "message"),
        )
        unit_gain: bool = setting(True, "multiply eq 12 by the number of features, so that its mean weight is 1")
        edge_weight: Literal["none", "position"] = setting(
            "none",
            "multiply a message by r / K of its edge (eqs 7, 10); eq 13 as printed does not read r",
            search=("none", "position"),
        )

    def __init__(self, settings: Settings, expression: Tensor) -> None:
        super().__init__()
        s = settings
        self.width = s.width
        edges = self.cut(expression.detach().cpu().numpy(), s.levels, s.log)
        self.into_genes, into_cells = both_ways(edges, s.levels, expression.shape, weighted=s.edge_weight == "position")
        self.into_cells = into_cells if s.layers > 1 else None
        self.genes = nn.Parameter(torch.randn(expression.shape[0], s.dim))
        self.cells = nn.Parameter(torch.randn(expression.shape[1], s.dim))
        self.layers = nn.ModuleList()
        for position in range(1, s.layers + 1):
            in_width = s.dim if position == 1 else s.width
            self.layers.append(GeneCellLayer(s, in_width, cells=position < s.layers))

    def forward(self) -> Tensor:
        """Return gene embeddings ``[genes, width]`` (G of 2.2.3)."""
        genes, cells = self.genes, self.cells
        for layer in self.layers:
            genes, cells = layer(genes, cells, self.into_genes, self.into_cells)
        return genes


@register("bucketing", "uniform")
class UniformBucketing(GeneCellBucketing):
    """Embeds each gene by the cells that express it, at K levels of equal width.

    ``[genes, cells]`` to ``[genes, width]``; zeros have no edge.

    Source: GP-DHT eqs 1-7 and 11-14.
    """

    cut = staticmethod(uniform)


@register("bucketing", "cumulative")
class CumulativeBucketing(GeneCellBucketing):
    """Embeds each gene by the cells that express it, at K levels that each include the ones above.

    ``[genes, cells]`` to ``[genes, width]``: a value has an edge on every level up to its own; zeros have no edge.

    Source: GP-DHT eqs 8-10 and 11-14.
    """

    cut = staticmethod(cumulative)


@register("bucketing", "quantile")
class QuantileBucketing(GeneCellBucketing):
    """Embeds each gene by the cells that express it, at K levels with equally many cells.

    ``[genes, cells]`` to ``[genes, width]``; zeros have no edge. The logarithm keeps ranks, so that ``log`` cannot act.

    Source: knockout; encoder of GP-DHT eqs 11-14.
    """

    cut = staticmethod(quantile)

    class Settings(GeneCellBucketing.Settings):
        """Settings of the equal-count buckets."""

        log: Literal["ln"] = setting("ln", "ranks are the same with and without a logarithm")
