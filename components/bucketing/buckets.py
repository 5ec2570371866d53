"""Cuts expression into levels: the edges of a gene-cell graph whose relations are expression levels.

Source: GP-DHT 2.2.1 and 2.2.2, eqs 1-10. Pure functions of ``[genes, cells]``.

A zero has no edge, so the 9999 with which eqs 7 and 10 mark the position of a zero has nothing to sit on and does not
occur here: level 0 is where :class:`Edges` holds nothing. Values below zero do not occur in expression; where a
control puts them (``noise``), they are treated as zeros, since eq 1 has no logarithm for them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from components.core.dataset import Ints

Reals = NDArray[np.float64]
Log = Literal["ln", "none"]

FLAT = 1e-12  # a range no wider than this is rounding, not variation


@dataclass(frozen=True)
class Edges:
    """Edges (gene, cell, level) in one direction; every one stands for its reverse, too: ``2 * len`` in all.

    Attributes
    ----------
    gene, cell
        ``[edges]``: rows and columns of the expression.
    level
        ``[edges]``, 1 to K: the relation.
    position
        ``[edges]``, 0 to K: where the value lies in its gene's range, in units of levels (r of eqs 7 and 10).
    """

    gene: Ints
    cell: Ints
    level: Ints
    position: Reals

    def __len__(self) -> int:
        return len(self.gene)


def log_positive(expression: NDArray[np.floating], log: Log = "ln") -> Reals:
    """Take the logarithm of what a gene expresses and keep its zeros apart: ``[genes, cells]``, NaN where silent.

    ``none`` leaves the values as they are, for expression that is on a log scale already.

    Source: GP-DHT eqs 1 and 4. Eq 1 writes 0 for a zero; NaN cannot be mistaken for ln(1).
    """
    values = np.where(expression > 0, expression, np.nan).astype(np.float64)
    return np.log(values) if log == "ln" else values


def bounds(values: Reals) -> tuple[Reals, Reals]:
    """Return the range [L, U] in which a gene is told apart: two ``[genes, 1]``.

    ``[max(mu - 2 sd, min), min(mu + 2 sd, max)]`` over the cells in which the gene is not silent (a zero has no
    logarithm), with n - 1 under the variance. NaN for a gene that is silent everywhere.

    Source: GP-DHT eqs 2 and 5.
    """
    seen = ~np.isnan(values)
    n = seen.sum(axis=1, keepdims=True)
    known = np.where(seen, values, 0.0)
    mean = np.where(n > 0, known.sum(axis=1, keepdims=True) / np.maximum(n, 1), np.nan)
    squares = np.where(seen, (known - mean) ** 2, 0.0).sum(axis=1, keepdims=True)
    sd = np.sqrt(squares / np.maximum(n - 1, 1))
    low = np.where(seen, values, np.inf).min(axis=1, keepdims=True)
    high = np.where(seen, values, -np.inf).max(axis=1, keepdims=True)
    return np.maximum(mean - 2 * sd, low), np.minimum(mean + 2 * sd, high)


def uniform(expression: NDArray[np.floating], levels: int, log: Log = "ln") -> Edges:
    """Cut each gene's range into K levels of one width: 2M edges for M values above zero, reverse edges included.

    A value beyond the range goes to the lowest or highest level. A gene without variation has one level, the first.

    Source: GP-DHT eqs 3-7.
    """
    values = log_positive(expression, log)
    low, high = bounds(values)
    width = (high - low) / levels
    width = np.where(width > FLAT, width, 1.0)
    gene, cell = np.nonzero(~np.isnan(values))
    position = ((np.clip(values, low, high) - low) / width)[gene, cell]
    return Edges(gene, cell, _level(position, levels), position)


def cumulative(expression: NDArray[np.floating], levels: int, log: Log = "ln") -> Edges:
    """Repeat every edge of :func:`uniform` on each level up to its own: O(KM) edges for M values above zero.

    The position is the same on every level.

    Source: GP-DHT eqs 8-10.
    """
    own = uniform(expression, levels, log)
    repeated = np.repeat(np.arange(len(own)), own.level)
    first = np.repeat(np.cumsum(own.level) - own.level, own.level)
    level = np.arange(len(repeated)) - first + 1
    return Edges(own.gene[repeated], own.cell[repeated], level, own.position[repeated])


def quantile(expression: NDArray[np.floating], levels: int, log: Log = "ln") -> Edges:
    """Give every level of a gene the same number of cells: 2M edges for M values above zero.

    A value's position is K times the share of the gene's other values below it (the mean share, where values tie),
    so ties stay on one level, and the logarithm changes nothing.

    Source: knockout; the alternative that neither paper tried.
    """
    values = log_positive(expression, log)
    gene, cell = np.nonzero(~np.isnan(values))
    position = np.empty(len(gene))
    for rows in np.split(np.arange(len(gene)), np.flatnonzero(np.diff(gene)) + 1):
        _, place, count = np.unique(values[gene[rows], cell[rows]], return_inverse=True, return_counts=True)
        below = np.cumsum(count) - count + (count - 1) / 2
        position[rows] = levels * below[place] / max(len(rows), 1)
    return Edges(gene, cell, _level(position, levels), position)


BUCKETS: dict[str, Callable[[NDArray[np.floating], int, Log], Edges]] = {
    "uniform": uniform,
    "cumulative": cumulative,
    "quantile": quantile,
}


def _level(position: Reals, levels: int) -> Ints:
    return np.clip(np.floor(position), 0, levels - 1).astype(np.int64) + 1
