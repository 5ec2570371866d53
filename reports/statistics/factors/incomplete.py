"""Factors together where not every combination of levels was run in every block: what can still be told.

The p is by flipping the signs of whole blocks, see :mod:`reports.statistics.factors.flips`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.statistics.arrays import Values
from reports.statistics.factors.contrasts import Acting, effect_columns, named
from reports.statistics.factors.flips import flipped, within
from reports.statistics.multiplicity import holm


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


def flip_tests(rows: Rows) -> pd.DataFrame:
    """Test the main effects and two-factor interactions that the design can tell apart, one row each.

    ``df`` of ``df_all`` degrees of freedom were told apart, from ``blocks`` blocks; ``p_holm`` is over these effects.
    """
    out = []
    for effect, columns in rows.effects.items():
        test = flipped(rows.y, rows.block, columns, rows.rest(effect))
        row = {"effect": named(effect), "df": test.df, "df_all": columns.shape[1], "blocks": test.blocks, "p": test.p}
        out.append(row)
    table = pd.DataFrame(out)
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
