"""What each part contributes, what scores vary by, where the order of arms flips: all of it described, none tested."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from reports.findings.contributions.reversals import Reversals, reversals
from reports.findings.contributions.shares import Shares, shares
from reports.findings.contributions.worth import Worth, worth
from reports.table.factors import arm_levels


@dataclass(frozen=True)
class Contributions:
    """What a study tells beyond its comparisons; empty where its table cannot.

    ``worths`` has one entry per metric of which every mixture of parts was measured.
    """

    worths: tuple[Worth, ...] = ()
    shares: Shares | None = None
    reversals: Reversals | None = None


def contributions(
    frame: pd.DataFrame,
    metrics: tuple[str, ...],
    *,
    reference: str | None,
    alpha: float,
    margin: float | None,
    tests: bool,
) -> Contributions:
    """Return what each part contributes and what scores vary by; nothing where a refusal forbids all comparisons.

    Parameters
    ----------
    frame
        The tidy rows, see :class:`reports.table.table.Table`.
    metrics
        The metrics, the primary one first: it alone is told of but for the worth of parts.
    reference
        The arm in which all parts are there, if there is one.
    alpha
        What the intervals of a family may err by together.
    margin
        Largest difference that does not matter, for metrics between 0 and 1.
    tests
        False where a refusal forbids all tests.
    """
    if not tests:
        return Contributions()
    levels = arm_levels(frame)
    worths = [worth(frame, levels, reference, metric, alpha) for metric in metrics] if reference else []
    return Contributions(
        tuple(w for w in worths if w is not None),
        shares(frame, reference, metrics[0]),
        reversals(frame, metrics, margin),
    )
