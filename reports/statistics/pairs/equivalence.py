"""Whether two arms are practically equal, which a large p never shows.

Literature: [1] Schuirmann 1987 (two one-sided tests); [2] Benavoli, Corani, Demšar & Zaffalon 2017 JMLR 18
(Bayesian signed-rank test with a region of practical equivalence, ROPE).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from statsmodels.stats.weightstats import ttost_paired

from reports.statistics.arrays import Values
from reports.statistics.pairs.differences import mean_interval, rounded
from reports.words.metrics import DECIMALS, MARGIN, metric_of

Word = Literal["better", "worse", "practically equal", "cannot tell"]

MIN_TOST = 5
_PRIOR = 0.5  # weight of one imagined block without a difference, as in [2]


@dataclass(frozen=True)
class Equivalence:
    """How surely an arm lies within ``margin`` of another, over ``n`` blocks.

    ``p`` belongs to the two one-sided tests [1], ``low`` and ``high`` to the t interval at ``1 - 2 alpha`` that
    says the same; ``below``, ``within`` and ``above`` are posterior probabilities [2].
    """

    n: int
    margin: float
    p: float
    low: float
    high: float
    below: float
    within: float
    above: float


def margin_of(metric: str, margin: float = MARGIN) -> float | None:
    """Return the margin for a metric, None where a metric has another scale than 0 to 1."""
    return None if metric_of(metric).margin is None else margin


def equivalence(difference: Values, margin: float, *, alpha: float = 0.05) -> Equivalence:
    """Ask whether an arm is practically equal to another.

    Parameters
    ----------
    difference
        Arm minus reference, ``[blocks]``; at least 5.
    margin
        Largest difference that does not matter, in units of the metric.
    alpha
        Level of the two one-sided tests.
    """
    low, high = mean_interval(rounded(difference), 1 - 2 * alpha)
    return Equivalence(len(difference), margin, tost(difference, margin), low, high, *posterior(difference, margin))


def tost(difference: Values, margin: float) -> float:
    """Return the p of the claim that the mean difference of two arms lies inside the margin (TOST)."""
    d = rounded(difference)
    if len(d) < MIN_TOST:
        raise ValueError(f"equivalence needs at least {MIN_TOST} blocks, got {len(d)}")
    if not margin > 0:
        raise ValueError(f"the margin must be above 0, got {margin}")
    if np.ptp(d) == 0:
        p = 0.0 if abs(d[0]) < margin else 1.0
    else:
        p = float(ttost_paired(d, np.zeros_like(d), -margin, margin)[0])
    return max(
        p, 0.5 ** len(d)
    )  # blocks on one side of the margin by chance alone: no spread, however small, beats that


def posterior(difference: Values, margin: float, *, draws: int = 20_000, seed: int = 0) -> tuple[float, float, float]:
    """Return how probable it is that an arm is worse than, practically equal to, better than another.

    Every draw weighs the blocks anew (Dirichlet process); its region is the one that most weighted averages of
    two blocks fall into.

    Parameters
    ----------
    difference
        Arm minus reference, ``[blocks]``.
    margin
        Half width of the region of practical equivalence; a pair exactly on its edge counts half.
    draws, seed
        Posterior draws, and what makes them the same every time.
    """
    d = np.concatenate([[0.0], rounded(difference)])
    walsh = (d[:, None] + d[None, :]) / 2
    above, below = (np.sign(np.round(side * walsh - margin, DECIMALS + 2)) / 2 + 0.5 for side in (1, -1))
    weights = _weights(len(d), draws, seed)
    shares = [((weights @ part) * weights).sum(axis=1) for part in (below, 1.0 - below - above, above)]
    counts = np.bincount(np.argmax(shares, axis=0), minlength=3) / draws
    return float(counts[0]), float(counts[1]), float(counts[2])


@lru_cache(maxsize=8)
def _weights(n: int, draws: int, seed: int) -> Values:
    prior = np.ones(n)
    prior[0] = _PRIOR
    return np.random.default_rng(seed).dirichlet(prior, draws)


def word(verdict: str, p: float | None, alpha: float) -> Word:
    """Conclude on one comparison; a difference that is not established is not yet equality.

    Parameters
    ----------
    verdict
        What the Holm-adjusted test of a difference says, see :class:`reports.findings.results.Finding`.
    p
        Adjusted p of the two one-sided tests; None where they were refused.
    alpha
        Level of both.
    """
    if verdict in ("higher", "lower"):
        return "better" if verdict == "higher" else "worse"
    return "practically equal" if p is not None and p < alpha else "cannot tell"
