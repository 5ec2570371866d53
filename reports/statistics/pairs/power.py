"""How large a study would have to be to see a difference that matters, from the variance it has seen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.power import TTestPower

from reports.statistics.attainability import blocks_needed
from reports.statistics.pairs.decision import blocks_for_equal

POWER = 0.8
MIN_REPEATS = 3  # with fewer, the spread over repeats is a guess
_MOST = 100_000


@dataclass(frozen=True)
class Power:
    """What it would take to say each word of two arms.

    ``sd`` is that of the block differences, ``sd_repeats`` its part that more repeats would average away and
    ``sd_between`` the part that only more blocks would; both are NaN where repeats are too few. ``needed`` is the
    number of blocks at which a difference as large as the margin is seen, ``needed_low`` and ``needed_high`` the same
    at the ends of the 95 % interval of ``sd``, ``needed_double`` and ``needed_endless`` with twice as many and with
    endless repeats; ``needed_not_worse`` and ``needed_equal`` the blocks at which an arm that is as good as the other
    is shown to be not worse, and equal. All hold for the strictest step of a correction over the family; None: more
    than 100,000.
    """

    difference: float
    blocks: int
    repeats: int
    sd: float
    sd_between: float
    sd_repeats: float
    needed: int | None
    needed_low: int | None
    needed_high: int | None
    needed_double: int | None
    needed_endless: int | None
    needed_not_worse: int | None
    needed_equal: int | None


def blocks_for(difference: float, sd: float, *, alpha: float = 0.05, comparisons: int = 1) -> int | None:
    """Return how many blocks a study needs to see a difference with power 0.8, None above 100,000.

    Paired t approximation, two-sided at ``alpha / comparisons``, which max-T is not stricter than; never fewer blocks
    than an exact signed test needs to come out at all.

    Parameters
    ----------
    difference
        True mean difference, in units of the metric.
    sd
        Standard deviation of the paired block differences.
    alpha
        Level, in (0, 1).
    comparisons
        Tests in the family.
    """
    # half of alpha on the side of the difference: the far tail adds nothing, and scipy often has no number for it
    return _blocks(difference, sd, alpha / comparisons / 2, POWER, blocks_needed(alpha))


def blocks_for_equality(
    margin: float, sd: float, *, alpha: float = 0.05, comparisons: int = 1, both_sides: bool = True
) -> int | None:
    """Return how many blocks show with power 0.8 that two equal arms lie within a margin, None above 100,000.

    Parameters
    ----------
    margin
        Largest difference that does not matter.
    sd, alpha, comparisons
        As in :func:`blocks_for`.
    both_sides
        Whether the arm may not be better either (TOST); else it has only to be not worse.
    """
    # two one-sided tests of equal arms both come out as often as neither fails
    return _blocks(margin, sd, alpha / comparisons, (1 + POWER) / 2 if both_sides else POWER, blocks_for_equal(alpha))


def _blocks(difference: float, sd: float, one_sided_alpha: float, target: float, fewest: int) -> int | None:
    if not difference > 0 or not sd >= 0:
        raise ValueError(f"a difference above 0 and a spread of at least 0 are needed, got {difference} and {sd}")
    if sd * 4 <= difference:  # near certain at any size, and far out the noncentral t is not to be had
        return fewest

    def enough(n: int) -> bool:
        # what NaN scipy leaves stands for a power of 1
        reached = TTestPower().power(difference / sd, n, one_sided_alpha, alternative="larger")
        return not reached < target

    low, high = fewest - 1, fewest
    while not enough(high):
        low, high = high, 2 * high
        if low > _MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high if high <= _MOST else None


def power(differences: pd.Series, difference: float, *, alpha: float = 0.05, comparisons: int = 1) -> Power | None:
    """Plan the next study from the paired differences of this one; None with fewer than two blocks.

    Parameters
    ----------
    differences
        Arm minus reference, indexed by ``block``, ``dataset`` and ``repeat``, nothing missing.
    difference
        The difference worth seeing, in units of the metric.
    alpha, comparisons
        As in :func:`blocks_for`.
    """
    by_set = differences.groupby(level=["block", "dataset"])
    means = by_set.mean().groupby(level="block").mean()
    n, repeats = len(means), int(by_set.size().min()) if len(differences) else 0
    if n < 2:
        return None
    total, noise, between, known = float(means.var(ddof=1)), math.nan, math.nan, repeats >= MIN_REPEATS
    if known:
        # the variance of a block mean that is due to its repeats, averaged over blocks
        of_set = (by_set.var(ddof=1) / by_set.size()).groupby(level="block")
        noise = float(np.mean(of_set.sum() / of_set.size() ** 2))
        between = max(0.0, total - noise)

    def needed(variance: float) -> int | None:
        return blocks_for(difference, math.sqrt(variance), alpha=alpha, comparisons=comparisons)

    equal = partial(blocks_for_equality, difference, math.sqrt(total), alpha=alpha, comparisons=comparisons)
    low, high = ((n - 1) * total / stats.chi2.ppf(q, n - 1) for q in (0.975, 0.025))
    return Power(
        difference=difference,
        blocks=n,
        repeats=repeats,
        sd=math.sqrt(total),
        sd_between=math.sqrt(between),
        sd_repeats=math.sqrt(noise),
        needed=needed(total),
        needed_low=needed(float(low)),
        needed_high=needed(float(high)),
        needed_double=needed(between + min(noise, total) / 2) if known else None,
        needed_endless=needed(between) if known else None,
        needed_not_worse=equal(both_sides=False),
        needed_equal=equal(both_sides=True),
    )
