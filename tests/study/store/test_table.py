import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.core.metrics import METRICS
from components.core.registry import FACTORS
from study.plan.plan import Plan, make_plan
from study.spec.machine import Lane
from study.store.table import TABLE, tidy, write_table
from study.study_file.study import load_study
from study.train.cell import Result, _test_share, make_split, run_cell

NAMED = {"study", "arm", "arm_digest", "role", "dataset", "network", "block", "split", "repeat", "protocol", "cell"}
NAMED |= {"data_digest", "code_digest", "split_digest", "test_share", "status", "reason", "seconds", "peak_memory_mb"}
NAMED |= {"parameters", "best_epoch", "device", "versions", "part", "metric", "value"}


@pytest.fixture
def plan(study_file: Callable[..., Path]) -> Plan:
    return make_plan(load_study(study_file(name="table", repeats=1)))


@pytest.fixture
def results(plan: Plan) -> dict[str, Result]:
    found = {cell.digest: run_cell(cell, Lane("cpu", 1)) for cell in plan.cells[:2]}
    failed = Result(plan.cells[2].digest, status="killed", reason="out of memory, it seems")
    return {**found, failed.cell: failed}


def test_one_row_per_cell_part_and_metric_failures_included(plan: Plan, results: dict[str, Result]):
    frame = tidy(plan.rows, results)
    assert set(frame) == NAMED | set(FACTORS)
    assert not frame.duplicated(["cell", "part", "metric"]).any()
    assert len(frame) == 3 * 2 * len(METRICS)
    failed = frame[frame["arm"] == "degree"]
    assert set(failed["status"]) == {"killed"} and set(failed["reason"]) == {"out of memory, it seems"}
    assert failed["value"].isna().all() and len(failed) == 2 * len(METRICS)
    assert frame[frame["status"] == "ok"]["value"].notna().all()


def test_values_are_those_of_the_records(plan: Plan, results: dict[str, Result]):
    frame = tidy(plan.rows, results).set_index(["cell", "part", "metric"])["value"]
    for cell, result in results.items():
        for part, scores in result.scores.items():
            for metric, value in scores.items():
                assert frame[cell, part, metric] == value


def test_a_row_says_how_much_the_tests_of_two_repeats_overlap(plan: Plan, results: dict[str, Result]):
    frame = tidy(plan.rows, results)
    split = make_split(plan.datasets[0], plan.cells[0].split, 0)
    tested = split.test_labels.sum()
    assert set(frame.loc[frame["status"] == "ok", "test_share"]) == {tested / (tested + len(split.train))}
    results[plan.cells[0].digest].facts.pop("test_share")  # a record of before it was written
    old = tidy(plan.rows, results)
    assert old.loc[old["cell"] == plan.cells[0].digest, "test_share"].isna().all()


def test_folds_and_transfers_test_all_edges_in_every_repeat(plan: Plan):
    dataset, split = plan.datasets[0], make_split(plan.datasets[0], plan.cells[0].split, 0)
    assert _test_share(dataset, (split, split)) == 1.0
    assert _test_share(dataclasses.replace(dataset, target=dataset), (split,)) == 1.0


def test_a_cell_without_record_has_no_row(plan: Plan, results: dict[str, Result]):
    results.pop(plan.cells[0].digest)
    assert set(tidy(plan.rows, results)["arm"]) == {"gnn=none", "degree"}


def test_a_metric_that_is_undefined_is_missing_and_the_cell_still_ok(plan: Plan, results: dict[str, Result]):
    cell = plan.cells[0].digest
    results[cell].scores["test"]["within_tf_auroc"] = None
    frame = tidy(plan.rows, results)
    row = frame[(frame["cell"] == cell) & (frame["part"] == "test") & (frame["metric"] == "within_tf_auroc")]
    assert row["value"].isna().all() and set(row["status"]) == {"ok"}


def test_the_file_gives_back_the_table_in_plain_columns(plan: Plan, results: dict[str, Result], tmp_path: Path):
    path = write_table(plan.rows, results, tmp_path)
    assert path == tmp_path / TABLE and [p.name for p in tmp_path.glob("cells*")] == [TABLE]
    read = pd.read_parquet(path)
    pd.testing.assert_frame_equal(read, tidy(plan.rows, results), check_dtype=False)
    for column in read:
        values = read[column].dropna()
        assert values.map(lambda value: isinstance(value, str | int | float | np.number)).all(), column
