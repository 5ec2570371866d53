"""Analysis of variance of factors that are crossed completely: on block means, and on their aligned ranks.

Literature: [1] Greenhouse & Geisser 1959, for contrasts that do not all vary alike; [2] Wobbrock et al. 2011
(aligned rank transform), after Higgins & Tashtoush 1994.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from reports.statistics.arrays import Values
from reports.statistics.factors.contrasts import effect_columns, named
from reports.statistics.multiplicity import holm
from reports.words.metrics import DECIMALS


class _Test(NamedTuple):
    df: int
    df_error: int
    f: float
    p_uncorrected: float
    epsilon: float
    p: float
    partial_eta2: float


def rm_anova(means: pd.DataFrame, design: pd.DataFrame, factors: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    """Test all main effects and interactions with blocks as subjects, one row each.

    ``p`` is after Greenhouse and Geisser [1], ``p_holm`` over all effects; ``p_aligned`` is the same test on
    aligned ranks [2], a sensitivity with a Holm correction of its own.

    Parameters
    ----------
    kept
        Block means ``[blocks, arms]`` without a gap; every combination of levels is one arm.
    design, factors
        As for :func:`reports.statistics.factors.contrasts.effect_columns`.
    """
    values = means[design.index].to_numpy(float)
    rows = []
    for effect, columns in effect_columns(design, factors).items():
        ranks = stats.rankdata(aligned(values, columns).round(DECIMALS)).reshape(values.shape)
        rows.append(
            {"effect": named(effect), **_test(values @ columns)._asdict(), "p_aligned": _test(ranks @ columns).p}
        )
    table = pd.DataFrame(rows)
    both = {"p_holm": holm(table["p"].to_numpy()), "p_aligned_holm": holm(table["p_aligned"].to_numpy())}
    return table.assign(**both)


def _test(scores: Values) -> _Test:
    """Ask whether the contrasts of one effect, ``[blocks, contrasts]``, are zero on average over blocks."""
    scores = np.where(np.abs(scores) < 10.0**-DECIMALS, 0.0, scores)  # the last bits of equal arms differ
    n, df = scores.shape
    mean = scores.mean(axis=0)
    between, within = n * float(mean @ mean), float(((scores - mean) ** 2).sum())
    df_error = df * (n - 1)
    if between == 0.0:
        return _Test(df, df_error, 0.0, 1.0, 1.0, 1.0, 0.0)
    if within / df_error < 10.0 ** (-2 * DECIMALS):
        # blocks that all agree to the last digit leave no error to judge by: what is left is how rarely signs agree
        p = 2.0 ** (1 - n)
        return _Test(df, df_error, np.inf, p, 1.0, p, 1.0)
    f = between / df / (within / df_error)
    epsilon = _epsilon(scores)
    p, corrected = float(stats.f.sf(f, df, df_error)), float(stats.f.sf(f, epsilon * df, epsilon * df_error))
    return _Test(df, df_error, f, p, epsilon, corrected, between / (between + within))


def _epsilon(scores: Values) -> float:
    """Return Greenhouse and Geisser's epsilon: 1 where all contrasts of an effect vary alike, less otherwise."""
    covariance = np.atleast_2d(np.cov(scores, rowvar=False))
    size = len(covariance) * float((covariance**2).sum())
    return float(np.trace(covariance) ** 2 / size) if size > 0 else 1.0


def aligned(values: Values, columns: Values) -> Values:
    """Take all effects but one out of the block means: what is left holds no other [2].

    Parameters
    ----------
    values
        ``[blocks, arms]``, complete.
    columns
        Contrasts of the effect that stays in, ``[arms, contrasts]``.
    """
    means = values.mean(axis=0)
    own = columns @ np.linalg.pinv(columns) @ means
    return np.asarray(values - means + own, dtype=float)


def marginal_means(block_means: pd.DataFrame, design: pd.DataFrame, most: int = 2) -> pd.DataFrame:
    """Average the arms that share a level, or the levels of two factors."""
    of_arm = block_means[design.index].mean().rename("mean")
    out = []
    for effect in effect_columns(design, {str(f): tuple(sorted(design[f].unique())) for f in design}, most):
        by = design.join(of_arm).groupby(list(effect))["mean"].mean()
        for level, mean in by.items():
            name = ", ".join(level) if isinstance(level, tuple) else str(level)
            out.append((named(effect), name, float(mean)))
    return pd.DataFrame(out, columns=["effect", "level", "mean"])
