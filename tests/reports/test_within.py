"""One data set alone: repeats that split its edges anew share many of them, and every p accounts for that."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import ARMS, analyse, build, study_frame

from reports.build import _render
from reports.findings.controls.audit import audit
from reports.findings.controls.topology import beyond_topology
from reports.findings.results import Analysis, Paired
from reports.options import Provenance, ReportOptions
from reports.page.context import context
from reports.page.sentences.methods import methods
from reports.page.sentences.summary import summary
from reports.page.tables import exports
from reports.statistics.multiplicity import holm
from reports.statistics.pairs.signed import ONE_SPLIT, RESPLIT, Exams, exams
from reports.table.table import Table, load

Study = Callable[..., Table]
Change = Callable[[pd.DataFrame], pd.DataFrame]


def one_metric(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["metric"] == "auroc"]


def one_network(frame: pd.DataFrame) -> pd.DataFrame:
    return one_metric(frame)[one_metric(frame)["network"] == "STRING"]


def pair(a: Analysis, arm: str = "gnn=none") -> Paired:
    return next(p for p in a.paired if p.arm == arm)


@pytest.mark.parametrize(
    ("change", "ratio", "why"),
    [
        (lambda f: f.assign(test_share=0.4), 2 / 3, ""),
        (lambda f: f.assign(test_share=0.3 + 0.02 * f["repeat"]), 0.34 / 0.66, ""),  # the largest overlap
        (lambda f: f.assign(split_digest="one"), 0.0, ""),
        (lambda f: f.assign(split_digest=f["repeat"].clip(upper=1).astype(str)), None, "same exam and some do not"),
        (lambda f: f.assign(test_share=1.0), None, "tests all edges"),
        (lambda f: f.drop(columns="test_share"), None, "column test_share"),
        (lambda f: f.drop(columns="split_digest").assign(test_share=0.25), 1 / 3, ""),
        (lambda f: f.drop(columns=["split_digest", "test_share"]), None, "column test_share"),
    ],
)
def test_what_repeats_share_is_read_off_the_table(study: Study, change: Change, ratio: float | None, why: str) -> None:
    overlaps = exams(study(lambda f: change(one_metric(f)), blocks=1).frame)
    assert len(overlaps) == 2
    for exam in overlaps.values():
        assert exam == Exams(pytest.approx(ratio) if ratio is not None else None, exam.why)
        assert why in exam.why and bool(exam.why) == bool(why)


def test_shared_edges_widen_the_interval_and_raise_p(study: Study) -> None:
    """0.2 + 0.385 / 0.615 of the variance of a repeat instead of 0.2 of it."""
    shared = pair(analyse(study(one_network, blocks=1, repeats=5)))
    plain = pair(analyse(study(lambda f: one_network(f).assign(split_digest="one"), blocks=1, repeats=5)))
    assert shared.mean == plain.mean
    wider = (shared.high - shared.low) / (plain.high - plain.low)
    assert wider == pytest.approx(((0.2 + 0.385 / 0.615) / 0.2) ** 0.5)
    assert shared.test is not None and shared.test.method == RESPLIT
    assert plain.test is not None and plain.test.method == ONE_SPLIT and plain.test.p < shared.test.p


def test_arms_of_one_data_set_and_metric_are_one_family_and_a_failed_one_counts(study: Study) -> None:
    comparisons = analyse(study(one_network, blocks=1, repeats=4)).paired
    assert {p.arm for p in comparisons} == {"gnn=none", "fusion=early", "pcc"}
    raw = [p.test.p for p in comparisons if p.test]
    assert [p.p_holm for p in comparisons] == pytest.approx(holm(raw).tolist())  # type: ignore[arg-type]
    dead = analyse(study(one_network, blocks=1, repeats=4, failed={("pcc", "cell0")}))
    raw = [p.test.p for p in dead.paired if p.test]
    assert len(raw) == 2 and min(p.p_holm for p in dead.paired if p.p_holm) == pytest.approx(3 * min(raw))
    assert pair(dead, "pcc").test is None and pair(dead, "pcc").p_holm is None


def test_the_gain_over_a_control_chosen_by_its_score_has_an_interval_but_no_p(study: Study) -> None:
    shared = analyse(study(one_metric, blocks=1)).gains
    plain = analyse(study(lambda f: one_metric(f).drop(columns="test_share"), blocks=1)).gains
    assert shared and all(g.test is None and g.p_holm is None for g in shared)
    assert all(a.low < b.low and a.high > b.high for a, b in zip(shared, plain, strict=True))


def broken(where: Callable[[pd.DataFrame], pd.Series], status: str = "timeout") -> Change:
    """Let the cells of AUROC fail that ``where`` picks; an empty status takes their rows away."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        rows = one_metric(frame).copy()
        bad = where(rows)
        if not status:
            return rows[~bad]
        rows.loc[bad, "value"], rows.loc[bad, "status"] = float("nan"), status
        return rows

    return change


