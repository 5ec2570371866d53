"""Several arms against one another over whole blocks, all at once: p and intervals that hold for the whole family.

Literature: [1] Westfall & Young 1993 (step-down max-T); [2] Romano & Wolf 2005 (its sign-flip form).

Without an effect every block might as well have said the opposite of what it said, of all arms together. So the signs
of whole blocks are flipped jointly: arms that rise and fall together cost one test and not many, and the smallest p is
2 / 2**N for any number of arms, where Holm's is that times their number.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product

import numpy as np
from scipy import stats

from reports.statistics.arrays import Values
from reports.statistics.attainability import FEWEST

EXACT_BLOCKS = 16  # every pattern of signs up to here, that is 32,768; beyond, DRAWN of them
DRAWN = 20_000
_CHUNK = 4096  # patterns whose statistics are held in memory at once
_SLACK = 1e-9  # sums of the same numbers in another order differ in their last bits
MIN_FLIPPED = FEWEST  # blocks; with fewer, intervals come from Student's t by Bonferroni


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


def step_down(differences: Values) -> Values:
    """Return the adjusted p of every comparison, two-sided; the error of the whole family is held.

    Parameters
    ----------
    differences
        Paired differences ``[blocks, comparisons]``; NaN where a comparison lacks a block.

    Returns
    -------
    Values
        ``[comparisons]``: at least 2 / 2**N of the comparison's own N blocks, 1 where no block differs.
    """
    observed = _t(differences, np.ones((1, len(differences))), slack=_SLACK)[0]
    order = np.argsort(-observed, kind="stable")
    reached, patterns = np.zeros(len(order)), sign_patterns(len(differences), EXACT_BLOCKS, DRAWN)
    for start in range(0, len(patterns), _CHUNK):
        flipped = _t(differences, patterns[start : start + _CHUNK])[:, order]
        largest = np.maximum.accumulate(flipped[:, ::-1], axis=1)[:, ::-1]  # of this comparison and all weaker ones
        reached += (largest >= observed[order]).sum(axis=0)
    p = np.empty(len(order))
    p[order] = np.maximum.accumulate(reached / len(patterns))
    return p


def half_widths(differences: Values, alpha: float = 0.05) -> Values:
    """Return how far the simultaneous intervals reach to either side of the mean differences, ``[comparisons]``.

    All of them hold together with probability ``1 - alpha`` (simulated: .93 to .98 from 6 blocks). The differences
    from their means are flipped as in :func:`step_down`. Comparisons of fewer than 6 blocks are left out of that, for
    few flips give any t: theirs is Student's t at ``alpha`` over the number of comparisons, and the others share the
    rest of ``alpha``. NaN where a comparison has fewer than two blocks.

    Parameters
    ----------
    differences
        As in :func:`step_down`.
    alpha
        What the family may err by, in (0, 1).
    """
    n = np.isfinite(differences).sum(axis=0)
    few, many = (n >= 2) & (n < MIN_FLIPPED), n >= MIN_FLIPPED
    each = alpha / max(1, few.sum() + many.sum())
    half = np.full(differences.shape[1], np.nan)
    half[few] = stats.t.ppf(1 - each / 2, n[few] - 1) * _errors(differences[:, few])
    if many.any():
        half[many] = _flipped(differences[:, many], each * many.sum())
    return half


def _errors(differences: Values) -> Values:
    """Return the standard error of every mean difference."""
    return np.asarray(np.nanstd(differences, axis=0, ddof=1) / np.sqrt(np.isfinite(differences).sum(axis=0)))


def _flipped(d: Values, alpha: float) -> Values:
    """Return the half widths of comparisons that all have the blocks for flipping signs."""
    centred, patterns = d - np.nanmean(d, axis=0), sign_patterns(len(d), EXACT_BLOCKS, DRAWN)
    # what the mean of equal differences leaves in their last bits is no spread
    centred[np.abs(centred) <= _SLACK * np.nanmax(np.abs(d), axis=0)] = 0.0
    largest = np.concatenate(
        [_t(centred, patterns[i : i + _CHUNK]).max(axis=1) for i in range(0, len(patterns), _CHUNK)]
    )
    critical = np.sort(largest)[::-1][int(alpha * len(largest) + _SLACK)]
    # of several intervals none is narrower than it would be alone
    least = stats.t.ppf(1 - alpha / 2, np.isfinite(d).sum(axis=0) - 1)
    errors = _errors(d)
    return np.multiply(np.maximum(critical, least), errors, where=errors > 0, out=np.zeros_like(errors))


def simultaneous(differences: Values, alpha: float = 0.05) -> tuple[Values, Values, Values]:
    """Return the mean of every comparison, and both ends of its simultaneous interval, each ``[comparisons]``.

    ``differences`` and ``alpha`` are those of :func:`half_widths`, without a gap.
    """
    mean, half = differences.mean(axis=0), half_widths(differences, alpha)
    return mean, mean - half, mean + half


def _t(differences: Values, signs: Values, *, slack: float = 0.0) -> Values:
    """Return |t| of the mean of every comparison under every pattern, ``[patterns, comparisons]``.

    Where all blocks agree, t leaps to infinity in the last bits of a float: ``slack`` comes off what rises with t, and
    not off t, lest a pattern that is as extreme as the observed one be counted as less.
    """
    n = np.isfinite(differences).sum(axis=0)
    d = np.nan_to_num(differences)
    squares = (d**2).sum(axis=0)
    # sum / root of squares is the same under flips but for its numerator, and rises with t: 1 where all blocks agree
    share = np.abs(signs @ d) / np.sqrt(np.where(squares > 0, squares * np.maximum(n, 1), 1.0))
    share = np.clip(share - slack, 0.0, 1.0)
    with np.errstate(divide="ignore"):
        return np.asarray(share * np.sqrt(np.maximum(n - 1, 1) / (1.0 - share**2)))
