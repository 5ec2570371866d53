"""Analysis of variance of block means, for factors that are crossed completely, and the contrasts it is made of.

Literature: [1] Greenhouse & Geisser 1959, for contrasts that do not all vary alike.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.linalg import helmert

from reports.statistics.arrays import Values
from reports.statistics.multiplicity import holm
from reports.words.metrics import DECIMALS

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
    # orthonormal contrasts of the levels of each factor
    alone = {f: helmert(len(names)).T[pd.Index(names).get_indexer(pd.Index(design[f]))] for f, names in factors.items()}
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


def rm_anova(means: pd.DataFrame, design: pd.DataFrame, factors: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    """Test all main effects and interactions with blocks as subjects, one row each.

    ``p`` is after Greenhouse and Geisser [1], ``p_holm`` over all effects.

    Parameters
    ----------
    means
        Block means ``[blocks, arms]`` without a gap; every combination of levels is one arm.
    design, factors
        As for :func:`reports.statistics.factors.anova.effect_columns`.
    """
    values = means[design.index].to_numpy(float)
    effects = effect_columns(design, factors).items()
    table = pd.DataFrame(
        [(named(effect), *_test(values @ columns)) for effect, columns in effects],
        columns=["effect", "df", "df_error", "f", "p_uncorrected", "epsilon", "p", "partial_eta2"],
    )
    return table.assign(p_holm=holm(table["p"].to_numpy()))


def _test(scores: Values) -> tuple[int, int, float, float, float, float, float]:
    """Ask whether the contrasts of one effect, ``[blocks, contrasts]``, are zero on average over blocks.

    Returns degrees of freedom of the effect and of its error, F, p, epsilon, p after [1], and partial eta squared.
    """
    scores = np.where(np.abs(scores) < 10.0**-DECIMALS, 0.0, scores)  # the last bits of equal arms differ
    n, df = scores.shape
    mean = scores.mean(axis=0)
    between, within = n * float(mean @ mean), float(((scores - mean) ** 2).sum())
    df_error = df * (n - 1)
    if between == 0.0:
        return df, df_error, 0.0, 1.0, 1.0, 1.0, 0.0
    if within / df_error < 10.0 ** (-2 * DECIMALS):
        # blocks that all agree to the last digit leave no error to judge by: what is left is how rarely signs agree
        p = 2.0 ** (1 - n)
        return df, df_error, np.inf, p, 1.0, p, 1.0
    f = between / df / (within / df_error)
    # Greenhouse and Geisser's epsilon: 1 where all contrasts of an effect vary alike, less otherwise
    covariance = np.atleast_2d(np.cov(scores, rowvar=False))
    size = df * float((covariance**2).sum())
    epsilon = float(np.trace(covariance) ** 2 / size) if size > 0 else 1.0
    p, corrected = float(stats.f.sf(f, df, df_error)), float(stats.f.sf(f, epsilon * df, epsilon * df_error))
    return df, df_error, f, p, epsilon, corrected, between / (between + within)


def marginal_means(block_means: pd.DataFrame, design: pd.DataFrame) -> pd.DataFrame:
    """Average the arms that share a level, or the levels of two factors."""
    of_arm = block_means[design.index].mean().rename("mean")
    out = []
    for effect in effect_columns(design, {str(f): tuple(sorted(design[f].unique())) for f in design}, most=2):
        by = design.join(of_arm).groupby(list(effect))["mean"].mean()
        for level, mean in by.items():
            name = ", ".join(level) if isinstance(level, tuple) else str(level)
            out.append((named(effect), name, float(mean)))
    return pd.DataFrame(out, columns=["effect", "level", "mean"])
