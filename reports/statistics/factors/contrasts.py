"""Contrasts between the levels of the factors: what every test of factors together is made of."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Acting = tuple[str, ...]  # the factors that act in an effect: one in a main effect, several in an interaction


def effect_columns(
    design: pd.DataFrame, factors: dict[str, tuple[str, ...]], most: int | None = None
) -> dict[Acting, NDArray[np.float64]]:
    """Write every effect of the factors as contrasts of its arms, main effects first.

    Parameters
    ----------
    design
        Level of every factor in each arm, ``[arms, factors]``.
    factors
        The levels of each factor.
    most
        Most factors in one interaction; all of them by default.

    Returns
    -------
    dict
        For each effect ``[arms, degrees of freedom]``. Where every combination of levels is there once, the
        columns of all effects are orthogonal, and those of one effect equally long.
    """
    alone = {f: _helmert(len(names))[pd.Index(names).get_indexer(pd.Index(design[f]))] for f, names in factors.items()}
    out: dict[Acting, NDArray[np.float64]] = {}
    for size in range(1, (most or len(factors)) + 1):
        for effect in combinations(factors, size):
            columns = np.ones((len(design), 1))
            for factor in effect:
                columns = np.einsum("ap,aq->apq", columns, alone[factor]).reshape(len(design), -1)
            out[effect] = columns
    return out


def named(effect: Acting) -> str:
    """Write an effect as reports print it."""
    return " × ".join(effect)


def _helmert(n: int) -> NDArray[np.float64]:
    """Return ``n - 1`` orthonormal contrasts of ``n`` levels, ``[levels, contrasts]``."""
    rows = [[1.0] * i + [-float(i)] + [0.0] * (n - i - 1) for i in range(1, n)]
    return np.array([np.array(row) / np.linalg.norm(row) for row in rows]).T
