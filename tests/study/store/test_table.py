import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.core.metrics import METRICS
from components.core.registry import FACTORS
from reports.table.blocks import arm_levels
from reports.table.table import load
from study.plan.plan import Plan, make_plan
from study.spec.folder import OutFolder
from study.spec.machine import Lane
from study.spec.records import CellRecord, CellRow, Status
from study.store.table import tidy, write_table
from study.study_file.study import load_study
from study.train.cell import run_cell
from study.train.exams import make_split, share_tested

NAMED = {"study", "arm", "arm_digest", "role", "dataset", "network", "block", "split", "repeat", "protocol", "cell"}
NAMED |= {"data_digest", "code_digest", "split_digest", "test_share", "status", "reason", "seconds", "peak_memory_mb"}
NAMED |= {"parameters", "best_epoch", "device", "exam_differs", "versions", "part", "metric", "value"}


@pytest.fixture
def plan(study_file: Callable[..., Path]) -> Plan:
    return make_plan(load_study(study_file(name="table", repeats=1)))


@pytest.fixture
def records(plan: Plan) -> dict[str, CellRecord]:
    scored = {cell.digest: run_cell(cell, Lane("cpu", 1)).record for cell in plan.cells[:2]}
    failed = CellRecord(cell=plan.cells[2].digest, status=Status.KILLED, reason="out of memory, it seems")
    return {**scored, failed.cell: failed}


def rows(plan: Plan) -> list[CellRow]:
    return [cell.row for cell in plan.cells]


def test_one_row_per_cell_part_and_metric_failures_included(plan: Plan, records: dict[str, CellRecord]):
    frame = tidy(rows(plan), records)
    assert set(frame) == NAMED | set(FACTORS)
    assert not frame.duplicated(["cell", "part", "metric"]).any()
    assert len(frame) == 3 * 2 * len(METRICS)
    failed = frame[frame["arm"] == "degree"]
    assert set(failed["status"]) == {"killed"} and set(failed["reason"]) == {"out of memory, it seems"}
    assert failed["value"].isna().all() and len(failed) == 2 * len(METRICS)
    assert frame[frame["status"] == "ok"]["value"].notna().all()


def test_a_setting_that_a_design_crosses_is_a_factor_of_the_report(study_file: Callable[..., Path], tmp_path: Path):
    factors = {"gnn": ["gat", "none"], "gnn.gat.heads": [1, 2], "fusion": ["multiscale", "late"]}
    plan = make_plan(load_study(study_file(design={"kind": "full_factorial", "factors": factors}, repeats=1)))
    scores = {part: dict.fromkeys(METRICS, 0.5) for part in ("validation", "test")}
    records = {cell.digest: CellRecord(cell=cell.digest, scores=scores) for cell in plan.cells}
    table = load(write_table(rows(plan), records, tmp_path))
    levels = arm_levels(table.frame)
    assert list(levels) == ["gnn", "fusion", "heads"]
    combinations = {tuple(row) for row in levels.to_numpy()}
    assert combinations == {
        ("none", "-", "-"),
        *(("gat", fusion, n) for fusion in ("multiscale", "late") for n in "12"),
    }


def test_values_are_those_of_the_records(plan: Plan, records: dict[str, CellRecord]):
    frame = tidy(rows(plan), records).set_index(["cell", "part", "metric"])["value"]
    for cell, record in records.items():
        for part, scores in record.scores.items():
            for metric, value in scores.items():
                assert frame[cell, part, metric] == value


def test_a_row_holds_the_overlap_of_the_tests_of_two_repeats(plan: Plan, records: dict[str, CellRecord]):
    frame = tidy(rows(plan), records)
    split = make_split(plan.datasets[0], plan.cells[0].split, 0)
    tested = split.test_labels.sum()
    assert set(frame.loc[frame["status"] == "ok", "test_share"]) == {tested / (tested + len(split.train))}
    assert frame.loc[frame["status"] != "ok", "test_share"].isna().all()


def test_folds_and_transfers_test_all_edges_in_every_repeat(plan: Plan):
    dataset, split = plan.datasets[0], make_split(plan.datasets[0], plan.cells[0].split, 0)
    assert share_tested(dataset, (split, split)) == 1.0
    assert share_tested(dataclasses.replace(dataset, target=dataset), (split,)) == 1.0


def test_a_cell_without_record_has_no_row(plan: Plan, records: dict[str, CellRecord]):
    records.pop(plan.cells[0].digest)
    assert set(tidy(rows(plan), records)["arm"]) == {"gnn=none", "degree"}


def test_a_metric_that_is_undefined_is_missing_and_the_cell_still_ok(plan: Plan, records: dict[str, CellRecord]):
    cell = plan.cells[0].digest
    records[cell].scores["test"]["within_tf_auroc"] = None
    frame = tidy(rows(plan), records)
    row = frame[(frame["cell"] == cell) & (frame["part"] == "test") & (frame["metric"] == "within_tf_auroc")]
    assert row["value"].isna().all() and set(row["status"]) == {"ok"}


def test_the_file_gives_back_the_table_in_plain_columns(plan: Plan, records: dict[str, CellRecord], tmp_path: Path):
    path = write_table(rows(plan), records, tmp_path)
    assert path == OutFolder(tmp_path).table and [p.name for p in tmp_path.glob("cells*")] == [path.name]
    read = pd.read_parquet(path)
    pd.testing.assert_frame_equal(read, tidy(rows(plan), records), check_dtype=False)
    for column in read:
        values = read[column].dropna()
        assert values.map(lambda value: isinstance(value, str | int | float | np.number)).all(), column
