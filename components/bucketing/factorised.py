"""Expression factorised into gene and cell embeddings by a gene-cell graph, before any label is read.

Source: public code of GMFGRN (Lishuoyy/GMFGRN) and HGATLink (aniani6aa/HGATLink).
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from components.bucketing.base import Bucketing
from components.bucketing.buckets import Edges, Log, uniform
from components.bucketing.relations import Neighbours, NeighbourSum, feature_weights
from components.core.dataset import Ints, Reals
from components.core.registry import register
from components.core.settings import setting

CLIP = 20.0  # standard deviations beyond which the target of the regression is cut

Message = Literal["sum", "gated_maximum"]


@register("bucketing", "factorised")
class FactorisedBucketing(Bucketing):
    """Embeds each gene by a factorisation of the expression matrix, which reads no label and is then frozen.

    ``[genes, cells]`` to ``[genes, width]``, or ``[genes, 2 * width]`` with ``cells``. A stage before all others fits
    :class:`Factorisation` for the budget's ``unsupervised_steps`` and keeps the embeddings of the lowest loss. They are
    zeros until then.

    Source: public code of GMFGRN and HGATLink.
    """

    tied_to = "the genes and cells it was fitted to"
    unsupervised = True
    labelled_only: ClassVar[tuple[str, ...]] = ("cells",)  # the stage does not read it: arms may share that stage

    class Settings(Bucketing.Settings):
        """Settings of buckets, encoder and fit; defaults are those of both public codes."""

        levels: int = setting(15, "expression levels: relations per direction", ge=1, le=50, search=(5, 20))
        log: Log = setting("ln", "logarithm of a value before it is given a level, or none", search=("ln", "none"))
        message: Message = setting(
            "sum",
            "what a node receives in a relation: its neighbours' sum (GMFGRN), or their maximum weighted by feature "
            "(HGATLink)",
            search=("sum", "gated_maximum"),
        )
        dim: int = setting(256, "width of messages within a relation", ge=4, le=1024, search=(32, 64, 128, 256))
        width: int = setting(256, "width of an embedding", ge=4, le=4096, search=(32, 256), log=True)
        heads: int = setting(
            4, "parts of a gate that are normalised apart; must divide dim", ge=1, le=32, divides="dim"
        )
        temperature: float = setting(0.25, "temperature of the gate", ge=1e-3, le=100.0)
        cells: bool = setting(False, "append the mean embedding of the cells that express a gene (GMFGRN)")
        learning_rate: float = setting(0.01, "learning rate of the fit, by Adam", ge=1e-6, le=1.0)
        clip: float = setting(0.1, "norm that the fit's gradient is cut to", ge=1e-6, le=1e6)

    def __init__(self, settings: Settings, expression: Tensor) -> None:
        super().__init__()
        self.settings = settings
        self.width = settings.width * (2 if settings.cells else 1)
        self.expression = nn.Buffer(expression, persistent=False)
        self.genes: Tensor = nn.Buffer(expression.new_zeros(len(expression), settings.width))
        self.cells: Tensor = nn.Buffer(expression.new_zeros(len(expression), settings.width))

    def unfitted(self) -> Factorisation:
        """Return what is to be fitted, with weights drawn anew."""
        return Factorisation(self.settings, self.expression.detach().cpu().numpy())

    @torch.no_grad()
    def keep(self, fitted: Factorisation) -> None:
        """Freeze the embeddings as they are now."""
        genes, cells = fitted.embeddings()
        self.genes, self.cells = genes, fitted.mean_over_cells(cells)

    def forward(self) -> Tensor:
        """Return frozen embeddings ``[genes, width]``, those of cells behind those of genes."""
        return torch.cat([self.genes, self.cells], dim=1) if self.settings.cells else self.genes


class Factorisation(nn.Module):
    """Embeds genes and cells so that their products are the expression: returns the mean squared error.

    The target is the z-score of a positive value over the cells that express the gene, as handed in, without a
    logarithm, cut at :data:`CLIP`; zeros are no part of it.
    """

    def __init__(self, settings: FactorisedBucketing.Settings, expression: np.ndarray) -> None:
        super().__init__()
        edges = uniform(expression, settings.levels, settings.log, ddof=0)
        genes, cells = (edges.gene, expression.shape[0]), (edges.cell, expression.shape[1])
        self.to_genes = _Messages(settings, edges.level, cells, genes)
        self.to_cells = _Messages(settings, edges.level, genes, cells)
        positive, target = z_scores(expression, edges)
        self.positive = nn.Buffer(torch.from_numpy(positive), persistent=False)
        self.target = nn.Buffer(torch.from_numpy(target), persistent=False)

    def embeddings(self) -> tuple[Tensor, Tensor]:
        """Return embeddings of genes ``[genes, width]`` and of cells ``[cells, width]``."""
        return self.to_genes(), self.to_cells()

    def mean_over_cells(self, cells: Tensor) -> Tensor:
        """Return the mean embedding of the cells that express each gene, ``[genes, width]``; zeros if none does."""
        return self.positive @ cells / self.positive.sum(dim=1, keepdim=True).clamp_min(1.0)

    def forward(self) -> Tensor:
        """Return the mean squared error over positive values, a scalar."""
        genes, cells = self.embeddings()
        error = (genes @ cells.t() - self.target) * self.positive
        return error.square().sum() / self.positive.sum().clamp_min(1.0)


def z_scores(expression: np.ndarray, edges: Edges) -> tuple[np.ndarray, np.ndarray]:
    """Return which values have an edge and their z-scores over a gene's edges, two ``[genes, cells]``, zeros elsewhere.

    A gene without variation has zeros.
    """
    positive = np.zeros(expression.shape)
    positive[edges.gene, edges.cell] = 1.0
    n = np.maximum(positive.sum(axis=1, keepdims=True), 1)
    mean = (expression * positive).sum(axis=1, keepdims=True) / n
    centred = (expression - mean) * positive
    sd = np.sqrt((centred**2).sum(axis=1, keepdims=True) / n)
    z: Reals = np.clip(np.divide(centred, sd, out=np.zeros_like(centred), where=sd > 1e-6), -CLIP, CLIP)
    return positive.astype(np.float32), z.astype(np.float32)


def _scale(ends: Ints, n: int) -> Tensor:
    """Return 1 / sqrt(edges of a node), ``[nodes, 1]``."""
    degree = np.bincount(ends, minlength=n).clip(min=1)
    return torch.from_numpy((degree**-0.5).astype(np.float32)).unsqueeze(1)


class _Messages(nn.Module):
    """Embeds one kind of node, ``[targets, width]``, by what it receives from the other in each relation.

    ``sources`` and ``targets`` are the ends of the edges on either side, ``[edges]``, and how many nodes there are.
    """

    def __init__(
        self, settings: FactorisedBucketing.Settings, level: Ints, sources: tuple[Ints, int], targets: tuple[Ints, int]
    ) -> None:
        super().__init__()
        s = self.settings = settings
        (source, n_sources), (target, n_targets) = sources, targets
        n = (s.levels, n_sources, n_targets)
        self.sources = nn.Buffer(_scale(*sources), persistent=False)
        self.targets = nn.Buffer(_scale(*targets), persistent=False)
        self.source = _tables(s.levels, n_sources, s.dim)
        if s.message == "gated_maximum":
            self.graph: nn.Module = Neighbours(source, target, level, None, n)
            self.target = _tables(s.levels, n_targets, s.dim)
        else:
            self.graph = NeighbourSum(source, target, level, n)
        self.join = nn.Linear(s.levels * s.dim, s.width)
        nn.init.xavier_uniform_(self.join.weight)  # as the tables: both codes reset every matrix so

    def forward(self) -> Tensor:
        """Return embeddings ``[targets, width]``."""
        s, source = self.settings, self.source * self.sources
        if s.message == "gated_maximum":
            own = self.target * self.targets
            received = self.graph(F.relu(source)) * feature_weights(own, own, s.temperature, s.heads)
        else:
            received = self.graph(source) * self.targets
        return self.join(F.relu(received).transpose(0, 1).flatten(1))


def _tables(levels: int, nodes: int, dim: int) -> nn.Parameter:
    """Return one table of node weights per relation, ``[levels, nodes, dim]``."""
    tables = torch.empty(levels, nodes, dim)
    for table in tables:
        nn.init.xavier_uniform_(table)
    return nn.Parameter(tables)
