"""Findings: every arm against the reference (or all pairs), over complete independent blocks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from reports.findings.results import Finding, GlobalTest, Verdict
from reports.statistics.multiplicity import holm_of
from reports.statistics.pairs.differences import Effect, effect, only_wins
from reports.statistics.pairs.ranks import block_ranks, conover, friedman, nemenyi
from reports.statistics.pairs.signed import MIN_SIGNED, Signed, sign_test, wilcoxon, wilcoxon_as_printed
from reports.table.blocks import (
    block_means,
    cells,
    complete,
    dropped,
    ordered_arms,
    over_blocks,
    pair_of,
    unscaled,
)
from reports.table.factors import arm_levels
from reports.words.metrics import DECIMALS, label, metric_of
from reports.words.numbers import count

MIN_BLOCKS = 5  # for any test across data sets
_QUESTIONS = {"arm": "knocked-out arms", "baseline": "baselines", "control": "controls"}


@dataclass(frozen=True)
class Family:
    """The comparisons that answer one question, and are corrected together."""

    question: str
    pairs: tuple[tuple[str, str], ...]


def families(frame: pd.DataFrame, reference: str | None) -> tuple[Family, ...]:
    """Group the comparisons by question; without a reference, all pairs are one family."""
    roles = ordered_arms(frame)
    if reference is None:
        # the better of two comes first, so that differences read as gains
        ranked = frame.groupby("arm")["value"].mean().sort_values(ascending=False, kind="stable").index
        pairs = tuple(combinations([arm for arm in ranked if arm in roles], 2))
        return (Family("all pairs of arms", pairs),) if pairs else ()
    out = []
    # without factors that vary, the arms are rivals and not the reference without a part
    questions = _QUESTIONS if arm_levels(frame).shape[1] else {**_QUESTIONS, "arm": "other arms"}
    for role, name in questions.items():
        members = tuple((arm, reference) for arm in roles if roles[arm] == role)
        if members:
            out.append(Family(f"{name} against {reference}", members))
    return tuple(out)


def findings(frame: pd.DataFrame, metric: str, family: Family, *, alpha: float, tests: bool) -> list[Finding]:
    """Compare the pairs of one family on one metric and correct them together (Holm)."""
    wide = cells(frame, metric)
    if not {arm for pair in family.pairs for arm in pair} & set(wide):
        return []
    # an arm without this metric stays in: a comparison that cannot be made is one of its family all the same
    first = [_finding(wide, metric, family, pair, tests=tests, level=1 - alpha) for pair in family.pairs]
    raw = [f for f, _ in first]
    adjusted = holm_of([f.test for f in raw])
    second = holm_of([test for _, (test, _) in first])
    out = []
    for finding, p, p_second, (_, (_, lean)) in zip(raw, adjusted, second, first, strict=True):
        adjusted_finding = replace(finding, p_holm=p, p_holm_failures=p_second)
        out.append(replace(adjusted_finding, verdict=_verdict(adjusted_finding, lean, alpha)))
    return out


def _finding(
    wide: pd.DataFrame, metric: str, family: Family, pair: tuple[str, str], *, tests: bool, level: float
) -> tuple[Finding, tuple[Signed | None, float]]:
    arm, against = pair
    means = over_blocks(pair_of(wide, arm, against), metric)
    finished = complete(means, failures_worst=False)
    d = (finished[arm] - finished[against]).to_numpy()
    able = tests and len(d) >= MIN_SIGNED
    measure = wilcoxon if metric_of(metric).same_scale else sign_test
    ranked = able and measure is wilcoxon
    test = measure(d) if able else None
    size = effect(d, level) if len(d) else None
    if size and unscaled(metric, wide.index.unique("dataset")):
        size = only_wins(size)
    failures = int(np.isneginf(means).any(axis=1).sum())
    finding = Finding(
        metric=metric,
        family=f"{label(metric)}; {family.question}; {count(len(family.pairs), 'comparison')}",
        arm=arm,
        against=against,
        effect=size,
        test=test,
        p_holm=None,
        p_holm_failures=None,
        failures=failures,
        p_paired_t=_paired_t(d) if ranked else None,
        p_pratt=wilcoxon(d, zeros="pratt").p if ranked else None,
        p_unrounded=wilcoxon_as_printed(d) if ranked else None,
        verdict="not tested",
        dropped=dropped(means),
    )
    scored = _with_failures(complete(means, failures_worst=True), arm, against)
    second = measure(scored) if tests and len(scored) >= MIN_SIGNED else None
    return finding, (second, _lean(effect(scored), metric) if len(scored) else 0.0)


def _paired_t(d: np.ndarray) -> float:
    d = d.round(DECIMALS)
    return float(stats.ttest_1samp(d, 0.0).pvalue) if np.ptp(d) > 0 else float("nan")


def _with_failures(means: pd.DataFrame, arm: str, against: str) -> np.ndarray:
    """Score a failure as a loss larger than every measured difference; two failures are level."""
    d = means[arm].to_numpy() - np.where(np.isneginf(means[against]), 0.0, means[against])
    d = np.where(np.isneginf(means[against]), np.where(np.isneginf(means[arm]), 0.0, np.inf), d)
    worst = np.abs(d[np.isfinite(d)]).max(initial=0.0) + 1.0
    return np.clip(d, -worst, worst)


def _lean(size: Effect, metric: str) -> float:
    """Which way the ranks point: the direction the test speaks of, not that of the mean."""
    return size.rank_biserial if metric_of(metric).same_scale else size.superior - 0.5


def _verdict(finding: Finding, lean_with_failures: float, alpha: float) -> Verdict:
    if finding.test is None or finding.effect is None or finding.p_holm is None:
        return "not tested"
    lean = _lean(finding.effect, finding.metric)
    second = finding.p_holm_failures
    agrees = second is not None and second < alpha and lean * lean_with_failures > 0
    if finding.p_holm >= alpha or not agrees or finding.torn:
        return "not established"
    return "higher" if lean > 0 else "lower"


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
