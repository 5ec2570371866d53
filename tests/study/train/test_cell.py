import hashlib
import json
import pickle
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from components.core.dataset import Dataset
from components.core.errors import KnockoutError
from components.core.metrics import evaluate
from components.data.simulator import SimulatorSettings, simulate, write_beeline
from search_spaces.arm import canonical_json
from study.plan.cost.timing import Pace, StagePace
from study.plan.cost.work import Draw, Exams, Work
from study.plan.plan import Plan, make_plan
from study.run.engine import make_workers
from study.run.pool import Pool, run_and_record
from study.spec.cell import Cell
from study.spec.folder import OutFolder
from study.spec.machine import Lane
from study.store.ledger import Ledger
from study.study_file.study import load_study
from study.train.cell import CellResult, run_cell
from study.train.exams import make_folds, make_split
from study.train.resources import CellTimeoutError, time_limit
from study.train.score import FoldScores

LANE = Lane("cpu", 1)


@pytest.fixture
def plan(study_file: Callable[..., Path]) -> Callable[..., Plan]:
    return lambda **changes: make_plan(load_study(study_file(**changes)))


def digests(plan: Plan) -> dict[tuple[str, int], str]:
    return {(row.arm, row.repeat): row.cell for row in plan.record.rows}


def test_every_cell_has_a_digest_of_its_own(plan: Callable[..., Plan]):
    two = [{"simulate": {"genes": 64, "tfs": 8, "cells": 40}, "seed": seed} for seed in (1, 2)]
    cells = plan(datasets=two, controls=True, repeats=3).cells
    assert len({cell.digest for cell in cells}) == len(cells) == 2 * 3 * 7


def test_digest_ignores_names_and_places(plan: Callable[..., Plan]):
    before = digests(plan())
    renamed = {"simulate": {"genes": 64, "tfs": 8, "cells": 40}, "seed": 1, "name": "x", "block": "b", "network": "n"}
    assert digests(plan(name="renamed", datasets=[renamed], lanes="cpu:1", metric="auprc")) == before
    more = digests(plan(repeats=4, controls=["noise", "degree"]))
    assert more.items() >= before.items()


def test_a_data_set_moved_to_another_folder_keeps_its_cells(plan: Callable[..., Plan], tmp_path: Path):
    dataset = simulate(SimulatorSettings(genes=64, tfs=8, cells=40), seed=1)
    for folder in ("here", "there"):
        write_beeline(dataset, tmp_path / folder)
    here, there = (digests(plan(datasets=[folder])) for folder in ("here", "there"))
    assert here == there


