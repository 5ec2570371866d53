"""Patterns of signs of whole blocks: what each of them might as well have said, without an effect."""

from __future__ import annotations

from functools import lru_cache
from itertools import product

import numpy as np

from reports.statistics.arrays import Values


@lru_cache(maxsize=4)
def sign_patterns(blocks: int, exact: int, drawn: int) -> Values:
    """Return patterns of signs ``[patterns, blocks]``, the observed one (all +1) first.

    A pattern and its mirror image give the same two-sided statistic, so that of all patterns half are enough: the first
    block keeps its sign.

    Parameters
    ----------
    blocks
        Blocks whose signs are flipped.
    exact
        Up to so many blocks, every pattern.
    drawn
        Beyond, so many in all, the observed one among them.
    """
    if blocks <= exact:
        rest = np.array(list(product([1.0, -1.0], repeat=blocks - 1))).reshape(-1, blocks - 1)
        return np.column_stack([np.ones(len(rest)), rest])
    return np.vstack([np.ones(blocks), np.random.default_rng(0).choice([1.0, -1.0], size=(drawn - 1, blocks))])