ON_ONE = "STRING-cell0"


@pytest.mark.parametrize(
    ("where", "status", "note"),
    [
        (lambda f: (f["arm"] == "degree") & (f["repeat"] == 0), "oom", "degree failed 1 of 3 repeats"),
        (lambda f: (f["arm"] == "degree") & (f["repeat"] == 0), "", "degree lacks 1 of 3 repeats"),
        (lambda f: f["arm"] == "noise", "oom", "noise failed 3 of 3 repeats"),  # its scores are unknown
        (lambda f: f["arm"] == "noise", "", "noise lacks 3 of 3 repeats"),
        (lambda f: f["arm"].isin(["full", "degree"]), "", "neither full nor degree was run"),
        (lambda f: (f["arm"] == "full") & (f["repeat"] < 2), "oom", "full failed 2 of 3 repeats"),
    ],
)
def test_no_gain_is_stated_over_the_controls_that_happened_to_finish(
    study: Study, where: Change, status: str, note: str
) -> None:
    on_one = broken(lambda f: where(f) & (f["dataset"] == ON_ONE), status)
    gains = {g.dataset: g for g in analyse(study(on_one, blocks=2)).gains}
    assert len(gains) == 4 and gains[ON_ONE].note == note and math.isnan(gains[ON_ONE].mean)
    assert all(g.note == "" and g.against == "degree" for d, g in gains.items() if d != ON_ONE)


def test_a_weak_control_that_failed_a_repeat_takes_no_gain_away(study: Study) -> None:
    whole = analyse(study(one_metric, blocks=1)).gains
    assert whole == analyse(study(broken(lambda f: (f["arm"] == "noise") & (f["repeat"] == 0)), blocks=1)).gains


def test_a_control_without_a_metric_leaves_no_gain_in_it(study: Study) -> None:
    lacking = study(lambda f: f[(f["arm"] != "degree") | (f["metric"] == "auroc")], blocks=1)
    notes = {g.metric: g.note for g in analyse(lacking).gains}
    assert notes == {"auroc": "", "auprc": "degree lacks 3 of 3 repeats", "auprc_ratio": "degree lacks 3 of 3 repeats"}


def page_context(a: Analysis) -> dict[str, Any]:
    return context(a, [], audit(a), beyond_topology(a, None), Provenance())


def page(a: Analysis) -> str:
    return _render("report.html.j2", page_context(a))


def test_two_repeats_have_no_p(study: Study) -> None:
    comparison = pair(analyse(study(one_network, blocks=1, repeats=2)))
    assert comparison.test is None and comparison.p_holm is None and comparison.low < comparison.mean < comparison.high


def test_an_unknown_overlap_is_stated_and_not_tested(study: Study) -> None:
    a = analyse(study(lambda f: one_network(f).drop(columns="test_share"), blocks=1))
    comparison = pair(a)
    assert comparison.test is None and comparison.ratio is None and comparison.low < comparison.mean < comparison.high
    assert "carries no claim beyond this data set" in summary(a)[0]
    text = page(a)
    assert "repeats that share edges make them too narrow" in text
    assert "t intervals, not corrected for edges that repeats may share; there was one independent block" in methods(a)


def test_one_data_set_states_its_p_as_its_own(study: Study) -> None:
    a = analyse(study(one_network, blocks=1, repeats=6))
    assert summary(a)[0] == "On this data set alone, 2 of 3 arms differ from full; no claim goes beyond it."
    rows = page_context(a)["verdicts"]["rows"]
    assert all(row["interval"].endswith("], this data set only") for row in rows)
    assert {row["word"] for row in rows} == {"the design cannot tell"}
    assert "corrected for the edges that re-split repeats share (Nadeau and Bengio, 2003)" in methods(a)
    tex = next(e.tex for e in exports(a) if e.name == "paired_over_repeats")
    assert "Holm p" in tex and "another data set" in tex


def test_several_data_sets_do_not_lend_their_p_to_the_opening(study: Study) -> None:
    opening = " ".join(summary(analyse(study(one_metric, blocks=1))))
    assert "On this data set alone" not in opening


def test_the_page_explains_the_p_of_one_data_set(study: Study) -> None:
    a = analyse(study(one_metric, blocks=2))
    text = page(a)
    assert "This data set only" in text and "corrected resampled t test" in text
    rows = next(e.numbers for e in exports(a) if e.name == "paired_over_repeats")
    assert {"ratio", "uncorrected", "test", "statistic", "p", "p_holm"} <= set(rows)
    assert (rows["test"] == RESPLIT).all()


