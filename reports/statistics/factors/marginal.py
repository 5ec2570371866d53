"""Which level of a factor wins, and by how much, averaged over the levels of the others."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from reports.statistics.pairs.max_t import simultaneous


def marginal_contrasts(
    means: pd.DataFrame, design: pd.DataFrame, factors: dict[str, tuple[str, ...]], alpha: float = 0.05
) -> pd.DataFrame:
    """Compare the marginal means of every two levels of every factor; all intervals hold together.

    Parameters
    ----------
    means
        Block means ``[blocks, arms]`` without a gap; every combination of levels is one arm.
    design, factors
        As for :func:`reports.statistics.factors.contrasts.effect_columns`.
    alpha
        What all intervals may err by together.

    Returns
    -------
    pandas.DataFrame
        ``factor, level, against, mean_difference, low, high``, the better level first.
    """
    names, columns = [], []
    for factor, levels in factors.items():
        of_level = {level: means[design.index[design[factor] == level]].mean(axis=1) for level in levels}
        ranked = pd.Series({level: of_level[level].mean() for level in levels}).sort_values(ascending=False).index
        for better, worse in combinations(ranked, 2):
            names.append((factor, better, worse))
            columns.append((of_level[better] - of_level[worse]).to_numpy())
    mean, low, high = simultaneous(np.column_stack(columns), alpha)
    table = pd.DataFrame(names, columns=["factor", "level", "against"])
    return table.assign(mean_difference=mean, low=low, high=high)
