"""Whether the ranks of the arms differ inside blocks: all at once, and pair by pair of mean ranks.

Literature: [1] Demšar 2006 JMLR 7 (Friedman, Nemenyi over data sets); [2] Iman & Davenport 1980; [3] Conover & Iman
1979 (pairs of mean ranks).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scikit_posthocs
from scipy import stats

from reports.statistics.arrays import Values
from reports.statistics.multiplicity import holm
from reports.statistics.pairs.signed import sign_test
from reports.words.metrics import DECIMALS


@dataclass(frozen=True)
class Friedman:
    """Whether any arm differs, over N blocks and k arms [1, 2]."""

    blocks: int
    arms: int
    chi2: float
    p_chi2: float
    f: float
    p_f: float
    p_permutation: float | None
    kendalls_w: float

    @property
    def p(self) -> float:
        """The p this N allows: by permutation below 10 blocks, Iman-Davenport F from 10."""
        return self.p_f if self.p_permutation is None else self.p_permutation

    @property
    def method(self) -> str:
        """How :attr:`p` was computed, in words."""
        if self.p_permutation is not None:
            return "Friedman by permutation"
        return "exact, all blocks agree" if np.isinf(self.f) else "Iman–Davenport F"


def block_ranks(blocks: pd.DataFrame) -> pd.DataFrame:
    """Rank the arms inside each block: 1 is best, ties share, -inf (a failure) is worst.

    Parameters
    ----------
    blocks
        Block means, ``[blocks, arms]``, higher is better.
    """
    return blocks.round(DECIMALS).rank(axis=1, ascending=False, method="average")


def friedman(blocks: pd.DataFrame) -> Friedman:
    """Ask whether any arm differs, from complete block means ``[blocks, arms]``."""
    ranks = block_ranks(blocks).sort_index(axis=0).sort_index(axis=1).to_numpy()
    n, k = ranks.shape
    if n < 2 or k < 3:
        raise ValueError(f"Friedman needs at least 2 blocks and 3 arms, got {n} and {k}")
    if np.ptp(ranks, axis=1).max() == 0.0:
        return Friedman(n, k, 0.0, 1.0, 0.0, 1.0, 1.0 if n < 10 else None, 0.0)
    test = stats.friedmanchisquare(*ranks.T)
    chi2, rest = float(test.statistic), n * (k - 1) - float(test.statistic)
    agreed = rest <= 1e-9  # every block has the same order: F is infinite, but chance could do so, too
    f = np.inf if agreed else (n - 1) * chi2 / rest
    # how probable it is that a block, shuffled, ranks the arms as the first one does
    alike = np.prod([math.factorial(t) for t in np.unique(ranks[0], return_counts=True)[1]]) / math.factorial(k)
    p_f = float(alike) ** (n - 1) if agreed else float(stats.f.sf(f, k - 1, (k - 1) * (n - 1)))
    p_f = max(p_f, math.factorial(k) ** -(n - 1.0))  # no order is less likely than that all blocks agree on it
    permuted = _permutation_p(ranks) if n < 10 else None
    return Friedman(n, k, chi2, float(test.pvalue), float(f), p_f, permuted, chi2 / (n * (k - 1)))


def _permutation_p(ranks: Values) -> float:
    """Shuffle ranks inside blocks; the sum of squared rank totals orders outcomes exactly as chi2 does."""

    def spread(*columns: Values, axis: int = -1) -> Values:
        return np.sum([c.sum(axis=axis) ** 2 for c in columns], axis=0)

    test = stats.permutation_test(
        tuple(ranks.T),
        spread,
        permutation_type="samples",
        vectorized=True,
        n_resamples=9_999,
        alternative="greater",
        rng=np.random.default_rng(0),
    )
    return float(test.pvalue)


def nemenyi(blocks: pd.DataFrame) -> pd.DataFrame:
    """Compare all pairs of mean ranks: block means ``[blocks, arms]`` to p ``[arms, arms]``."""
    return _mean_ranks("Nemenyi", scikit_posthocs.posthoc_nemenyi_friedman, blocks)


def conover(blocks: pd.DataFrame) -> pd.DataFrame:
    """Compare all pairs of mean ranks by their spread in this study [3], Holm over all pairs; as :func:`nemenyi`.

    Arms that every block ranks alike lend their small spread to equal ones, so the test alone is liberal. No pair's p
    is taken below that of its own sign test, which knows of no other arm.
    """
    with np.errstate(divide="ignore", invalid="ignore"):  # blocks that all rank alike leave no spread at all
        p = _mean_ranks("Conover", scikit_posthocs.posthoc_conover_friedman, blocks)
    upper = np.triu_indices(len(p), 1)
    values = blocks[p.columns].to_numpy()
    own = [sign_test(values[:, one] - values[:, other]).p for one, other in zip(*upper, strict=True)]
    adjusted = np.ones(p.shape)
    adjusted[upper] = adjusted.T[upper] = holm(np.maximum(p.fillna(0.0).to_numpy()[upper], own))
    return pd.DataFrame(adjusted, index=p.index, columns=p.columns)


def _mean_ranks(name: str, test: Callable[[Values], pd.DataFrame], blocks: pd.DataFrame) -> pd.DataFrame:
    n, k = blocks.shape
    if n < 5 or k < 3 or blocks.isna().any().any():
        raise ValueError(f"{name} needs 5 complete blocks and 3 arms, got {n} and {k}")
    ordered = blocks.round(DECIMALS).sort_index(axis=0).sort_index(axis=1)
    return pd.DataFrame(test(ordered.to_numpy()).to_numpy(), index=ordered.columns, columns=ordered.columns)
