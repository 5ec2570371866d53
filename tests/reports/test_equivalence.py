"""Equality needs evidence of its own: margins, two one-sided tests, the posterior, the concluding word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import baycomp
import numpy as np
import pytest
from conftest import analyse
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from reports.build import build
from reports.findings.results import Analysis, Conclusion
from reports.options import ReportOptions
from reports.page.sentences.questions import MOST, questions
from reports.statistics.pairs.equivalence import equivalence, margin_of, posterior, tost, word
from reports.table.table import Table
from reports.words.metrics import MARGIN

Study = Callable[..., Table]
CLOSE = {"full": ("reference", 0.80), "gnn=none": ("arm", 0.74), "fusion=early": ("arm", 0.801)}


def conclusion(analysis: Analysis, arm: str, metric: str = "auroc") -> Conclusion:
    return next(c for c in analysis.conclusions if c.finding.arm == arm and c.finding.metric == metric)


def test_only_metrics_between_zero_and_one_have_a_margin() -> None:
    assert margin_of("auroc") == margin_of("within_tf_auroc") == MARGIN == 0.01 and margin_of("auprc") is None
    assert margin_of("auroc", 0.02) == 0.02
    assert margin_of("auprc_ratio") is None and margin_of("epr") is None


def test_tost_is_the_larger_of_two_one_sided_t_tests() -> None:
    d = np.array([0.004, -0.003, 0.006, 0.001, -0.002, 0.0])
    below = stats.ttest_1samp(d, -0.01, alternative="greater").pvalue
    above = stats.ttest_1samp(d, 0.01, alternative="less").pvalue
    assert tost(d, 0.01) == pytest.approx(max(below, above, 0.5**6))
    wide = np.random.default_rng(2).normal(0.004, 0.008, 40)
    ends = (stats.ttest_1samp(wide, side, alternative=way).pvalue for side, way in ((-0.01, "greater"), (0.01, "less")))
    assert tost(wide, 0.01) == pytest.approx(max(ends), rel=1e-3) and tost(wide, 0.01) > 0.5**40


def test_blocks_are_not_surer_of_equality_than_their_signs() -> None:
    assert tost(np.full(5, 1e-5) * np.array([1, -1, 1, -1, 1]), 0.01) == pytest.approx(0.5**5)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-30, 30), min_size=5, max_size=12), st.sampled_from([0.01, 0.02]))
def test_tost_rejects_exactly_when_its_interval_lies_inside_the_margin(steps: list[int], margin: float) -> None:
    found = equivalence(np.array(steps) / 1000, margin)
    if abs(found.p - 0.05) > 1e-6:
        assert (found.p < 0.05) == (-margin < found.low and found.high < margin)


def test_identical_arms_are_equal_and_a_constant_loss_beyond_the_margin_is_not() -> None:
    assert tost(np.zeros(5), 0.01) == pytest.approx(1 / 32)  # five signs could agree by chance
    assert tost(np.full(5, -0.01), 0.01) == 1.0


@pytest.mark.parametrize(("d", "margin", "said"), [(np.zeros(4), 0.01, "at least 5"), (np.zeros(6), 0.0, "above 0")])
def test_tost_refuses_few_blocks_and_no_margin(d: np.ndarray, margin: float, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        tost(d, margin)


def brute_force(d: np.ndarray, margin: float, draws: int) -> np.ndarray:
    """Visit every pair of blocks in every draw, with weights made of gamma variates."""
    rng = np.random.default_rng(99)
    z = [0.0, *d]
    counts = np.zeros(3)
    for _ in range(draws):
        raw = [rng.gamma(0.5), *rng.gamma(1.0, size=len(d))]
        share = [0.0, 0.0, 0.0]
        for i, one in enumerate(z):
            for j, other in enumerate(z):
                mean = (one + other) / 2
                share[0 if mean < -margin else 2 if mean > margin else 1] += raw[i] * raw[j]
        counts[int(np.argmax(share))] += 1
    return counts / draws


SPREAD = np.array([0.0311, 0.0123, 0.0052, -0.0041, 0.0007, 0.0178, 0.0094])


def test_posterior_agrees_with_brute_force() -> None:
    draws = 1500
    expected = brute_force(SPREAD, 0.01, draws)
    assert 0.1 < expected[1] < 0.9
    assert posterior(SPREAD, 0.01) == pytest.approx(expected, abs=4 * np.sqrt(0.25 / draws))


# the second has pairs exactly on the edge of the margin, in numbers that floats hold exactly
@pytest.mark.parametrize(("d", "margin"), [(SPREAD, 0.01), (np.array([1, -1, 2, 0, 0, 3]) / 64, 1 / 64)])
def test_posterior_agrees_with_baycomp(d: np.ndarray, margin: float) -> None:
    expected = baycomp.SignedRankTest.probs(np.zeros(len(d)), d, rope=margin, nsamples=20_000, random_state=1)
    assert posterior(d, margin) == pytest.approx(expected, abs=0.02)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_posterior_is_mirrored_and_ignores_the_order_of_blocks(seed: int) -> None:
    d = np.random.default_rng(seed).normal(0.003, 0.01, size=7)
    below, within, above = posterior(d, 0.01)
    assert below + within + above == pytest.approx(1.0)
    assert posterior(d[::-1], 0.01) == (below, within, above)
    assert posterior(-d, 0.01) == pytest.approx((above, within, below), abs=0.03)


@pytest.mark.parametrize(
    ("verdict", "p", "said"),
    [
        ("higher", 0.9, "better"),
        ("lower", 0.001, "worse"),
        ("not established", 0.04, "practically equal"),
        ("not established", 0.05, "cannot tell"),
        ("not tested", None, "cannot tell"),
    ],
)
def test_a_difference_not_established_is_not_yet_equality(verdict: str, p: float | None, said: str) -> None:
    assert word(verdict, p, 0.05) == said


def test_a_study_concludes_on_every_comparison(study: Study) -> None:
    analysis = analyse(study(arms=CLOSE, noise=0.003))
    assert len(analysis.conclusions) == len(analysis.findings)
    assert conclusion(analysis, "gnn=none").word == "worse"
    equal = conclusion(analysis, "fusion=early")
    assert equal.word == "practically equal" and equal.equivalence is not None
    assert equal.p_equal == pytest.approx(2 * equal.equivalence.p)  # Holm: smaller of the two in its family
    assert conclusion(analysis, "fusion=early", "auprc_ratio").word == "cannot tell"
    assert "no margin" in conclusion(analysis, "fusion=early", "auprc_ratio").why


def test_noise_is_neither_difference_nor_equality(study: Study) -> None:
    found = conclusion(analyse(study(arms=CLOSE, noise=0.08)), "fusion=early")
    assert found.finding.p_holm is not None and found.finding.p_holm > 0.05
    assert found.word == "cannot tell" and found.equivalence is not None


def test_the_margin_of_a_study_can_be_chosen(study: Study) -> None:
    table = study(arms=CLOSE, noise=0.003)
    assert conclusion(analyse(table, ReportOptions(margin=0.0001)), "fusion=early").word == "cannot tell"


def test_an_arm_that_crashed_is_never_called_equal(study: Study) -> None:
    dies = {("fusion=early", "cell0")}
    found = conclusion(analyse(study(blocks=8, arms=CLOSE, noise=0.003, failed=dies)), "fusion=early")
    assert found.word == "cannot tell" and "failed cells" in found.why


def test_four_blocks_and_mixed_digests_refuse_equality(study: Study) -> None:
    few = conclusion(analyse(study(blocks=4, arms=CLOSE, noise=0.003)), "fusion=early")
    assert few.equivalence is None and "at least 5" in few.why
    stale = analyse(study(lambda f: f.assign(data_digest=f["arm"]), arms=CLOSE, noise=0.003))
    assert all(c.equivalence is None and c.word == "cannot tell" for c in stale.conclusions)


def test_the_page_asks_per_factor_and_never_says_no_effect(study: Study) -> None:
    (asked,) = questions(analyse(study(arms=CLOSE, noise=0.003)))[:1]
    assert asked.name == "gnn" and asked.lead.startswith("none in place of gat: 7 independent blocks")
    (answer,) = asked.answers
    assert answer.word == "worse" and "95 % interval [−0.0" in answer.text
    assert "adjusted p = " in answer.text and "probability of improvement 0.00" in answer.text


def test_an_arm_that_changes_only_settings_has_its_own_paragraph(study: Study) -> None:
    named = {q.name: q for q in questions(analyse(study(arms=CLOSE, noise=0.003)))}
    assert list(named) == ["gnn", "settings"]
    assert named["settings"].answers[0].word == "practically equal"
    assert "within ±0.01" in named["settings"].answers[0].note


def test_many_comparisons_are_told_by_their_extremes_and_a_count(study: Study) -> None:
    arms = {"full": ("reference", 0.8), **{f"other{i}": ("arm", 0.7 + 0.01 * i) for i in range(MOST + 1)}}
    table = study(lambda f: f.drop(columns="gnn"), blocks=10, arms=arms, repeats=1, noise=0.001)
    (asked,) = questions(analyse(table))
    assert [answer.text.split()[0] for answer in asked.answers] == ["other0", f"other{MOST}"]
    assert f"extremes of {MOST + 1} comparisons: {MOST + 1} worse" in asked.tail


def test_one_shared_reason_is_told_once(study: Study) -> None:
    arms = {**CLOSE, "gnn=gcn": ("arm", 0.79)}
    table = study(lambda f: f.drop(columns="gnn"), blocks=3, arms=arms)
    (asked,) = questions(analyse(table))
    assert all(answer.note == "" and answer.word == "cannot tell" for answer in asked.answers)
    assert asked.tail.count("at least 5 complete blocks") == 1


def test_conclusions_stand_on_the_page_and_in_a_file(study: Study, tmp_path: Path) -> None:
    table = study(lambda f: f[f["metric"] == "auroc"], blocks=5, arms=CLOSE)
    page = build(table, tmp_path / "out")
    text = page.read_text(encoding="utf-8")
    assert text.index('class="question"') < text.index('id="gain"') < text.index('id="conclusions"')
    rows = (page.parent / "tables" / "conclusions.csv").read_text(encoding="utf-8")
    assert rows.splitlines()[0].startswith("metric,family,arm,against,conclusion,blocks,margin,p_tost,p_tost_holm")
