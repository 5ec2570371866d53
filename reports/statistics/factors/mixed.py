"""Factors together where not every combination of levels was run in every block: what can still be told.

The p is by flipping the signs of whole blocks (see :mod:`reports.statistics.factors.flips`). Beside it, from 15 blocks,
stands a linear mixed model with variance of blocks AND of how each block takes to each level: with that of blocks
alone, .39 of true null hypotheses fall.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from reports.statistics.arrays import Values
from reports.statistics.factors.contrasts import Acting, effect_columns, named
from reports.statistics.factors.flips import basis, flipped, within
from reports.statistics.multiplicity import holm

MIN_WALD = 15  # blocks; fewer tell the variances of a mixed model too badly for its p


@dataclass(frozen=True)
class Rows:
    """The measured cells of a design: ``y``, the block and the levels of each, contrasts of every effect."""

    y: Values
    block: NDArray[np.intp]
    levels: dict[str, NDArray[np.intp]]
    effects: dict[Acting, Values]

    def rest(self, effect: Acting) -> Values:
        """Return the contrasts of all effects that do not hold this one: what it must be told from."""
        others = [columns for other, columns in self.effects.items() if not set(effect) <= set(other)]
        return np.concatenate([np.zeros((len(self.y), 0)), *others], axis=1)


def rows_of(means: pd.DataFrame, design: pd.DataFrame, factors: dict[str, tuple[str, ...]]) -> Rows:
    """Return the measured cells of a design as rows.

    Parameters
    ----------
    kept
        Block means ``[blocks, arms]``, NaN where a cell was not run; at least two arms in every block.
    design, factors
        As for :func:`reports.statistics.factors.contrasts.effect_columns`.
    """
    values = means[design.index].to_numpy(float)
    block, arm = np.nonzero(np.isfinite(values))
    levels = {f: pd.Index(names).get_indexer(pd.Index(design[f]))[arm] for f, names in factors.items()}
    effects = {effect: columns[arm] for effect, columns in effect_columns(design, factors, most=2).items()}
    return Rows(values[block, arm], block, levels, effects)


def separated(rows: Rows) -> bool:
    """Say whether a design tells the main effects of all factors from each other, at least without others."""
    main = np.concatenate([columns for effect, columns in rows.effects.items() if len(effect) == 1], axis=1)
    return bool(np.linalg.matrix_rank(within(main, rows.block), tol=1e-8) == main.shape[1])


def mixed(rows: Rows) -> tuple[pd.DataFrame, str]:
    """Test the main effects and two-factor interactions that the design can tell apart.

    Returns
    -------
    tuple
        One row per effect (``df`` of ``df_all`` degrees of freedom were told apart; ``p`` by flipped signs, ``f`` and
        ``p_wald`` of the mixed model, NaN where there is none), and why there is no mixed model, if so.
    """
    fitted, why = _fitted(rows)
    out = []
    for effect, columns in rows.effects.items():
        test = flipped(rows.y, rows.block, columns, rows.rest(effect))
        wald = _wald(rows, effect, test.df, fitted) if fitted is not None and test.blocks >= MIN_WALD else None
        f, df_error, p = wald or (np.nan, np.nan, np.nan)
        row = {"effect": named(effect), "df": test.df, "df_all": columns.shape[1], "blocks": test.blocks, "p": test.p}
        out.append({**row, "f": f, "df_error": df_error, "p_wald": p})
    table = pd.DataFrame(out)
    table = table[table["df"] > 0].reset_index(drop=True)
    # an effect without a p of the model still counts in its family
    adjusted = np.where(table["p_wald"].isna(), np.nan, holm(table["p_wald"].fillna(1.0).to_numpy()))
    return table.assign(p_holm=holm(table["p"].to_numpy()), p_wald_holm=adjusted), why


def adjusted_means(rows: Rows, factors: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    """Estimate the mean of every level as if each block had run all of them, effects adding up."""
    main = {effect[0]: columns for effect, columns in rows.effects.items() if len(effect) == 1}
    blocks = np.eye(int(rows.block.max()) + 1)[rows.block]
    fit = np.linalg.lstsq(np.concatenate([blocks, *main.values()], axis=1), rows.y, rcond=None)[0]
    grand, at, out = float(fit[: blocks.shape[1]].mean()), blocks.shape[1], []
    for factor, columns in main.items():
        worth = columns @ fit[at : at + columns.shape[1]]
        at += columns.shape[1]
        for i, level in enumerate(factors[factor]):
            out.append((factor, level, grand + float(worth[rows.levels[factor] == i][0])))
    return pd.DataFrame(out, columns=["effect", "level", "mean"])


def _fitted(rows: Rows) -> tuple[Values | None, str]:
    n = int(rows.block.max()) + 1
    if n < MIN_WALD:
        return None, f"A mixed model needs {MIN_WALD} blocks; there are {n}."
    covariance = variances(rows)
    return covariance, "" if covariance is not None else "The mixed model did not converge, so it has no F and no p."


def variances(rows: Rows) -> Values | None:
    """Estimate how the cells vary together, ``[rows, rows]`` (REML); None where that fails.

    Variances: of blocks, of each block's taste for the levels of each factor, and the rest. One of them at zero is
    an answer, not a failure.
    """
    # here, not above: the models of statsmodels take a second to load, which most reports do not need
    from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec

    spread = float(within(rows.y[:, None], rows.block).std())
    if spread == 0.0:
        return None
    members = [np.flatnonzero(rows.block == b) for b in range(int(rows.block.max()) + 1)]
    dummies = {f: np.eye(int(codes.max()) + 1)[codes] for f, codes in rows.levels.items()}
    mats = [[of_level[m] for m in members] for of_level in dummies.values()]
    columns = [[[str(i) for i in range(part.shape[1])] for part in parts] for parts in mats]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spec = VCSpec(list(dummies), columns, mats)
        fixed = _fixed(rows)
        model = MixedLM(rows.y / spread, fixed, groups=rows.block, exog_re=np.ones((len(rows.y), 1)), exog_vc=spec)
        try:
            # gradients stop where a variance is zero, though the likelihood rises beside it
            fit = model.fit(reml=True, method="powell")
        except np.linalg.LinAlgError:
            return None
    components = np.array([fit.scale, float(np.asarray(fit.cov_re)[0, 0]), *fit.vcomp])
    if not fit.converged or not np.isfinite(components).all() or components[0] <= 0:
        return None
    alike = [codes[:, None] == codes[None, :] for codes in rows.levels.values()]
    inside = components[1] + sum(v * same for v, same in zip(components[2:], alike, strict=True))
    same_block = rows.block[:, None] == rows.block[None, :]
    return np.asarray(spread**2 * (components[0] * np.eye(len(rows.y)) + same_block * inside), dtype=float)


def _fixed(rows: Rows) -> Values:
    """Keep of all contrasts those that the design can tell apart, beside the mean."""
    fixed = np.ones((len(rows.y), 1))
    for columns in rows.effects.values():
        for column in columns.T:
            wider = np.column_stack([fixed, column])
            fixed = wider if np.linalg.matrix_rank(wider, tol=1e-8) == wider.shape[1] else fixed
    return fixed


def _wald(rows: Rows, effect: Acting, df: int, covariance: Values) -> tuple[float, int, float] | None:
    """Return F, its error degrees of freedom and p of one effect, given the rest.

    None where it would have other degrees of freedom than blocks can tell apart inside them: ``df``.
    """
    rest = np.column_stack([np.ones(len(rows.y)), rows.rest(effect)])
    root = np.linalg.cholesky(np.linalg.inv(covariance)).T
    size = float(np.linalg.norm(root, 2))
    y, others, own = root @ rows.y, basis(root @ rest, size), root @ rows.effects[effect]
    own = basis(own - others @ (others.T @ own), size)
    df_error = _error(rows, effect)
    if own.shape[1] != df or df_error < 1:
        return None
    f = float(((own.T @ y) ** 2).sum()) / df
    return f, df_error, float(stats.f.sf(f, df, df_error))


def _error(rows: Rows, effect: Acting) -> int:
    """Count what a main effect is held against: its factor's levels inside blocks; an interaction: what remains."""
    pairs = {
        f: np.unique(np.stack([rows.block, codes]), axis=1, return_inverse=True)[1] for f, codes in rows.levels.items()
    }
    inside = {f: np.eye(int(codes.max()) + 1)[codes.ravel()] for f, codes in pairs.items()}
    blocks = np.eye(int(rows.block.max()) + 1)[rows.block]
    fixed = np.column_stack([_fixed(rows), blocks])
    whole = np.linalg.matrix_rank(np.column_stack([fixed, *inside.values()]))
    if len(effect) > 1:
        return int(len(rows.y) - whole)
    rest = [columns for f, columns in inside.items() if f != effect[0]]
    return int(whole - np.linalg.matrix_rank(np.column_stack([fixed, *rest])))
