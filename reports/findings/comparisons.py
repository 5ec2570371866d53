"""Findings: every arm against the reference (or all pairs), over complete independent blocks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from reports.findings.results import Finding, GlobalTest, Sensitivity
from reports.statistics.arrays import Values
from reports.statistics.multiplicity import holm_of
from reports.statistics.pairs.decision import Decision, decide, margin_of
from reports.statistics.pairs.differences import Effect, effect
from reports.statistics.pairs.max_t import half_widths
from reports.statistics.pairs.ranks import block_ranks, conover, friedman, nemenyi
from reports.statistics.pairs.signed import MIN_SIGNED, Signed, sign_test, wilcoxon
from reports.table.blocks import (
    arm_levels,
    block_means,
    cells,
    complete,
    dropped,
    ordered_arms,
    over_blocks,
    pair_of,
    unscaled,
)
from reports.words.metrics import DECIMALS, label, metric_of
from reports.words.numbers import count

MIN_BLOCKS = 5  # for any test across data sets


@dataclass(frozen=True)
class Family:
    """The comparisons that answer one question, and are decided together; ``tested`` unless only described."""

    question: str
    pairs: tuple[tuple[str, str], ...]
    tested: bool = True


def families(frame: pd.DataFrame, reference: str | None) -> tuple[Family, ...]:
    """Group the comparisons by question: rivals of the reference, and its controls, which are described.

    A study has one question: knocked-out arms and baselines are decided together, so that its error is held for the
    whole table. Without a reference, all pairs are that question.
    """
    roles = ordered_arms(frame)
    if reference is None:
        # the better of two comes first, so that differences read as gains
        ranked = frame.groupby("arm")["value"].mean().sort_values(ascending=False, kind="stable").index
        pairs = tuple(combinations([arm for arm in ranked if arm in roles], 2))
        return (Family("all pairs of arms", pairs),) if pairs else ()
    # without factors that vary, the arms are rivals and not the reference without a part
    arms = "knocked-out arms" if arm_levels(frame).shape[1] else "other arms"
    names = {"arm": arms, "baseline": "baselines"}
    rivals = tuple((arm, reference) for arm in roles if roles[arm] in names)
    controls = tuple((arm, reference) for arm in roles if roles[arm] == "control")
    question = " and ".join(name for role, name in names.items() if role in roles.values())
    both = (Family(f"{question} against {reference}", rivals), Family(f"controls against {reference}", controls, False))
    return tuple(family for family in both if family.pairs)


def findings(
    frame: pd.DataFrame, metric: str, family: Family, *, alpha: float, tests: bool, margin: float | None = None
) -> list[Finding]:
    """Compare the pairs of one family on one metric, and decide them together.

    With ``tests`` they are decided at ``alpha``, the level of the family, and held to a ``margin`` within which a
    difference does not matter; else they are described.
    """
    wide = cells(frame, metric)
    if not {arm for pair in family.pairs for arm in pair} & set(wide):
        return []
    # the blocks of arms that lack no repeat are the same in every pair
    whole = over_blocks(wide.loc[:, wide.notna().all()], metric)
    means = [
        whole[[*pair]] if {*pair} <= set(whole) else over_blocks(pair_of(wide, *pair), metric) for pair in family.pairs
    ]
    failures = [int(np.isneginf(of_pair).any(axis=1).sum()) for of_pair in means]
    # one arm minus another per block: where both finished, and where both at least tried
    finished, tried = (
        [_difference(complete(of_pair, failures_worst=worst)) for of_pair in means] for worst in (False, True)
    )
    matrix = _matrix(finished)
    # a crash is no level score: it counts as a loss as large as any difference of the question
    loss = float(np.abs(matrix[np.isfinite(matrix)]).max(initial=0.0)) or 1.0
    second = _matrix([differences.clip(-loss, loss) for differences in tried])
    no_scale = unscaled(metric, wide.index.unique("dataset"))
    if no_scale:  # blocks won are all that can be counted
        matrix, second = np.sign(matrix), np.sign(second)
    decided = [Decision("described")] * len(means)
    sensitivity: list[Sensitivity | None] = [None] * len(means)
    if tests and family.tested:
        # the blocks that survived cannot show that an arm which crashes is as good as one which does not
        margins = [None if failed or no_scale else margin_of(metric, margin) for failed in failures]
        decided = decide(matrix, second, margins=margins, alpha=alpha)
        sensitivity = _sensitivity([differences.to_numpy() for differences in finished], metric)
    half = half_widths(matrix, alpha)
    name = f"{label(metric)}; {family.question}; {count(len(family.pairs), 'comparison')}"
    return [
        Finding(
            metric=metric,
            family=name,
            arm=arm,
            against=against,
            effect=_effect(finished[j].to_numpy(), half[j], no_scale=no_scale),
            decision=decided[j],
            blocks=tuple((str(block), float(d)) for block, d in finished[j].items()),
            sensitivity=sensitivity[j],
            failures=failures[j],
            dropped=dropped(means[j]),
        )
        for j, (arm, against) in enumerate(family.pairs)
    ]


def _difference(pair: pd.DataFrame) -> pd.Series:
    """Return arm minus the other per block; -inf where the arm failed, inf where the other did, 0 where both."""
    arm, against = (means for _, means in pair.items())
    return (arm - against).mask(np.isneginf(arm) & np.isneginf(against), 0.0).round(DECIMALS)


def _matrix(differences: list[pd.Series]) -> Values:
    """Lay differences out as ``[blocks, comparisons]``, NaN where a comparison lacks a block."""
    return pd.concat(differences, axis=1).sort_index().to_numpy(dtype=float)


def _effect(differences: Values, half_width: float, *, no_scale: bool) -> Effect | None:
    if not len(differences):
        return None
    size = effect(differences)
    if no_scale:  # on how many blocks the arm is ahead is known without a common scale of the data sets
        no = float("nan")
        return replace(size, mean=no, low=no, high=no, hodges_lehmann=no, rank_biserial=no, cohens_d=no)
    return replace(size, low=size.mean - half_width, high=size.mean + half_width)


def _sensitivity(differences: list[Values], metric: str) -> list[Sensitivity | None]:
    """Say what other tests say of a family, over the blocks that both arms finished; they decide nothing."""
    measure = wilcoxon if metric_of(metric).same_scale else sign_test
    signed: list[Signed | None] = [measure(d) if len(d) >= MIN_SIGNED else None for d in differences]
    by_rank = holm_of([None if test is None else test.p for test in signed])
    by_t = holm_of([_paired_t(d) if len(d) >= MIN_SIGNED else None for d in differences])
    return [
        None if test is None or p is None else Sensitivity(test, p, p_t)
        for test, p, p_t in zip(signed, by_rank, by_t, strict=True)
    ]


def _paired_t(d: Values) -> float | None:
    return float(stats.ttest_1samp(d, 0.0).pvalue) if np.ptp(d) > 0 else None


def global_test(frame: pd.DataFrame, metric: str, *, tests: bool) -> GlobalTest | None:
    """Ask whether any arm differs on one metric; None where blocks or arms are too few."""
    means = block_means(frame, metric)
    finished = complete(means, failures_worst=False)
    scored = complete(means, failures_worst=True)
    if not tests or len(finished) < MIN_BLOCKS or finished.shape[1] < 3:
        return None
    failed = len(scored) > len(finished)
    return GlobalTest(
        metric=metric,
        test=friedman(finished),
        ranks=block_ranks(finished).mean().sort_values(kind="stable"),
        second=friedman(scored) if failed else None,
        second_ranks=block_ranks(scored).mean().sort_values(kind="stable") if failed else None,
        nemenyi=None if failed else nemenyi(finished),
        conover=None if failed else conover(finished),
        dropped=dropped(means),
    )