@pytest.mark.parametrize(
    "change",
    [
        {"training": {"epochs": 3, "graph_epochs": 1}},
        {"split": {"per_tf": {"validation": "natural"}}},
        {"datasets": [{"simulate": {"genes": 64, "tfs": 8, "cells": 41}, "seed": 1}]},
        {"datasets": [{"simulate": {"genes": 64, "tfs": 8, "cells": 40}, "seed": 2}]},
        {"reference": {"gnn": {"gat": {"widths": [8, 4], "heads": 1}}}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_digest_of_the_reference_changes_with_what_changes_its_numbers(
    plan: Callable[..., Plan], change: dict[str, Any]
):
    assert plan().cells[0].arm.role == plan(**change).cells[0].arm.role == "reference"
    assert plan().cells[0].digest != plan(**change).cells[0].digest


def test_digest_changes_with_arm_and_repeat(plan: Callable[..., Plan]):
    by_arm = digests(plan())
    assert len({by_arm["full model", 0], by_arm["full model", 1], by_arm["gnn=none", 0], by_arm["degree", 0]}) == 4


def test_a_record_holds_the_identity_of_its_digest(plugin: Path, plan: Callable[..., Plan]):
    planned = plan(design={"kind": "explicit", "arms": [{"scorer": "boom"}]})
    for cell in planned.cells[:3]:
        result = run_cell(cell, LANE).record
        assert result.identity == cell.identity == cell.identity_with(planned.datasets[0].digest)
        text = canonical_json(json.loads(json.dumps(result.identity)))
        assert hashlib.sha256(text.encode()).hexdigest().startswith(cell.digest)
        assert (result.status == "error") == (cell.arm.name != "full model" and cell.arm.role == "arm")


def test_a_rule_does_not_depend_on_the_training_budget(plan: Callable[..., Plan]):
    short, long = digests(plan()), digests(plan(training={"epochs": 3}))
    assert short["degree", 0] == long["degree", 0]
    assert short["gnn=none", 0] != long["gnn=none", 0]


def test_digest_changes_with_the_code_of_the_parts_it_uses(plan: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch):
    before, cell = plan().cells[0].digest, plan().cells[0]
    asked: list[dict[str, str]] = []

    def other_code(levels: tuple[tuple[str, str], ...]) -> str:
        asked.append(dict(levels))
        return "another version"

    monkeypatch.setattr("study.spec.cell.code_digest", other_code)
    assert cell.digest != before
    assert asked[0]["gnn"] == "gat" and asked[0]["split"] == "all_non_targets"


def test_all_arms_of_a_repeat_sit_one_exam(plan: Callable[..., Plan]):
    cells = plan(controls=["degree", "identity", "noise"], design={"factors": {"gnn": ["none", "gcn"]}}).cells
    results = [run_cell(cell, LANE) for cell in cells]
    assert {result.record.status for result in results} == {"ok"}
    first, second = results[:6], results[6:]
    for of_repeat in (first, second):
        assert len({result.record.split_digest for result in of_repeat}) == 1
        for result in of_repeat:
            for column in ("tf", "target", "label"):
                np.testing.assert_array_equal(result.predictions[column], of_repeat[0].predictions[column])
    assert first[0].record.split_digest != second[0].record.split_digest


COSTS = {"seconds", "shared_s", "peak_memory_mb"}


def same(one: CellResult, other: CellResult) -> None:
    assert one.record.ok
    assert one.record.model_dump(exclude=COSTS) == other.record.model_dump(exclude=COSTS)
    assert one.predictions is not None and other.predictions is not None
    assert one.predictions.keys() == other.predictions.keys()
    for key, values in one.predictions.items():
        np.testing.assert_array_equal(values, other.predictions[key])


def test_a_cell_run_twice_is_the_same_to_the_last_bit(plan: Callable[..., Plan]):
    cell = plan().cells[0]
    first = run_cell(cell, LANE)
    torch.rand(7), np.random.rand(7)  # noqa: NPY002  whatever global generators were at
    run_cell(plan().cells[1], LANE)
    same(first, run_cell(cell, LANE))


def test_a_worker_gives_what_this_process_gives(plan: Callable[..., Plan], tmp_path: Path, forked: None):
    import pandas as pd

    planned = plan()
    cells, out = planned.cells[:2], tmp_path / "out"
    waiting = iter(cells)
    pool = Pool(make_workers(planned.study, cells, out), out)
    list(pool.run(lambda: next(waiting, None)))
    for cell in cells:
        record = pool.ledger.read(cell.digest)
        predictions = dict(pd.read_parquet(pool.ledger.folder.predictions(cell.digest)))
        same(run_cell(cell, LANE), CellResult(record, predictions))


def of_part(result: CellResult, part: str) -> dict[str, np.ndarray]:
    assert result.predictions is not None
    return {name: values[result.predictions["part"] == part] for name, values in result.predictions.items()}


@pytest.mark.parametrize("part", ["test", "validation"])
def test_predictions_are_the_pairs_of_a_part_with_their_scores(plan: Callable[..., Plan], part: str):
    planned = plan()
    result = run_cell(planned.cells[0], LANE)
    edges = {(planned.datasets[0].genes[a], planned.datasets[0].genes[b]) for a, b in planned.datasets[0].edges}
    predictions = of_part(result, part)
    assert [(tf, target) in edges for tf, target in zip(predictions["tf"], predictions["target"], strict=True)] == list(
        predictions["label"] == 1
    )
    from sklearn.metrics import roc_auc_score

    assert roc_auc_score(predictions["label"], predictions["score"]) == pytest.approx(
        result.record.scores[part]["auroc"], abs=1e-6
    )


@pytest.mark.parametrize(
    ("arm", "status", "reason"),
    [
        ({"scorer": "boom"}, "error", "ValueError: boom went off [/at all] (knockout_misbehaving.py:"),
        ({"scorer": "quitter"}, "error", "SystemExit: 0 (knockout_misbehaving.py:"),
        ({"scorer": "interrupter"}, "error", "KeyboardInterrupt"),
        ({"scorer": "cheat"}, "error", "has no attribute 'test_labels'"),
        ({"negatives": "peeking_late"}, "error", "outside of the pool"),
        ({"scorer": "hungry"}, "oom", "out of memory"),
        ({"scorer": "blank"}, "diverged", "NaN"),
        ({"contrast": "nan"}, "diverged", "joint loss became nan"),
    ],
)
def test_a_failure_is_recorded_with_its_kind_and_without_scores(
    plugin: Path, plan: Callable[..., Plan], arm: dict[str, str], status: str, reason: str
):
    cell = next(c for c in plan(design={"kind": "explicit", "arms": [arm]}).cells if c.arm.role == "arm")
    result = run_cell(cell, LANE)
    assert (result.record.status, result.record.scores, result.predictions) == (status, {}, None)
    assert reason in result.record.reason


def test_a_cell_that_never_ends_is_ended_by_its_time_limit(plugin: Path, plan: Callable[..., Plan]):
    arms = [{"scorer": "endless"}]
    cell = next(c for c in plan(design={"kind": "explicit", "arms": arms}).cells if c.arm.role == "arm")
    result = run_cell(cell, LANE, timeout_s=0.5)
    assert result.record.status == "timeout", result.record.reason + result.traceback
    assert "--timeout allows (0.5 s)" in result.record.reason
    assert "in act" in result.traceback and run_cell(plan().cells[-1], LANE, timeout_s=60.0).record.ok


def test_a_time_limit_stays_one_where_the_part_makes_another_error_of_it():
    def act() -> None:
        try:
            while True:
                time.sleep(0.01)
        except BaseException:
            raise RuntimeError("of a library in C") from None

    with pytest.raises(CellTimeoutError) as raised, time_limit(0.05, kill=False):
        act()
    assert isinstance(raised.value.__cause__, RuntimeError)
    with pytest.raises(RuntimeError), time_limit(60.0, kill=False):
        raise RuntimeError("of its own")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_time_limit_that_falls_into_a_finalizer_is_raised_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("study.train.resources.AGAIN_S", 0.1)

    class Finalized:
        def __del__(self) -> None:
            wait_until(began + 0.3)

    def wait_until(moment: float) -> None:
        while time.monotonic() < moment:
            pass

    began = time.monotonic()
    with pytest.raises(CellTimeoutError), time_limit(0.05, kill=False):
        Finalized()
        wait_until(began + 20.0)
    assert time.monotonic() < began + 15.0


def test_a_failed_cell_keeps_its_traceback(plugin: Path, plan: Callable[..., Plan], tmp_path: Path):
    cell = next(c for c in plan(design={"kind": "explicit", "arms": [{"scorer": "boom"}]}).cells if c.arm.role == "arm")
    run_and_record(tmp_path, cell, LANE)
    text = OutFolder(tmp_path).traceback(cell.digest).read_text()
    assert text.startswith("Traceback") and "in act" in text and text.rstrip().endswith("boom went off [/at all]")
    Ledger(tmp_path).forget(cell.digest)
    assert not OutFolder(tmp_path).traceback(cell.digest).exists()


def test_data_sets_that_cannot_hold_their_exam_are_refused_before_anything_runs(
    plan: Callable[..., Plan], tmp_path: Path
):
    for name, edges in (("small", [[0, 1], [0, 2]]), ("tiny", [[1, 0], [1, 2]])):
        expression = np.diag([0.7, 0.9, 1.3]).astype(np.float32)
        write_beeline(
            Dataset(name, ("A", "B", "C"), expression, np.array([edges[0][0]]), np.array(edges)), tmp_path / name
        )
    sound = {"simulate": {"genes": 64, "tfs": 8, "cells": 40}, "seed": 1}
    with pytest.raises(KnockoutError, match=r"datasets\[1\].*too small") as one:
        plan(datasets=[sound, "small"])
    assert "datasets[0]" not in str(one.value)
    with pytest.raises(KnockoutError, match=r"datasets\[0\].*, datasets\[2\].*small: .*tiny: "):
        plan(datasets=["small", sound, "tiny"])


def test_a_cell_has_a_label_for_people(plan: Callable[..., Plan]):
    cell: Cell = plan().cells[0]
    assert cell.label == "full model / net / repeat 0"
    assert replace(cell, repeat=3).label.endswith("repeat 3")


@pytest.fixture
def in_folds(plan: Callable[..., Plan]) -> Plan:
    return plan(split="kfold_pooled", repeats=1, datasets=[{"simulate": {"genes": 64, "tfs": 8, "cells": 40}}])


class TestFolds:
    def test_predictions_are_every_pair_of_a_tf_with_targets_once(self, in_folds: Plan):
        dataset = in_folds.datasets[0]
        predictions = of_part(run_cell(in_folds.cells[0], LANE), "test")
        pairs = set(zip(predictions["tf"], predictions["target"], strict=True))
        expected = len(np.unique(dataset.edges[:, 0])) * (dataset.n_genes - 1)
        assert len(predictions["score"]) == len(pairs) == expected and set(predictions["fold"]) == {0, 1, 2}
        assert predictions["label"].sum() == len(dataset.edges)

    def test_metrics_are_those_of_all_folds_pooled(self, in_folds: Plan):
        folds = make_folds(in_folds.datasets[0], in_folds.cells[0].split, 0)
        degree = next(cell for cell in in_folds.cells if cell.arm.name == "degree")
        result, scores = run_cell(degree, LANE), []
        for split in folds:  # the rule is fitted on the training edges of each fold
            out_degree, in_degree = (np.bincount(column, minlength=64) + 1.0 for column in split.train.T)
            scores.append(out_degree[split.test[:, 0]] * in_degree[split.test[:, 1]])
        labels, pairs = np.concatenate([s.test_labels for s in folds]), np.concatenate([s.test for s in folds])
        assert result.record.scores["test"] == pytest.approx(evaluate(np.concatenate(scores), labels, pairs))
        np.testing.assert_array_equal(of_part(result, "test")["score"], np.concatenate(scores).astype(np.float32))

    def test_curves_epochs_and_exam_are_recorded_of_all_folds(self, in_folds: Plan):
        cell = in_folds.cells[0]
        result = run_cell(cell, LANE)
        curves = result.record.curves
        names = {name for name in curves if "/" not in name}
        expected = names | {f"fold_{k}/{name}" for k in (2, 3) for name in names}
        assert set(curves) == expected
        assert "joint_loss" in names
        best = [1 + int(np.argmax(curves[f"{p}joint_validation_auroc"])) for p in ("", "fold_2/", "fold_3/")]
        assert result.record.best_epoch == round(np.mean(best))
        digests = {split.digest for split in make_folds(in_folds.datasets[0], cell.split, 0)}
        assert len(digests) == 3 and result.record.split_digest not in digests
        same(result, run_cell(cell, LANE))

    def test_a_protocol_with_one_fold_keeps_the_digest_of_its_split(self, plan: Callable[..., Plan]):
        planned = plan(repeats=1)
        result = run_cell(planned.cells[-1], LANE)
        assert result.record.split_digest == make_split(planned.datasets[0], planned.cells[0].split, 0).digest

    def test_a_failure_in_a_later_fold_is_the_cells(self, in_folds: Plan, monkeypatch: pytest.MonkeyPatch):
        calls: list[int] = []

        def second_blank(arm: Any, dataset: Any, split: Any, *rest: Any, **named: Any) -> FoldScores:
            calls.append(1)
            fill = np.nan if len(calls) == 2 else 0.5
            return FoldScores(np.full(len(split.validation), fill), np.full(len(split.test), fill))

        monkeypatch.setattr("study.train.cell.score_fold", second_blank)
        result = run_cell(in_folds.cells[0], LANE)
        assert (result.record.status, result.record.scores) == ("diverged", {})
        assert (result.predictions, len(calls)) == (None, 2)

    def test_cost_counts_every_fold(self, in_folds: Plan):
        cell, pace = in_folds.cells[0], Pace(joint=StagePace(batch=1.0))
        exam = Exams(in_folds).size(cell)
        work, of_one = (Work(cell, pace, size, Draw()) for size in (exam, replace(exam, folds=1)))
        every_epoch = [one.seconds(lambda epochs, patience: epochs, pays=True) for one in (work, of_one)]
        assert exam.folds == 3 and every_epoch[0] == pytest.approx(3 * every_epoch[1]) and every_epoch[1] > 0


def test_a_cell_is_pickled_from_a_copy_while_another_thread_reads_it(plan: Callable[..., Plan]):
    cell = plan().cells[0]
    states = [thing.__reduce_ex__(4)[2] for thing in (cell, cell.arm)]
    assert states[0] is not cell.__dict__ and states[1] is not cell.arm.__dict__
    back = pickle.loads(pickle.dumps(cell))
    assert (back.digest, back.row, back.arm.digest) == (cell.digest, cell.row, cell.arm.digest)
