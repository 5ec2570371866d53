"""The three opening sentences say what was found, in the reader's words, and nothing a refusal forbids."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conftest import ARMS

from reports.analysis import analyse
from reports.page.sentences import summary
from reports.tables import Table

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
    assert "gains 0.09" in gain and "degree; 3 paired repeats on STRING-cell0" in gain
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
    assert "no interval lies below zero, so nothing here shows that a part earns its keep" in parts


def test_a_null_result_is_not_turned_into_evidence(study: Study) -> None:
    arms = {"full": ("reference", 0.8), "gnn=none": ("arm", 0.8)}
    carried = summary(analyse(study(arms=arms, seed=3)))[2]
    assert "no difference is established, which is not evidence that there is none" in carried


def test_a_reference_that_never_finished_is_not_called_a_null_result(study: Study) -> None:
    gain, parts, carried = summary(analyse(study(failed={("full", f"cell{i}") for i in range(7)})))
    assert "cannot be placed" in gain
    assert "no part's worth is stated" in parts
    assert "no comparison has the 6 complete blocks" in carried


def test_an_unattainable_design_says_how_many_blocks_it_needs(study: Study) -> None:
    carried = summary(analyse(study(blocks=6)))[2]
    assert "cannot establish any difference; 7 blocks are needed" in carried
