"""Equality and 'not worse' need tests of their own: margins, one-sided tests, and the word of each comparison."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import analyse, build
from scipy import stats

from reports.findings.results import Analysis, Conclusion
from reports.options import ReportOptions
from reports.page.sections.conclusions import verdict_table
from reports.statistics.pairs.decision import adjusted, equivalence, margin_of
from reports.table.table import Table, load
from reports.words.metrics import MARGIN

Study = Callable[..., Table]
CLOSE = {"full": ("reference", 0.80), "gnn=none": ("arm", 0.74), "fusion=early": ("arm", 0.801)}


def conclusion(analysis: Analysis, arm: str) -> Conclusion:
    return next(c for c in analysis.conclusions if c.finding.arm == arm)


def test_metrics_between_zero_and_one_have_a_margin_and_a_stated_one_counts_for_any() -> None:
    assert margin_of("auroc") == margin_of("within_tf_auroc") == MARGIN == 0.01
    assert margin_of("auprc") is None and margin_of("auprc_ratio") is None
    assert margin_of("auroc", 0.02) == margin_of("auprc_ratio", 0.02) == 0.02


def test_both_are_one_sided_t_tests() -> None:
    d = np.array([0.004, -0.003, 0.006, 0.001, -0.002, 0.0])
    below = stats.ttest_1samp(d, -0.01, alternative="greater").pvalue
    above = stats.ttest_1samp(d, 0.01, alternative="less").pvalue
    tests = equivalence(d, 0.01)
    assert tests.p_equal == pytest.approx(max(below, above)) and tests.p_not_worse == pytest.approx(below)


def test_blocks_are_not_surer_than_their_signs_and_that_bound_does_not_grow_with_comparisons() -> None:
    assert adjusted([(1e-9, 7)] * 7) == [0.5**7] * 7
    assert adjusted([(0.02, 7), None, (0.01, 7)]) == [pytest.approx(0.04), None, pytest.approx(0.03)]


def test_identical_arms_are_equal_and_a_constant_loss_beyond_the_margin_is_not() -> None:
    assert equivalence(np.zeros(5), 0.01).p_equal == 0.0
    lost = equivalence(np.full(5, -0.01), 0.01)
    assert lost.p_equal == lost.p_not_worse == 1.0
    assert equivalence(np.full(5, 0.05), 0.01).p_not_worse == 0.0


@pytest.mark.parametrize(("d", "margin", "message"), [(np.zeros(4), 0.01, "at least 5"), (np.zeros(6), 0.0, "above 0")])
def test_few_blocks_and_no_margin_are_refused(d: np.ndarray, margin: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        equivalence(d, margin)


def test_a_study_concludes_on_every_comparison(study: Study) -> None:
    analysis = analyse(study(arms=CLOSE, noise=0.003))
    assert [c.word for c in analysis.conclusions] == ["may go", "earns its keep"]
    assert conclusion(analysis, "fusion=early").finding.decision.p_not_worse == pytest.approx(0.5**7)


def test_noise_is_neither_difference_nor_equality(study: Study) -> None:
    early_fusion = conclusion(analyse(study(arms=CLOSE, noise=0.08)), "fusion=early")
    assert (
        early_fusion.word == "the data cannot tell"
        and "neither a difference nor equality within ±0.01" in early_fusion.why
    )


def test_the_margin_of_a_study_can_be_chosen(study: Study) -> None:
    table = study(arms=CLOSE, noise=0.003)
    assert conclusion(analyse(table, ReportOptions(margin=0.0001)), "fusion=early").word == "the data cannot tell"


def test_an_arm_that_crashed_is_never_called_equal(study: Study) -> None:
    dies = {("fusion=early", "cell0")}
    early_fusion = conclusion(analyse(study(blocks=8, arms=CLOSE, noise=0.003, failed=dies)), "fusion=early")
    assert early_fusion.word == "the data cannot tell" and "failed cells" in early_fusion.why


def test_too_few_blocks_are_the_design_s_fault_and_mixed_digests_refuse(study: Study) -> None:
    few = conclusion(analyse(study(blocks=4, arms=CLOSE, noise=0.003)), "fusion=early")
    assert few.word == "the design cannot tell" and "a difference needs 6 blocks, equality 5; here are 4" in few.why
    strict = analyse(study(blocks=6, arms=CLOSE, noise=0.08), ReportOptions(alpha=0.01))
    why = "a difference needs 8 blocks at level .01, equality 7; here are 6"
    assert [(c.word, c.why) for c in strict.conclusions] == [("the design cannot tell", why)] * 2
    assert conclusion(analyse(study(blocks=6, arms=CLOSE, noise=0.08)), "fusion=early").word == "the data cannot tell"
    stale = analyse(study(lambda f: f.assign(data_digest=f["arm"]), arms=CLOSE, noise=0.003))
    assert {c.word for c in stale.conclusions} == {"refused"}


def test_five_blocks_can_establish_that_a_part_may_go(study: Study) -> None:
    assert conclusion(analyse(study(blocks=5, arms=CLOSE, noise=0.001)), "fusion=early").word == "may go"


@pytest.mark.parametrize(("spread", "explained"), [(0.012, True), (0.004, False)])
def test_an_interval_beyond_the_margin_of_an_equal_arm_is_explained(
    tmp_path: Path, spread: float, explained: bool
) -> None:
    scores = {"full": np.full(7, 0.8), "x": 0.8 + spread * np.array([-1, -1, -1, 0, 1, 1, 1])}
    rows = [(arm, f"d{i}", value) for arm, values in scores.items() for i, value in enumerate(values)]
    pd.DataFrame(rows, columns=["arm", "dataset", "auroc"]).to_csv(tmp_path / "t.csv", index=False)
    a = analyse(load(tmp_path / "t.csv", ReportOptions(reference="full")))
    (c,) = a.conclusions
    assert c.word == "practically equal"
    opening = "Where an interval passes the margin beside 'practically equal'"
    assert any(note.startswith(opening) for note in verdict_table(a)["notes"]) == explained


def test_the_reason_of_each_comparison_is_given_where_reasons_differ(study: Study) -> None:
    a = analyse(study(arms=CLOSE, noise=0.08, failed={("gnn=none", f"cell{i}") for i in range(7)}))
    notes = verdict_table(a)["notes"]
    assert "gnn: gat → none: no block is complete: cells failed on 7 blocks." in notes
    assert any("neither a difference nor equality" in note for note in notes)


def test_conclusions_stand_on_the_page_and_in_a_file(study: Study, tmp_path: Path) -> None:
    page = build(study(lambda f: f[f["metric"] == "auroc"], blocks=5, arms=CLOSE), tmp_path / "out")
    rows = (page.parent / "tables" / "conclusions.csv").read_text(encoding="utf-8")
    head = "metric,family,arm,against,conclusion,margin,p_not_worse,p_equal,worst_block,worst_difference,note,why"
    assert rows.splitlines()[0] == head
    assert "How many blocks each verdict would need" in page.read_text(encoding="utf-8")
