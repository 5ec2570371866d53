from collections.abc import Callable
from pathlib import Path

import pytest

from components.core.errors import KnockoutError
from study.plan.cost.total import estimate
from study.plan.plan import Plan, make_plan
from study.spec.records import CellRecord, PlanKind, Status
from study.store.ledger import Ledger
from study.store.plan_file import read_plan, write_plan
from study.study_file.study import load_study

SIMULATED = {"simulate": {"genes": 64, "tfs": 8, "cells": 40}}


@pytest.fixture
def plan(study_file: Callable[..., Path]) -> Callable[..., Plan]:
    return lambda **changes: make_plan(load_study(study_file(**changes)))


def test_repeats_are_outermost_so_that_a_stop_leaves_whole_repeats(plan: Callable[..., Plan]):
    planned = plan(datasets=[{**SIMULATED, "seed": 1}, {**SIMULATED, "seed": 2}])
    assert [(row.repeat, row.dataset, row.arm) for row in planned.record.rows] == [
        (repeat, f"simulated-{seed}", arm)
        for repeat in (0, 1)
        for seed in (1, 2)
        for arm in ("full model", "gnn=none", "degree")
    ]
    assert [cell.digest for cell in planned.cells] == [row.cell for row in planned.record.rows]


def test_missing_and_failed_cells_are_distinguished(plan: Callable[..., Plan], tmp_path: Path):
    planned, ledger = plan(), Ledger(tmp_path / "out")
    assert planned.missing(ledger) == list(planned.cells)
    ledger.write(CellRecord(cell=planned.cells[0].digest))
    ledger.write(CellRecord(cell=planned.cells[2].digest, status=Status.DIVERGED, reason="NaN"))
    ledger.write(CellRecord(cell="of another study"))
    assert planned.missing(ledger) == [planned.cells[1], *planned.cells[3:]]


def test_two_data_sets_of_one_name_are_refused(plan: Callable[..., Plan]):
    with pytest.raises(KnockoutError, match=r"two data sets are named 'a' \(positions 0 and 2\)") as refused:
        plan(datasets=[{**SIMULATED, "seed": s, "name": n} for s, n in ((1, "a"), (2, "b"), (3, "a"))])
    assert refused.value.where == "datasets[2]"


def test_one_data_set_under_two_names_is_refused(plan: Callable[..., Plan]):
    twice = [{**SIMULATED, "seed": 1, "name": name, "block": name} for name in "ab"]
    with pytest.raises(KnockoutError, match="'a' and 'b' hold the same data") as refused:
        plan(datasets=twice)
    assert refused.value.where == "datasets[1]"
    twice[1]["split"] = {"per_tf": {"validation": "natural"}}
    assert len(plan(datasets=twice).cells) == 12


def test_a_data_set_that_is_not_there_is_refused(plan: Callable[..., Plan]):
    with pytest.raises(KnockoutError, match=r"there is no data set .*nowhere.*Paths are relative to --data"):
        plan(datasets=["nowhere"])


def test_a_saved_plan_is_read_back(plan: Callable[..., Plan], tmp_path: Path):
    planned = plan(metric="auprc")
    write_plan(planned.record, tmp_path)
    read = read_plan(tmp_path)
    assert read == planned.record
    assert (read.metric, read.kind) == ("auprc", PlanKind.DESIGN)
    assert [row.cell for row in read.rows] == [cell.digest for cell in planned.cells]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"metric": "auroc", "rows": []}',
        '{"metric": "auroc", "rows": [{"study": "x"}]}',
        '{"version":2}',
    ],
)
def test_a_damaged_plan_is_named(tmp_path: Path, content: str):
    (tmp_path / "plan.json").write_text(content)
    with pytest.raises(KnockoutError, match="cannot be read") as refused:
        read_plan(tmp_path)
    assert refused.value.where == str(tmp_path / "plan.json")


def test_a_folder_without_a_study_is_refused(tmp_path: Path):
    with pytest.raises(KnockoutError, match="no study was run here"):
        read_plan(tmp_path)


def test_cost_is_measured_without_records_and_read_where_cells_have_ended(plan: Callable[..., Plan], tmp_path: Path):
    planned, ledger = plan(training={"epochs": 200, "graph_epochs": 1, "patience": 1}), Ledger(tmp_path)
    measured = estimate(planned, ledger)
    assert 0 < measured.seconds < measured.at_most and measured.kinds == measured.timed > 0
    for cell in planned.cells[:3]:
        ledger.write(CellRecord(cell=cell.digest, seconds=100.0))
    recorded = estimate(planned, ledger)
    assert (recorded.seconds, recorded.at_most, recorded.kinds) == (300.0, 300.0, 0)
    for cell in planned.cells[3:]:
        ledger.write(CellRecord(cell=cell.digest, seconds=1.0))
    assert estimate(planned, ledger).seconds == 0.0


def test_cost_of_an_arm_that_fails_is_still_estimated(plugin: Path, plan: Callable[..., Plan], tmp_path: Path):
    planned = plan(design={"kind": "explicit", "arms": [{"contrast": "nan"}, {"scorer": "boom"}]})
    assert estimate(planned, Ledger(tmp_path)).seconds > 0
