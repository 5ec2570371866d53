"""What was planned against what is in: pages before all blocks, and a question registered beforehand."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from conftest import build

from reports.findings.analysis import analyse
from reports.options import Planned, Registration, ReportOptions
from reports.page.sentences.methods import methods
from reports.page.sentences.planned import look_lines, planned_lines
from reports.page.sentences.summary import summary
from reports.table.table import Table

pytestmark = pytest.mark.slow  # whole reports, one a test

Study = Callable[..., Table]


def planned_as(table: Table, **how: Any) -> Table:
    cells = table.frame[["arm", "block", "dataset", "repeat"]].drop_duplicates()
    return replace(table, planned=Planned(frozenset(cells.itertuples(index=False, name=None)), **how))


def registered(table: Table, **changes: Any) -> Registration:
    arms = table.frame.drop_duplicates("arm")
    sets = table.frame.drop_duplicates("dataset")
    content = {
        "kind": "design",
        "metric": "auroc",
        "margin": 0.01,
        "alpha": 0.05,
        "looks": [],
        "reference": "full",
        "arms": {r["arm"]: {"role": r["role"], "digest": r["arm_digest"]} for r in arms.to_dict("records")},
        "datasets": {
            r["dataset"]: {"block": r["block"], "data": r["data_digest"], "split": r["split"]}
            for r in sets.to_dict("records")
        },
        "repeats": [0, 1, 2],
        "training": {"epochs": 3},
    }
    return Registration("2026-01-02", "abcdef0123456789", content={**content, **changes})


def with_budget(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(protocol='{"epochs": 3}')


def first(table: Table, blocks: int) -> Table:
    """The table before the later blocks were run, with the plan of all of them."""
    some = sorted(table.frame["block"].unique())[:blocks]
    return replace(table, frame=table.frame[table.frame["block"].isin(some)].reset_index(drop=True))


def rules(analysis: Any) -> set[str]:
    return {refusal.rule for refusal in analysis.refusals}


def test_a_page_before_all_blocks_are_in_gives_no_verdict(study: Study, tmp_path: Any):
    whole = planned_as(study(blocks=8))
    half = analyse(first(whole, 7))
    assert {f.verdict for f in half.findings} == {"described"} and {c.word for c in half.conclusions} == {"refused"}
    assert "interim" in rules(half) and half.look is not None and half.look.alpha is None
    assert summary(half)[0] == "No verdict yet: 7 of 8 planned blocks are in."
    assert any("On cell7 cells are awaited." in refusal.message for refusal in half.refusals)
    page = build(first(whole, 7), tmp_path / "page").read_text()
    assert "<h1>INTERIM (7 of 8 blocks): What each part" in page
    for word in ("established lower", "is worse", "worth keeping"):
        assert word not in page
    complete = analyse(whole)
    assert (
        "interim" not in rules(complete) and "lower" in {f.verdict for f in complete.findings} and complete.look is None
    )


def test_a_failed_cell_is_not_awaited(study: Study):
    whole = planned_as(study(blocks=8, failed={("gnn=none", "cell7")}))
    assert analyse(whole).look is None


def test_one_cell_that_was_not_run_holds_its_block_back(study: Study):
    table = planned_as(study(blocks=8))
    last = table.frame.eval("arm == 'noise' and dataset == 'STRING-cell3' and repeat == 2")
    look = analyse(replace(table, frame=table.frame[~last].reset_index(drop=True))).look
    assert look is not None and (look.finished, look.planned, look.alpha) == (7, 8, None)


def test_a_planned_look_spends_its_part_of_the_level(study: Study):
    table = study(with_budget, blocks=12)
    plan = planned_as(table, registration=registered(table, looks=[9]))
    look = analyse(first(plan, 9))
    assert look.look is not None and look.look.interim and look.alpha == look.look.alpha < 0.02
    assert "lower" in {f.verdict for f in look.findings} and "interim" not in rules(look)
    assert "Looks were planned at 9 of 12 blocks" in " ".join(planned_lines(look))
    assert "read at 9 of 12 blocks and at the end" in methods(look) and "at this look of 9." in methods(look)
    assert "The question was registered on " in methods(look)
    unplanned = analyse(first(plan, 10))
    assert unplanned.look is not None and unplanned.look.alpha is None and "interim" in rules(unplanned)
    last = analyse(plan)
    assert last.look is not None and not last.look.interim and 0.03 < last.alpha < 0.05


def test_looks_state_their_level_and_power() -> None:
    assert look_lines([], 7, 0.05) == []
    of_seven = look_lines([4, 6], 7, 0.05)
    assert of_seven[0] == "look at 4 blocks: level .0061; too few for a difference (the smallest p is 0.12)"
    assert "too few" in of_seven[1] and of_seven[2] == "all 7 blocks: level .041"
    assert not any("too few" in line for line in look_lines([9, 12], 16, 0.05))


def test_looks_of_an_edited_registration_do_not_count(study: Study):
    table = study(with_budget, blocks=12)
    edited = replace(registered(table, looks=[9]), broken="registration.yaml was edited")
    half = analyse(first(planned_as(table, registration=edited), 9))
    assert "interim" in rules(half)
    assert "registration.yaml was edited" in planned_lines(half)


def test_a_table_of_which_several_arms_lack_the_same_blocks_is_half_way(study: Study):
    def late(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[~(frame["block"].isin(["cell6", "cell7"]) & frame["arm"].ne("full"))]

    half = analyse(study(late, blocks=8))
    assert half.look is not None and (half.look.finished, half.look.planned) == (6, 8)
    assert {f.verdict for f in half.findings} == {"described"}


def test_an_arm_that_alone_lacks_blocks_makes_no_page_interim(study: Study):
    def lacking(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[~(frame["block"].isin(["cell6", "cell7"]) & frame["arm"].eq("pcc"))]

    assert analyse(study(lacking, blocks=9)).look is None


def test_what_was_registered_stands_on_the_page(study: Study, tmp_path: Any):
    table = study(with_budget)
    plan = planned_as(table, registration=registered(table))
    assert planned_lines(analyse(plan)) == ["Registered on 2026-01-02, digest abcdef012345; no deviation."]
    assert "registered on 2026-01-02, digest abcdef012345" in build(plan, tmp_path / "page").read_text()
    assert planned_lines(analyse(table)) == ["Not registered."]


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"metric": "auprc"}, {}, "The primary metric is auroc; registered was auprc."),
        ({}, {"margin": 0.05}, "The margin is 0.05; registered was 0.01."),
        ({}, {"alpha": 0.1}, "The level is 0.1; registered was 0.05."),
        ({"reference": "pcc"}, {}, "The reference arm is full; registered was pcc."),
        ({"repeats": [0, 1]}, {}, "1 repeat added after registration: 2."),
        ({"training": {"epochs": 9}}, {}, "Another training budget than registered."),
        ({"arms": {"full": {"digest": "other"}}}, {}, "Other settings than registered: full."),
        ({"datasets": {}}, {}, "14 data sets added after registration"),
    ],
)
def test_a_deviation_is_named(study: Study, changes: dict[str, Any], options: dict[str, Any], message: str):
    table = study(with_budget)
    analysis = analyse(planned_as(table, registration=registered(table, **changes)), ReportOptions(**options))
    assert message in " ".join(analysis.deviations)
    assert "deviation" in rules(analysis) and message in " ".join(planned_lines(analysis))


def test_arms_that_were_added_or_removed_are_named(study: Study):
    table = study(with_budget)
    arms = registered(table).content["arms"]
    other = {name: arm for name, arm in arms.items() if name != "pcc"} | {"gone": {"digest": "x"}}
    lines = analyse(planned_as(table, registration=registered(table, arms=other))).deviations
    assert lines == ("1 arm added after registration: pcc.", "1 registered arm removed: gone.")


def test_the_best_arm_of_a_search_could_not_be_named_beforehand(study: Study):
    table = study(with_budget)
    fixed_arms = {name: arm for name, arm in registered(table).content["arms"].items() if arm["role"] != "arm"}
    plan = planned_as(table, registration=registered(table, arms=fixed_arms, kind="search"))
    assert analyse(plan).deviations == ()


def test_a_question_asked_after_cells_had_ended_is_warned_of(study: Study):
    table = study(with_budget)
    late = replace(registered(table), ended=4)
    lines = planned_lines(analyse(planned_as(table, registration=late)))
    assert "after 4 cells had ended" in lines[0] and "with their scores in view" in lines[1]
