"""The three opening sentences say what was found, in the reader's words, and nothing a refusal forbids."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ARMS, analyse

from reports.options import ReportOptions
from reports.page.sentences.summary import summary
from reports.statistics.pairs.differences import effect
from reports.table.table import Table, load
from reports.words.numbers import interval

Study = Callable[..., Table]


def one_network(frame):  # type: ignore[no-untyped-def]
    return frame[frame["network"] == "STRING"]


@pytest.mark.parametrize("blocks", [1, 3, 5, 6, 7])
def test_there_are_three_and_none_says_no_effect(study: Study, blocks: int) -> None:
    arms = {**ARMS, "contrast=off": ("arm", 0.80)}
    said = summary(analyse(study(blocks=blocks, arms=arms)))
    assert len(said) == 3 and all(s.endswith(".") for s in said)
    assert "no effect" not in " ".join(said).lower()
    assert ("established at" in said[2]) == (blocks == 7)


def test_one_data_set_speaks_for_itself_only(study: Study) -> None:
    gain, parts, carried = summary(analyse(study(one_network, blocks=1)))
    assert "gains 0.09" in gain and "over degree on STRING-cell0 ([+0.080, +0.106]; 3 paired repeats)" in gain
    assert "AUPRC" in gain
    assert "gnn=none" in parts and "this data set only" in parts
    assert "N = 1 independent block no claim beyond this data set" in carried


def test_losing_to_a_control_is_said_plainly(study: Study) -> None:
    strong = {**ARMS, "degree": ("control", 0.9)}
    gain = summary(analyse(study(arms=strong)))[0]
    assert "loses" in gain and "a rule that never reads expression on every one of them" in gain


def test_no_controls_is_said(study: Study) -> None:
    arms = {name: how for name, how in ARMS.items() if how[0] != "control"}
    assert summary(analyse(study(arms=arms)))[0].startswith("There is no control arm")


def test_the_most_and_the_least_useful_part(study: Study) -> None:
    parts = summary(analyse(study()))[1]
    assert "Changing full to gnn=none moves AUROC by −0.05" in parts
    assert "over 7 blocks, to fusion=early by −0.00" in parts
    assert "nothing here shows" not in parts


def test_parts_that_are_not_missed_are_said_not_to_earn_their_keep(study: Study) -> None:
    arms = {"full": ("reference", 0.8), "gnn=none": ("arm", 0.83), "fusion=late": ("arm", 0.82)}
    parts = summary(analyse(study(arms=arms)))[1]
    assert "no interval lies below zero, so nothing on AUROC shows that full needs what was changed" in parts


def test_a_null_result_is_not_turned_into_evidence(study: Study) -> None:
    arms = {"full": ("reference", 0.8), "gnn=none": ("arm", 0.8)}
    carried = summary(analyse(study(arms=arms, seed=3)))[2]
    assert "no difference is established, which is not evidence that there is none" in carried


def test_a_reference_that_never_finished_is_not_called_a_null_result(study: Study) -> None:
    gain, parts, carried = summary(analyse(study(failed={("full", f"cell{i}") for i in range(7)})))
    assert "cannot be placed" in gain
    assert "so no change is sized here" in parts
    assert "no comparison has the 6 complete blocks" in carried


def test_an_unattainable_design_says_how_many_blocks_it_needs(study: Study) -> None:
    carried = summary(analyse(study(blocks=6)))[2]
    assert "cannot establish a difference between two arms; 7 blocks are needed" in carried


def told(
    tmp_path: Path,
    scores: Mapping[str, Sequence[float | None]],
    reference: str | None = "full",
    metric: str = "auroc",
    **how: object,
) -> list[str]:
    """Return the opening of a table with one value per arm and data set; None failed, 'degree' is a control."""
    rows = [
        {"arm": arm, "role": "control" if arm == "degree" else "arm", "dataset": f"d{i}", metric: value}
        for arm, values in scores.items()
        for i, value in enumerate(values)
    ]
    frame = pd.DataFrame(rows)
    frame["status"] = np.where(frame[metric].isna(), "oom", "ok")
    frame.to_csv(tmp_path / "t.csv", index=False)
    return summary(analyse(load(tmp_path / "t.csv", ReportOptions(reference=reference, metric=metric, **how))))  # type: ignore[arg-type]


def test_a_data_set_without_a_gain_is_named_and_no_mean_taken_over_the_others(tmp_path: Path) -> None:
    gain = told(tmp_path, {"full": [0.84, 0.85, None], "x": [0.8, 0.8, 0.8], "degree": [0.8, 0.8, 0.9]})[0]
    assert gain == (
        "Over the strongest control, full gains AUROC on 2 of 3 data sets (from +0.040 to +0.050); "
        "not known on d2 (full failed 1 of 1 repeats)."
    )
    lost = told(tmp_path, {"full": [0.84, 0.7, None], "x": [0.8, 0.8, 0.8], "degree": [0.8, 0.8, 0.9]})[0]
    assert "gains AUROC on 1 of 3 data sets (from −0.100 to +0.040), and loses to a rule that never reads" in lost
    none = told(tmp_path, {"full": [None] * 3, "x": [0.8] * 3, "degree": [0.7] * 3})[0]
    assert none == "Over the strongest control, full cannot be placed in AUROC (full failed 1 of 1 repeats)."


def test_raw_auprc_is_never_averaged_over_data_sets(tmp_path: Path, study: Study) -> None:
    assert "AUPRC ratio" in summary(analyse(study()))[0] and "AUPRC on" not in summary(analyse(study()))[0]
    gain, parts, _ = told(
        tmp_path,
        {
            "full": [0.60, 0.05, 0.06, 0.07, 0.08, 0.09],
            "x": [0.40, 0.06, 0.07, 0.08, 0.09, 0.09],
            "y": [0.50, 0.04, 0.05, 0.06, 0.07, 0.08],
            "degree": [0.40, 0.051, 0.061, 0.071, 0.081, 0.091],
        },
        metric="auprc",
    )
    assert "full gains AUPRC on 1 of 6 data sets, and loses to a rule that never reads expression on d1" in gain
    assert parts == "In AUPRC, y wins 0 of 6 blocks against full, x 4.5 of 6 blocks (ties count half)."


def test_raw_auprc_of_one_data_set_is_stated(study: Study) -> None:
    one = study(lambda f: one_network(f[f["metric"] != "auprc_ratio"]), blocks=1)
    assert " AUPRC over degree on STRING-cell0 ([" in summary(analyse(one))[0]


def test_without_a_reference_the_widest_gap_is_no_survivor_s(tmp_path: Path) -> None:
    a, b = [0.8 + 0.01 * i for i in range(8)], [0.79 + 0.009 * i for i in range(8)]
    said = told(tmp_path, {"a": a, "b": b, "c": [None] * 7 + [0.99]}, None)[1]
    assert said.startswith("The widest gap is between a and b") and "over 8 blocks" in said
    assert said.endswith("; left out for failed or missing cells: c – a and c – b.")
    dead = told(tmp_path, {"a": [*a[:7], None], "b": b}, None)[1]
    assert dead == "No two arms have every block complete, so no difference is stated."
    wins = told(tmp_path, {"a": a, "b": b}, None, "auprc")[1]
    assert wins == "In AUPRC, the most one-sided pair is a against b: a wins 8 of 8 blocks."


def test_an_interval_never_speaks_against_a_verdict(tmp_path: Path) -> None:
    """One huge loss among many small ones: the rank test is sure, the t interval holds zero."""
    losses = [0.001 * (i + 1) for i in range(11)] + [0.5]
    _, parts, carried = told(tmp_path, {"full": [0.9] * 12, "x": [0.9 - loss for loss in losses]})
    assert "[−0.138, +0.043]" in parts and "x lower than full" in carried
    assert "nothing here shows" not in parts


def test_an_established_improvement_is_said_plainly(tmp_path: Path) -> None:
    better = [0.8 + 0.001 * i for i in range(8)]
    _, parts, carried = told(tmp_path, {"full": [0.78] * 8, "x": better})
    assert "x higher than full" in carried
    assert parts.endswith(
        "; changing to x is an established improvement; "
        "no interval lies below zero, so nothing on AUROC shows that full needs what was changed."
    )
    both = told(tmp_path, {"full": [0.78] * 8, "x": better, "y": [score - 0.1 for score in better]})[1]
    assert both.endswith("changing to x is an established improvement.")


def test_the_tail_on_one_data_set_follows_its_own_test(study: Study) -> None:
    arms = {"full": ("reference", 0.8), "gnn=none": ("arm", 0.9), "fusion=late": ("arm", 0.8)}
    parts = summary(analyse(study(one_network, blocks=1, repeats=6, arms=arms)))[1]
    assert "; changing to gnn=none is an improvement on this data set; no interval lies below zero" in parts
    costs = {**arms, "fusion=late": ("arm", 0.6)}
    assert "nothing here shows" not in summary(analyse(study(one_network, blocks=1, repeats=6, arms=costs)))[1]


def test_baselines_are_no_parts(study: Study) -> None:
    arms = {"full": ("reference", 0.8), "pcc": ("baseline", 0.83)}
    assert "so nothing on AUROC shows that full beats a baseline" in summary(analyse(study(arms=arms)))[1]


def test_one_arm_is_not_told_that_tests_are_refused(study: Study) -> None:
    for blocks in (1, 7):
        carried = summary(analyse(study(blocks=blocks, arms={"full": ("reference", 0.8)})))[2]
        assert "nothing to compare" in carried and "refused" not in carried and "needs" not in carried


def test_blocks_are_only_called_independent_where_they_are(study: Study) -> None:
    shared = study(lambda f: f.assign(block=f["network"] + " / " + f["block"]), blocks=4)
    assert summary(analyse(shared))[2].startswith("With N = 8 blocks taken as independent and 2 comparisons")
    assert summary(analyse(study()))[2].startswith("With N = 7 independent blocks and 2 comparisons")


def test_failures_that_leave_too_few_blocks_are_said_to(study: Study) -> None:
    gone = {("gnn=none", "cell0"), ("fusion=early", "cell1")}
    carried = summary(
        analyse(study(blocks=7, failed=gone | {("contrast=off", "cell2")}, arms={**ARMS, "contrast=off": ("arm", 0.7)}))
    )[2]
    assert "failed or missing cells leave at most 6 blocks, too few to establish any difference" in carried


def test_many_established_differences_are_counted_and_a_level_is_no_licence(tmp_path: Path) -> None:
    base = np.linspace(0.7, 0.8, 12)
    worse = {f"m{i}": list(base - 0.01 * (i + 1) - 0.0001 * np.arange(12)) for i in range(6)}
    carried = told(tmp_path, {"full": list(base), **worse})[2]
    assert "established at 0.05, 6 of 6: all lower than full (adjusted p at most 0.0029)" in carried
    path = tmp_path / "five.csv"
    pd.DataFrame({"arm": ["full", "x"] * 5, "dataset": list("aabbccddee"), "auroc": np.linspace(0.6, 0.8, 10)}).to_csv(
        path
    )
    lax = summary(analyse(load(path, ReportOptions(reference="full")), ReportOptions(alpha=0.2)))[2]
    assert lax.endswith("one comparison needs 6 blocks.")


def test_without_a_reference_the_two_best_are_named_first(study: Callable[..., Table]) -> None:
    arms = {"ours": ("arm", 0.8), "theirs": ("arm", 0.75), "old": ("arm", 0.6)}
    parts = summary(analyse(study(arms=arms, blocks=8)))[1]
    assert parts.startswith("ours has the highest mean AUROC, ") and "theirs the next" in parts
    assert ": higher). The widest gap is between ours and old" in parts
    torn = summary(analyse(study(arms=arms, blocks=8, failed={("ours", "cell0")})))[1]
    assert not torn.startswith("ours has the highest mean")


def test_arms_without_factors_are_rivals_and_not_changes(study: Callable[..., Table]) -> None:
    parts = summary(analyse(study(lambda frame: frame.drop(columns="gnn"))))[1]
    assert parts.startswith("Against full, gnn=none has −") and "Changing" not in parts


def test_losses_that_another_metric_establishes_are_told_together(study: Callable[..., Table]) -> None:
    def better_in_auroc(frame: pd.DataFrame) -> pd.DataFrame:
        mine = frame["arm"].isin(["gnn=none", "fusion=early"]) & (frame["metric"] == "auroc")
        return frame.assign(value=frame["value"] + 0.12 * mine)

    parts = summary(analyse(study(better_in_auroc, arms={**ARMS, "fusion=early": ("arm", 0.74)})))[1]
    assert "yet fusion=early and gnn=none are established lower on AUPRC and AUPRC ratio" in parts


def test_the_end_of_an_interval_keeps_its_side_of_zero() -> None:
    size = effect(np.array([0.0, 0.001, -0.002, 0.02, 0.015, 0.01]))
    assert interval(replace(size, low=-0.0004, high=0.0004)) == "[−0.000, +0.000]"
    assert interval(replace(size, low=0.0, high=0.01)) == "[0.000, +0.010]"


def test_one_arm_has_nothing_to_be_compared_with(study: Callable[..., Table]) -> None:
    a = analyse(study(arms={"only": ("arm", 0.8)}))
    assert summary(a)[1] == "There is one arm, so nothing to compare it with."
