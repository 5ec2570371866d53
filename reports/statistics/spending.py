"""How much of a level each look at a growing study may spend, so that all looks together err no more than one would.

Literature: Lan & DeMets 1983 (spending functions; here the one in the manner of O'Brien & Fleming); Armitage,
McPherson & Rowe 1969 (the integral).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy import optimize, stats

from reports.statistics.arrays import Values

_WIDEST = 8.0  # standard deviations: nothing of a level is left beyond
_POINTS = 801


def spent(information: float, alpha: float = 0.05) -> float:
    """Return how much of ``alpha`` may be spent when this share of the blocks is in, half of it on either side.

    Parameters
    ----------
    information
        Finished over planned blocks, in (0, 1].
    alpha
        What all looks together may err by, in (0, 1).
    """
    if not 0.0 < information <= 1.0:
        raise ValueError(f"information is a share in (0, 1], got {information}")
    return float(4.0 * stats.norm.sf(stats.norm.isf(alpha / 4.0) / math.sqrt(information)))


def look_levels(information: Sequence[float], alpha: float = 0.05) -> tuple[float, ...]:
    """Return the level at which each look tests, so that all of them together err by ``spent`` of the last one.

    Parameters
    ----------
    information
        Share of the blocks that is in at each look, rising.
    alpha
        What all looks together may err by, in (0, 1).
    """
    if any(later <= earlier for earlier, later in pairwise(information)):
        raise ValueError(f"looks come one after the other, got {list(information)}")
    levels: list[float] = []
    grid, density = np.zeros(1), np.ones(1)  # of the sum so far, in studies that no look has stopped
    at = erred = 0.0
    for share in information:
        step = math.sqrt(share - at)
        bound = _bound(share, step, spent(share, alpha) - erred, grid, density)
        edge = bound * math.sqrt(share)
        nodes = np.linspace(-edge, edge, _POINTS)
        weights = np.full(_POINTS, nodes[1] - nodes[0])
        weights[[0, -1]] /= 2.0  # trapezoids
        density = (stats.norm.pdf((nodes[:, None] - grid) / step) / step @ density) * weights
        levels.append(float(2.0 * stats.norm.sf(bound)))
        grid, at, erred = nodes, share, spent(share, alpha)
    return tuple(levels)


def _bound(share: float, step: float, allowed: float, grid: Values, density: Values) -> float:
    """Return the bound, in standard deviations, at which a look errs as much as it is allowed to."""

    def excess(bound: float) -> float:
        edge = bound * math.sqrt(share)
        beyond = stats.norm.sf((edge - grid) / step) + stats.norm.cdf((-edge - grid) / step)
        return float(density @ beyond) - allowed

    return float(optimize.brentq(excess, 0.0, _WIDEST)) if excess(_WIDEST) < 0.0 else _WIDEST
