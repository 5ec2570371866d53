"""Buckets of expression: the edges of a gene-cell graph whose relations are expression levels.

Source: GP-DHT 2.2.1 and 2.2.2, eqs 1-10. Functions of ``[genes, cells]``.

A zero has no edge, so that the 9999 by which eqs 7 and 10 mark the position of a zero does not occur. Values below
zero, which only the control ``noise`` contains, are treated as zeros: eq 1 takes their logarithm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from components.core.dataset import Ints, Reals

Log = Literal["ln", "none"]

FLAT = 1e-12  # a range no wider than this is rounding, not variation


@dataclass(frozen=True)
class Edges:
    """Edges (gene, cell, level), each field ``[edges]``; each is used in both directions."""

    # rows and columns of the expression
    gene: Ints
    cell: Ints
    level: Ints  # 1 to K: the relation
    position: Reals  # 0 to K: of the value in its gene's range, in units of levels (r of eqs 7 and 10)

    def __len__(self) -> int:
        return len(self.gene)


def log_positive(expression: NDArray[np.floating], log: Log = "ln") -> Reals:
    """Return the logarithm of positive values ``[genes, cells]``, NaN elsewhere; ``none`` takes no logarithm.

    Source: GP-DHT eqs 1 and 4. Eq 1 writes 0 for a zero, which could be mistaken for ln(1).
    """
    values = np.where(expression > 0, expression, np.nan).astype(np.float64)
    return np.log(values) if log == "ln" else values


def bounds(values: Reals, ddof: int = 1) -> tuple[Reals, Reals]:
    """Return the range [L, U] that levels divide, two ``[genes, 1]``; NaN stands for a silent cell.

    ``[max(mu - 2 sd, min), min(mu + 2 sd, max)]`` over the cells that express the gene, the variance over n - ddof.
    NaN for a gene that no cell expresses.

    Source: GP-DHT eqs 2 and 5; public code of GMFGRN and HGATLink for ``ddof`` 0.
    """
    expressed = ~np.isnan(values)
    n = expressed.sum(axis=1, keepdims=True)
    filled = np.where(expressed, values, 0.0)
    mean = np.where(n > 0, filled.sum(axis=1, keepdims=True) / np.maximum(n, 1), np.nan)
    squares = np.where(expressed, (filled - mean) ** 2, 0.0).sum(axis=1, keepdims=True)
    sd = np.sqrt(squares / np.maximum(n - ddof, 1))
    low = np.where(expressed, values, np.inf).min(axis=1, keepdims=True)
    high = np.where(expressed, values, -np.inf).max(axis=1, keepdims=True)
    return np.maximum(mean - 2 * sd, low), np.minimum(mean + 2 * sd, high)


def uniform(expression: NDArray[np.floating], levels: int, log: Log = "ln", ddof: int = 1) -> Edges:
    """Cut each gene's range into K levels of equal width: one edge per positive value.

    A value outside the range belongs to the lowest or highest level. A gene without variation has the first level only.

    Source: GP-DHT eqs 3-7.
    """
    values = log_positive(expression, log)
    low, high = bounds(values, ddof)
    width = (high - low) / levels
    width = np.where(width > FLAT, width, 1.0)
    gene, cell = np.nonzero(~np.isnan(values))
    position = ((np.clip(values, low, high) - low) / width)[gene, cell]
    return Edges(gene, cell, _level(position, levels), position)


def cumulative(expression: NDArray[np.floating], levels: int, log: Log = "ln") -> Edges:
    """Repeat each edge of :func:`uniform`, with its position, on every level up to its own.

    Source: GP-DHT eqs 8-10.
    """
    edges = uniform(expression, levels, log)
    repeated = np.repeat(np.arange(len(edges)), edges.level)
    first = np.repeat(np.cumsum(edges.level) - edges.level, edges.level)
    level = np.arange(len(repeated)) - first + 1
    return Edges(edges.gene[repeated], edges.cell[repeated], level, edges.position[repeated])


def quantile(expression: NDArray[np.floating], levels: int, log: Log = "ln") -> Edges:
    """Give each level of a gene the same number of cells: one edge per positive value.

    The position is K times the share of the gene's other values below it, for ties the mean share, so that ties share
    a level. The logarithm changes nothing.

    Source: knockout.
    """
    from scipy.stats import rankdata

    values = log_positive(expression, log)
    expressed = ~np.isnan(values)
    gene, cell = np.nonzero(expressed)
    below = rankdata(values, axis=1, nan_policy="omit")[gene, cell] - 1
    position = levels * below / expressed.sum(axis=1)[gene]
    return Edges(gene, cell, _level(position, levels), position)


def _level(position: Reals, levels: int) -> Ints:
    return np.clip(np.floor(position), 0, levels - 1).astype(np.int64) + 1
