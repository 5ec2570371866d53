"""Conclusions: what each comparison says in one word, and how large the next study should be."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from reports.findings.factorial import Factorial, factorial
from reports.findings.results import Conclusion, Finding
from reports.statistics.multiplicity import holm_of
from reports.statistics.pairs.equivalence import MIN_TOST, Equivalence, equivalence, margin_of, word
from reports.statistics.pairs.power import Power, power
from reports.table.blocks import block_means, cells, complete, over_blocks, pair_of
from reports.table.factors import arm_levels
from reports.words.metrics import MARGIN


def conclude(
    frame: pd.DataFrame, compared: list[Finding], *, alpha: float, tests: bool, margin: float = MARGIN
) -> tuple[Conclusion, ...]:
    """Conclude on every finding; those of one family are corrected together (Holm).

    Parameters
    ----------
    frame
        The tidy rows, see :class:`reports.table.table.Table`.
    found
        The findings, see :func:`reports.findings.comparisons.findings`.
    alpha
        Level of every family.
    tests
        False where a refusal forbids all tests.
    margin
        Largest difference that does not matter, for metrics on the scale 0 to 1.
    """
    sizes = Counter(f.family for f in compared)
    wide = {metric: cells(frame, metric) for metric in {f.metric for f in compared}}
    raw = [_measured(wide[f.metric], f, sizes[f.family], alpha, tests, margin) for f in compared]
    adjusted: dict[int, float | None] = {}
    for family in sizes:
        members = [i for i, f in enumerate(compared) if f.family == family]
        adjusted |= dict(zip(members, holm_of([raw[i][0] for i in members]), strict=True))
    return tuple(
        Conclusion(finding, word(finding.verdict, adjusted[i], alpha), equal, adjusted[i], plan, why)
        for i, (finding, (equal, plan, why)) in enumerate(zip(compared, raw, strict=True))
    )


def crossed(
    frame: pd.DataFrame, metrics: tuple[str, ...], *, reference: str | None, alpha: float, tests: bool
) -> tuple[Factorial, ...]:
    """Say what the factors that a study varied did together, on each metric; simple effects are told at ``alpha``."""
    table = arm_levels(frame)
    if not tests or table.shape[1] < 2:
        return ()
    arms = frame[frame["arm"].isin(table.index)]
    analyses = [
        factorial(block_means(arms, metric), table, metric, reference=reference, alpha=alpha) for metric in metrics
    ]
    return tuple(f for f in analyses if f is not None)


def _measured(
    wide: pd.DataFrame, f: Finding, comparisons: int, alpha: float, tests: bool, margin: float
) -> tuple[Equivalence | None, Power | None, str]:
    width = margin_of(f.metric, margin)
    n = f.effect.n if f.effect else 0
    if not tests:
        return None, None, "nothing in this table can be tested"
    if not n:
        return None, None, "no block is complete"
    if width is None:
        return None, None, "no margin is stated for this metric"
    differences = _differences(wide, f)
    plan = power(differences, width, alpha=alpha, comparisons=comparisons)
    if f.failures:
        # the blocks that survived cannot show that an arm which crashes is as good as one which does not
        return None, plan, "failed cells are not equal to finished ones"
    if n < MIN_TOST:
        return None, plan, f"equality needs at least {MIN_TOST} complete blocks"
    d = differences.groupby(level=["block", "dataset"]).mean().groupby(level="block").mean()
    return equivalence(d.to_numpy(), width, alpha=alpha), plan, ""


def _differences(wide: pd.DataFrame, f: Finding) -> pd.Series:
    """Return arm minus reference per block, data set and repeat, on the blocks both finished."""
    pair = pair_of(wide, f.arm, f.against)
    finished = complete(over_blocks(pair, f.metric), failures_worst=False).index
    pair = pair[pair.index.get_level_values("block").isin(finished)]
    return pair[f.arm] - pair[f.against]
