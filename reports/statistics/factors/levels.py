"""Which level of a factor wins, averaged over the levels of the others or at each level of one of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from reports.statistics.pairs.max_t import MIN_FLIPPED, simultaneous, step_down


def marginal_contrasts(
    means: pd.DataFrame, design: pd.DataFrame, factors: dict[str, tuple[str, ...]], alpha: float = 0.05
) -> pd.DataFrame:
    """Compare the marginal means of every two levels of every factor; all intervals hold together.

    Parameters
    ----------
    means, design, factors
        As for :func:`reports.statistics.factors.anova.rm_anova`.
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


def simple_effects(
    means: pd.DataFrame,
    design: pd.DataFrame,
    factors: dict[str, tuple[str, ...]],
    pairs: Sequence[tuple[str, str]],
    base: dict[str, str],
    *,
    level: float = 0.95,
) -> pd.DataFrame:
    """Compare the levels of one factor inside every level of another, by the test that findings use.

    One family is all comparisons of one factor across the levels of one other: step-down max-T over whole blocks, with
    simultaneous intervals.

    Parameters
    ----------
    means, design, factors
        As for :func:`reports.statistics.factors.anova.rm_anova`; further factors are averaged over.
    pairs
        The two-factor interactions that were found.
    base
        Level of each factor that the others are compared with; without one, all levels are compared.
    level
        Confidence level of the intervals, of a family together.

    Returns
    -------
    pandas.DataFrame
        A row per comparison; ``p`` is adjusted, and NaN with fewer than six blocks.
    """
    tables = []
    for factor, at in (family for pair in pairs for family in (pair, pair[::-1])):
        levels, against = factors[factor], base.get(factor)
        two = list(combinations(levels, 2)) if against is None else [(one, against) for one in levels if one != against]
        compared = [(factor, one, other, at, inside) for inside in factors[at] for one, other in two]
        differences = np.stack(
            [
                _mean(means, design, {factor: one, at: inside}) - _mean(means, design, {factor: other, at: inside})
                for _, one, other, _, inside in compared
            ],
            axis=1,
        )
        mean, low, high = simultaneous(differences, 1 - level)
        p = step_down(differences) if len(differences) >= MIN_FLIPPED else np.nan
        table = pd.DataFrame(compared, columns=["factor", "level", "against", "at_factor", "at_level"])
        tables.append(table.assign(blocks=len(differences), mean_difference=mean, low=low, high=high, p=p))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _mean(means: pd.DataFrame, design: pd.DataFrame, where: dict[str, str]) -> np.ndarray:
    arms = design.index[np.logical_and.reduce([design[f] == one for f, one in where.items()])]
    return means[arms].mean(axis=1).to_numpy()