def test_a_foreign_table_may_hold_the_overlap_of_its_repeats(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    frame = study_frame(blocks=1, repeats=4)
    frame = frame[(frame["part"] == "test") & (frame["metric"] == "auroc")]
    frame[["arm", "dataset", "repeat", "value", "test_share"]].rename(columns={"value": "auroc"}).to_csv(path)
    analysis = analyse(load(path, ReportOptions(reference="full")))
    assert [p.ratio for p in analysis.paired] == pytest.approx([0.385 / 0.615] * len(analysis.paired))
    assert all(p.test is not None for p in analysis.paired)


def test_pairs_of_mean_ranks_stand_folded_beside_each_other(study: Study) -> None:
    a = analyse(study(one_metric, blocks=8))
    (test,) = a.globals
    assert test.conover is not None and test.nemenyi is not None
    rows = page_context(a)["tests"][0]["pairs"]
    assert len(rows) == len(ARMS) * (len(ARMS) - 1) // 2
    assert all(row["Mean ranks"].startswith("−") or row["Mean ranks"] == "0.00" for row in rows)
    text = page(a)
    assert "AUROC: pairs of mean ranks (15 rows)" in text and "both tests depend on the pool" in text
    names = {e.name for e in exports(a)}
    assert {"nemenyi_auroc", "conover_auroc"} <= names


@pytest.mark.parametrize("how", [{"blocks": 4}, {"failed": {("pcc", "cell0")}}])
def test_mean_ranks_are_refused_as_before(study: Study, how: dict[str, object]) -> None:
    a = analyse(study(one_metric, **how))
    assert all(g.conover is None and g.nemenyi is None for g in a.globals)
    assert not {e.name for e in exports(a)} & {"nemenyi_auroc", "conover_auroc"}


OWN = ("permuted_features", "mine (random_features)", "noise")


def with_feature_controls(frame: pd.DataFrame) -> pd.DataFrame:
    """Add controls of the reference, of an arm called mine, and noise: .02, .03 and .2 below and .01 above ``full``."""
    full = frame[frame["arm"] == "full"]
    rows = [full.assign(arm="mine", role="arm", value=full["value"] - 0.01)]
    for name, below in zip(OWN, (0.02, 0.04, 0.2), strict=True):
        rows.append(full.assign(arm=name, role="control", value=full["value"] - below))
    return pd.concat([frame[frame["role"] != "control"], *rows])


def test_controls_of_features_stand_against_their_own_arm_and_are_no_control_of_expression(study: Study) -> None:
    a = analyse(study(lambda f: with_feature_controls(one_metric(f))))
    assert {g.against for g in a.gains} == {"noise"}
    means = {(g.arm, g.against): round(g.mean, 6) for g in a.feature_gains}
    assert means == {("full", "permuted_features"): 0.02, ("mine", "mine (random_features)"): 0.03}
    assert len(a.feature_gains) == 2 * len(a.datasets)


def test_a_page_states_what_features_are_worth_over_those_of_other_genes(study: Study) -> None:
    text = page(analyse(study(lambda f: with_feature_controls(one_metric(f)))))
    assert "mine − mine (random_features)" in text and "permuted_features" in text
    assert "Gain over other features" in text
    assert "Gain over other features" not in page(analyse(study(one_metric)))


def test_what_features_are_worth_is_in_a_table_and_in_the_short_page(study: Study, tmp_path: Path) -> None:
    table = study(lambda f: with_feature_controls(one_metric(f)))
    a = analyse(table)
    written = build(table, tmp_path / "out").parent
    rows = pd.read_csv(written / "tables" / "gain_over_other_features.csv")
    keys = ["metric", "dataset", "arm", "against", "repeats", "mean", "low", "high"]
    expected = pd.DataFrame([{key: getattr(g, key) for key in keys} for g in a.feature_gains])
    pd.testing.assert_frame_equal(rows[keys], expected, check_dtype=False)
    sets = len(a.datasets)
    line = f"- mine over mine (random_features): above on {sets} of {sets} data sets, AUROC by +0.030 to +0.030."
    assert line in (written / "report.md").read_text()
    plain = build(study(one_metric), tmp_path / "plain").parent
    assert not (plain / "tables" / "gain_over_other_features.csv").exists()
    assert "Features of genes" not in (plain / "report.md").read_text()


def test_features_alone_under_control_do_not_pass_for_expression(study: Study) -> None:
    a = analyse(study(lambda f: with_feature_controls(one_metric(f)).query("arm != 'noise'")))
    assert not a.gains
    assert any("nothing shows that full needs expression" in sentence for sentence in summary(a))
