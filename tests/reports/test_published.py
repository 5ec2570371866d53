"""The numbers of two published papers come out as a correct report must print them."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import analyse, build, published
from scipy import stats

from reports.findings.results import Analysis, Finding
from reports.options import ReportOptions
from reports.table.table import load


def table(name: str, arm: str, reference: str | None = None) -> Analysis:
    path = published(name)
    return analyse(load(path, ReportOptions(arm=arm, block=("network", "cell"), metric="auroc", reference=reference)))


def pair(analysis: Analysis, one: str, other: str) -> Finding:
    return next(f for f in analysis.findings if {f.arm, f.against} == {one, other})


def test_table_1_friedman_and_the_gap_to_the_runner_up() -> None:
    analysis = table("scunigp_table1_auroc.csv", "method", "scUniGP")
    (test,) = analysis.globals
    assert (test.test.blocks, test.test.arms) == (22, 10)
    assert test.test.chi2 == pytest.approx(159.15, abs=0.005)
    assert test.test.p_chi2 == pytest.approx(1.12e-29, rel=0.005)
    assert test.test.kendalls_w == pytest.approx(0.804, abs=0.0005)
    runner_up = pair(analysis, "scUniGP", "scGREAT")
    assert runner_up.effect is not None and runner_up.sensitivity is not None
    assert -runner_up.effect.cohens_d == pytest.approx(1.163, abs=0.0005)
    assert runner_up.sensitivity.signed.statistic == 0.0
    assert runner_up.verdict == "lower"


def test_table_2_graph_branch() -> None:
    analysis = table("scunigp_table2_gnn_auroc.csv", "gnn")
    (test,) = analysis.globals
    assert test.test.blocks == 14
    assert test.test.chi2 == pytest.approx(15.81, abs=0.005)
    assert test.test.p_chi2 == pytest.approx(3.7e-4, rel=0.02)
    # as they are when every sign pattern of three decimals with ties and zeros is counted
    for (one, other), exact in {("gat", "none"): 0.0129, ("gat", "gcn"): 0.0032, ("gcn", "none"): 0.295}.items():
        comparison = pair(analysis, one, other)
        assert comparison.sensitivity is not None
        assert comparison.sensitivity.signed.p == pytest.approx(exact, rel=0.02), (one, other)
    assert pair(analysis, "gcn", "none").verdict == "not established"


def test_table_2_average_of_no_graph_on_string_is_not_the_printed_one() -> None:
    scores = table("scunigp_table2_gnn_auroc.csv", "gnn").scores
    on_string = scores[(scores["arm"] == "none") & scores["dataset"].str.startswith("STRING")]
    assert len(on_string) == 7
    assert round(on_string["mean"].mean(), 3) == 0.929


def test_a_report_on_table_2_prints_the_averages_that_its_rows_give(tmp_path: Path) -> None:
    build(load(published("scunigp_table2_gnn_auroc.csv")), tmp_path)
    averages = pd.read_csv(tmp_path / "tables" / "averages.csv").set_index(["network", "arm"])
    assert set(averages["datasets"]) == {7}
    printed = {arm: round(averages.loc[("STRING", arm), "mean"], 3) for arm in ("none", "gcn", "gat")}
    assert printed == {"none": 0.929, "gcn": 0.929, "gat": 0.937}
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "7 independent blocks (column cell, each over network)" in page
    row = page[page.index("Mean of STRING (7 data sets)") :].split("</tr>")[0]
    assert row.count("0.929") == 2 and "0.918" not in row


def test_table_3_fusion() -> None:
    analysis = table("scunigp_table3_fusion_auroc.csv", "fusion")
    (test,) = analysis.globals
    assert test.test.chi2 == pytest.approx(24.14, abs=0.005)
    assert test.test.p_chi2 == pytest.approx(5.7e-6, rel=0.005)
    early = pair(analysis, "multiscale", "early")
    assert early.sensitivity is not None
    assert early.sensitivity.signed.p == pytest.approx(0.00012, rel=0.02)


def test_table_3_late_fusion_with_and_without_the_last_bits() -> None:
    """The .0052 in circulation ranks raw floats, where -0.006 and 0.006 are not tied; tied and exact: .0024."""
    analysis = table("scunigp_table3_fusion_auroc.csv", "fusion")
    late = pair(analysis, "multiscale", "late")
    assert late.sensitivity is not None
    values = analysis.scores.pivot_table(index="block", columns="arm", values="mean")
    tied = (values["multiscale"] - values["late"]).round(6)
    every = np.array(list(product((-1, 1), repeat=len(tied)))) @ stats.rankdata(tied.abs())
    rank_sum = np.sign(tied) @ stats.rankdata(tied.abs())
    assert (tied != 0).all() and late.sensitivity.signed.p == pytest.approx((np.abs(every) >= abs(rank_sum)).mean())


def test_blocks_that_share_a_cell_type_are_called_dependent() -> None:
    analysis = table("scunigp_table2_gnn_auroc.csv", "gnn")
    (warned,) = [r for r in analysis.refusals if r.rule == "independence"]
    assert warned.weight == "warning"


def test_cell_types_as_blocks_average_networks_inside() -> None:
    path = published("scunigp_table2_gnn_auroc.csv")
    analysis = analyse(load(path, ReportOptions(arm="gnn", block="cell", dataset="network", metric="auroc")))
    assert len(analysis.blocks) == 7
    assert len(analysis.datasets) == 14
    assert all(f.effect is not None and f.effect.n == 7 for f in analysis.findings)


def test_table_1_over_seven_cell_types_establishes_what_it_can() -> None:
    path = published("scunigp_table1_auroc.csv")
    analysis = analyse(load(path, ReportOptions(reference="scUniGP")))
    assert len(analysis.blocks) == 7 and len(analysis.conclusions) == 9
    at_the_floor = [f for f in analysis.findings if f.p == pytest.approx(2 / 2**7)]
    assert len(at_the_floor) >= 8 and all(f.verdict == "lower" and f.side == "below" for f in at_the_floor)
    words = {c.finding.arm: c.word for c in analysis.conclusions}
    assert all(words[f.arm] == "worse" for f in at_the_floor) and "the design cannot tell" not in words.values()
    assert all(f.sensitivity and f.sensitivity.p_holm > 0.05 for f in analysis.findings)  # the result by Holm


def test_table_2_over_seven_cell_types_shows_gat_above_both() -> None:
    path = published("scunigp_table2_gnn_auroc.csv")
    analysis = analyse(load(path, ReportOptions(arm="gnn")))
    for other in ("gcn", "none"):
        comparison = pair(analysis, "gat", other)
        assert comparison.p == pytest.approx(3 / 64) and comparison.verdict in ("higher", "lower")
    assert pair(analysis, "gcn", "none").verdict == "not established"


def test_bucketing_table_reads_both_metrics() -> None:
    path = published("gpdht_table2_bucketing.csv")
    analysis = analyse(load(path, ReportOptions(arm="bucketing", block="cell", dataset="genes")))
    assert analysis.metrics == ("auroc", "auprc")
    by_metric = {f.metric: f for f in analysis.findings}
    beside = by_metric["auroc"].sensitivity
    assert beside is not None and "Wilcoxon" in beside.signed.method
    assert by_metric["auprc"].verdict == "described" and by_metric["auprc"].sensitivity is None
