"""The opening sentences state the findings in plain words, and nothing that a refusal forbids."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ARMS, analyse

from reports.options import ReportOptions
from reports.page.sentences.summary import MOST_WORDS, summary
from reports.table.table import Table, load
from reports.words.numbers import interval

Study = Callable[..., Table]


def one_network(frame):  # type: ignore[no-untyped-def]
    return frame[frame["network"] == "STRING"]


@pytest.mark.parametrize("blocks", [1, 3, 6, *(pytest.param(n, marks=pytest.mark.slow) for n in (5, 7))])
def test_there_are_at_most_three_short_ones_and_none_states_no_effect(study: Study, blocks: int) -> None:
    arms = {**ARMS, "contrast=off": ("arm", 0.80), **{f"gnn=g{i}": ("arm", 0.7 + i / 50) for i in range(5)}}
    for metric in ("auroc", "auprc"):
        sentences = summary(analyse(replace(study(blocks=blocks, arms=arms), metric=metric)))
        assert 1 <= len(sentences) <= 3 and all(s.endswith(".") for s in sentences)
        assert all(len(s.split()) <= MOST_WORDS for s in sentences), sentences
        assert "no effect" not in " ".join(sentences).lower()


def test_one_data_set_has_no_claim_beyond_itself(study: Study) -> None:
    parts, gain, *_ = summary(analyse(study(one_network, blocks=1)))
    assert parts.startswith("On this data set alone, 2 of 3 arms differ from full; no claim goes beyond it.")
    assert gain.startswith("full beats the strongest control (degree) on STRING-cell0, by 0.09")


def test_losing_to_a_control_is_stated(study: Study) -> None:
    strong = {**ARMS, "degree": ("control", 0.9)}
    gain = summary(analyse(study(arms=strong)))[1]
    assert gain.startswith("full loses to the strongest control (degree) on all 14 data sets, by 0.")


def test_missing_controls_are_stated(study: Study) -> None:
    arms = {name: how for name, how in ARMS.items() if how[0] != "control"}
    assert summary(analyse(study(arms=arms)))[1].startswith("There is no control arm")


def test_what_may_go_stands_before_what_earns_its_keep(study: Study) -> None:
    arms = {"full": ("reference", 0.8), "gnn=none": ("arm", 0.75), "gnn=gcn": ("arm", 0.80)}
    parts = summary(analyse(study(arms=arms, noise=0.003)))[0]
    assert parts == "May go: gnn=gcn; earns its keep: gnn gat → none."


def test_a_part_whose_loss_is_shown_but_below_the_margin_may_go(study: Study) -> None:
    arms = {"full": ("reference", 0.8), "gnn=none": ("arm", 0.796)}
    a = analyse(study(arms=arms, noise=0.0005, blocks=8))
    (c,) = a.conclusions
    assert (c.word, c.finding.verdict, c.note) == ("may go", "lower", "lower, by less than 0.01")


def test_a_null_result_is_not_turned_into_evidence(study: Study) -> None:
    arms = {"full": ("reference", 0.8), "gnn=none": ("arm", 0.8)}
    assert summary(analyse(study(arms=arms, seed=2, noise=0.04)))[0] == "The data cannot tell: gnn gat → none."


def test_a_reference_that_never_finished_is_not_called_a_null_result(study: Study) -> None:
    parts, gain, *_ = summary(analyse(study(failed={("full", f"cell{i}") for i in range(7)})))
    assert "too few cells finished" in parts.lower() and "may go" not in parts.lower()
    assert gain == "full cannot be held against a control: their cells are incomplete."


@pytest.mark.parametrize(
    ("status", "lost"), [("oom", "cells failed on 7 blocks"), ("killed", "cells are missing on 7")]
)
def test_an_arm_that_failed_everywhere_is_no_fault_of_the_design(tmp_path: Path, status: str, lost: str) -> None:
    base = [0.8 + 0.01 * i for i in range(7)]
    rows = [
        {"arm": arm, "dataset": f"d{i}", "auroc": None if arm == "crash" else value - less * (1 + i / 100)}
        for arm, less in (("full", 0.0), ("worse", 0.1), ("crash", 0.0))
        for i, value in enumerate(base)
    ]
    frame = pd.DataFrame(rows)
    frame.assign(status=np.where(frame["auroc"].isna(), status, "ok")).to_csv(tmp_path / "t.csv", index=False)
    a = analyse(load(tmp_path / "t.csv", ReportOptions(reference="full")))
    assert summary(a)[0] == "Against full, worse: worse; too few cells finished: crash."
    assert lost in next(c.why for c in a.conclusions if c.finding.arm == "crash")


def test_blocks_that_failed_are_counted_against_the_cells_and_blocks_that_are_not_there_against_the_design(
    tmp_path: Path,
) -> None:
    full, arm = [0.8 + 0.01 * i for i in range(7)], [0.7 + 0.011 * i for i in range(7)]
    assert (
        opening(tmp_path, {"full": full, "x": [None, None, *arm[2:]]})[0] == "Against full, too few cells finished: x."
    )
    assert opening(tmp_path, {"full": full[2:], "x": arm[2:]})[0] == "Against full, the design cannot tell: x."


def test_five_blocks_state_how_many_a_difference_needs(study: Study) -> None:
    sentences = summary(analyse(study(blocks=5, noise=0.05)))
    assert sentences[0].startswith("The design cannot tell") and "6 could" in sentences[2]


def opening(
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


def test_a_data_set_without_a_gain_is_counted_and_no_mean_taken_over_the_others(tmp_path: Path) -> None:
    gain = opening(tmp_path, {"full": [0.84, 0.85, None], "x": [0.8, 0.8, 0.8], "degree": [0.8, 0.8, 0.9]})[1]
    assert gain == "full beats the strongest control (degree) on 2 of 3 data sets; 1 data set not known."
    none = opening(tmp_path, {"full": [None] * 3, "x": [0.8] * 3, "degree": [0.7] * 3})[1]
    assert none == "full cannot be held against a control: their cells are incomplete."


def test_a_loss_on_average_is_stated_beside_the_wins(tmp_path: Path) -> None:
    gain = opening(tmp_path, {"full": [0.84, 0.7, 0.81], "x": [0.8] * 3, "degree": [0.8] * 3})[1]
    assert gain == "full beats the strongest control (degree) on 2 of 3 data sets, yet loses 0.017 AUROC on average."


def test_the_side_of_most_data_sets_is_stated(tmp_path: Path) -> None:
    scores = {"full": [0.9, 0.7, 0.7], "x": [0.8] * 3, "degree": [0.79] * 3}
    gain = opening(tmp_path, scores)[1]
    assert gain == "full loses to the strongest control (degree) on 2 of 3 data sets, by 0.023 AUROC on average."
    scores["full"] = [0.99, 0.75, 0.75]
    gain = opening(tmp_path, scores)[1]
    assert gain == "full loses to the strongest control (degree) on 2 of 3 data sets, yet gains 0.040 AUROC on average."


def test_level_with_a_control_is_no_loss(tmp_path: Path) -> None:
    gain = opening(tmp_path, {"full": [0.8] * 3, "x": [0.7] * 3, "degree": [0.8] * 3})[1]
    assert gain == "full is level with the strongest control (degree) on all 3 data sets."
    gain = opening(tmp_path, {"full": [0.9, 0.8, 0.8], "x": [0.7] * 3, "degree": [0.8] * 3})[1]
    assert gain == "full beats the strongest control (degree) on 1 of 3 data sets, by 0.033 AUROC on average."


def long(name: str) -> str:
    return f"{name} model of {'very ' * 20}many words"


@pytest.mark.parametrize("way", ["worse", "torn", "alone", "half-way", "equal", "no control"])
def test_no_name_makes_a_sentence_long(tmp_path: Path, way: str) -> None:
    rng, rows = np.random.default_rng(0), []
    blocks = {"alone": 1, "half-way": 40}.get(way, 8)
    arms = [long("full"), *(long(f"arm {i}") for i in range(4)), *(long(f"control {i}") for i in range(4))]
    for block in range(blocks):
        for n, arm in enumerate(arms):
            role = "control" if arm.startswith("control") else "arm"
            if (way == "half-way" and block > 9 and n) or (way == "no control" and role == "control"):
                continue
            value = 0.7 - 0.02 * n * (way != "equal") + rng.normal(0, 1e-4)
            other = 9 + n if way == "torn" else value
            row = {"arm": arm, "role": role, "block": f"cell type {block}", "dataset": f"net {block}"}
            rows += [{**row, "repeat": r, "auroc": value + r / 1e4, "auprc_ratio": other + r / 1e4} for r in range(3)]
    pd.DataFrame(rows).to_csv(tmp_path / "t.csv", index=False)
    sentences = summary(analyse(load(tmp_path / "t.csv", ReportOptions(reference=long("full"), metric="auroc"))))
    assert 1 <= len(sentences) <= 3 and all(len(sentence.split()) <= MOST_WORDS for sentence in sentences), sentences


def test_arms_with_too_long_names_are_counted_after_their_word(tmp_path: Path) -> None:
    base = np.linspace(0.7, 0.8, 8)
    long = {f"{name} {'word ' * 30}": list(base - 0.03 - 0.001 * np.arange(8) * i) for i, name in enumerate("ab")}
    assert opening(tmp_path, {"full": list(base), **long})[0] == "Against full, worse: 2 arms."


def test_raw_auprc_is_never_averaged_over_data_sets(tmp_path: Path) -> None:
    scores = {
        "full": [0.60, 0.05, 0.06, 0.07, 0.08, 0.09],
        "x": [0.40, 0.06, 0.07, 0.08, 0.09, 0.10],
        "degree": [0.40, 0.051, 0.061, 0.071, 0.081, 0.091],
    }
    gain = opening(tmp_path, scores, metric="auprc")[1]
    assert gain == "full loses to the strongest control (degree) on 5 of 6 data sets."


def test_without_a_reference_pairs_are_named(tmp_path: Path) -> None:
    a, b = [0.8 + 0.01 * i for i in range(8)], [0.75 + 0.009 * i for i in range(8)]
    assert opening(tmp_path, {"a": a, "b": b}, None) == ["Better: a than b."]
    assert opening(tmp_path, {"a": a, "b": b}, None, "auprc") == ["Better: a than b."]


def test_an_established_improvement_is_stated(study: Study) -> None:
    arms = {"full": ("reference", 0.8), "gnn=none": ("arm", 0.85)}
    assert summary(analyse(study(arms=arms)))[0] == "Costs: gnn gat → none."


def test_one_word_for_all_is_written_once(tmp_path: Path) -> None:
    base = np.linspace(0.7, 0.8, 12)
    worse = {f"m{i}": list(base - 0.02 * (i + 1) - 0.0001 * np.arange(12)) for i in range(6)}
    assert opening(tmp_path, {"full": list(base), **worse})[0] == "All 6 arms are worse than full."


def test_arms_without_factors_are_rivals_and_not_changes(study: Callable[..., Table]) -> None:
    parts = summary(analyse(study(lambda frame: frame.drop(columns="gnn"))))[0]
    assert parts.startswith("Against full, worse: pcc and gnn=none; ")


def test_baselines_and_parts_are_one_question(study: Study) -> None:
    arms = {"full": ("reference", 0.8), "gnn=none": ("arm", 0.75), "pcc": ("baseline", 0.6)}
    a = analyse(study(arms=arms))
    assert len({c.finding.family for c in a.conclusions}) == 1
    assert [c.word for c in a.conclusions] == ["earns its keep", "worse"]


def test_a_metric_that_points_the_other_way_is_named(study: Callable[..., Table]) -> None:
    def better_in_auroc(frame: pd.DataFrame) -> pd.DataFrame:
        mine = frame["arm"].isin(["gnn=none"]) & (frame["metric"] == "auroc")
        return frame.assign(value=frame["value"] + 0.12 * mine)

    sentences = summary(analyse(study(better_in_auroc)))
    assert sentences[2] == "gnn=none is better on AUROC, worse on AUPRC ratio."


def test_search_trials_are_not_compared(study: Study) -> None:
    sentences = summary(analyse(study(lambda f: f.assign(trial=1))))
    assert sentences[0].startswith("No arm is compared with another: The table holds trials")


def test_the_end_of_an_interval_keeps_its_side_of_zero() -> None:
    assert interval(-0.0004, 0.0004) == "[−0.000, +0.000]"
    assert interval(0.0, 0.01) == "[0.000, +0.010]"


def test_one_arm_has_nothing_to_be_compared_with(study: Callable[..., Table]) -> None:
    a = analyse(study(arms={"only": ("arm", 0.8)}))
    assert summary(a)[0] == "There is one arm, so nothing to compare it with."
