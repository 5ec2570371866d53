"""Factors together where not every combination of levels was run in every block, by flipping the signs of whole blocks.

What one independent block says about an effect is as likely to point one way as the other if there is no effect and
block differences are symmetric. That holds for interactions as for main effects, and however much of a block's
differences comes from how it takes to one level or another. Literature: [1] Hemerik, Goeman & Finos 2020 (flipped
scores); [2] De Santis, Goeman, Hemerik & Finos 2022 (each flip standardised, for gaps in the design).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.statistics.arrays import Values
from reports.statistics.attainability import smallest_p
from reports.statistics.factors.anova import Acting, effect_columns, named
from reports.statistics.multiplicity import holm
from reports.statistics.pairs.max_t import sign_patterns
from reports.words.metrics import DECIMALS

_ALL_UP_TO = 13  # blocks: 2**12 patterns, the other half says the same
_DRAWN = 10_000  # patterns beyond, the observed one among them
_NOTHING = 1e-8  # a column shorter than this is what rounding leaves of zero


def _flipped(y: Values, block: NDArray[np.intp], effect: Values, rest: Values) -> tuple[int, int, float]:
    """Test the contrasts of one effect given the rest, ``[rows, contrasts]`` each.

    Returns the degrees of freedom that the design can tell apart, 0 where it can none; the blocks that bear on the
    effect; and p.
    """
    others = basis(within(rest, block))
    own = within(effect, block)
    own = basis(own - others @ (others.T @ own))
    if not own.shape[1]:
        return 0, 0, 1.0
    centred = within(y[:, None], block)[:, 0]
    residual = centred - others @ (others.T @ centred)
    residual[np.abs(residual) < 10.0**-DECIMALS] = 0.0  # the last bits of equal arms differ
    per_block = [block == b for b in range(int(block.max()) + 1)]
    bears = [rows for rows in per_block if np.abs(own[rows]).max() > _NOTHING]
    scores = np.stack([own[rows].T @ residual[rows] for rows in bears])
    leaks = np.stack([own[rows].T @ others[rows] for rows in bears])
    signs = sign_patterns(len(bears), _ALL_UP_TO, _DRAWN)
    sizes = _sizes(signs @ scores, np.einsum("fb,bqp->fqp", signs, leaks))
    observed = float((scores.sum(axis=0) ** 2).sum())
    reached = int((sizes >= observed * (1 - 1e-9)).sum())
    return own.shape[1], len(bears), reached / len(signs)


def smallest(blocks: int, effects: int) -> float:
    """Return the smallest Holm p that so many effects over so many blocks can reach by flipped signs."""
    return min(1.0, effects * smallest_p(blocks)) if blocks <= _ALL_UP_TO else min(1.0, effects / _DRAWN)


def within(columns: Values, block: NDArray[np.intp]) -> Values:
    """Take the mean of its block out of every row."""
    counts = np.bincount(block)
    means = np.stack([np.bincount(block, weights=column) for column in columns.T], axis=1) / counts[:, None]
    return np.asarray(columns - means[block], dtype=float)


def basis(columns: Values) -> Values:
    """Span the same space as the contrasts by orthonormal ones; shorter than 1e-8 is nothing."""
    left, lengths, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(left[:, lengths > _NOTHING], dtype=float)


def _sizes(totals: Values, leaked: Values) -> Values:
    """Measure the flipped effects, ``[flips, contrasts]``, by the variance that each has: less where more leaks.

    A flipped block takes what it shares with the other effects along; where all blocks have the same arms these
    shares are zero, and all flips vary alike.
    """
    if np.abs(leaked).max(initial=0.0) < _NOTHING:
        return np.asarray((totals**2).sum(axis=1), dtype=float)
    variance = np.eye(totals.shape[1]) - np.einsum("fqp,frp->fqr", leaked, leaked)
    inverse = np.linalg.pinv(variance, rcond=1e-6, hermitian=True)
    return np.asarray(np.einsum("fq,fqr,fr->f", totals, inverse, totals), dtype=float)


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
    means
        Block means ``[blocks, arms]``, NaN where a cell was not run; at least two arms in every block.
    design, factors
        As for :func:`reports.statistics.factors.anova.effect_columns`.
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


def flip_tests(rows: Rows) -> pd.DataFrame:
    """Test the main effects and two-factor interactions that the design can tell apart, one row each.

    ``df`` of ``df_all`` degrees of freedom were told apart, from ``blocks`` blocks; ``p_holm`` is over these effects.
    """
    out = []
    for effect, columns in rows.effects.items():
        df, blocks, p = _flipped(rows.y, rows.block, columns, rows.rest(effect))
        out.append((named(effect), df, columns.shape[1], blocks, p))
    table = pd.DataFrame(out, columns=["effect", "df", "df_all", "blocks", "p"])
    table = table[table["df"] > 0].reset_index(drop=True)
    return table.assign(p_holm=holm(table["p"].to_numpy()))


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
