"""What arms share is computed once, without any change of a number."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock
from train_cases import same

from components.core.dataset import Dataset
from components.data.simulator import SimulatorSettings, simulate
from search_spaces.arm import parse_choice
from study.plan.plan import make_plan
from study.spec.cell import Cell
from study.spec.machine import Lane
from study.study_file.study import load_study
from study.train import fit as training
from study.train.cell import run_cell
from study.train.exams import make_folds
from study.train.stages import shared, trainer
from study.train.stages.shared import compute_once

LANE = Lane("cpu", 1)
LIKE = {"w": torch.zeros(2)}
OUTCOME = {"state": LIKE, "curves": {}, "seconds": 1.0}


@pytest.fixture
def of_arms(study_file: Callable[..., Path]) -> Callable[..., list[Cell]]:
    def make(*arms: dict[str, Any], **changes: Any) -> list[Cell]:
        design = {"kind": "explicit", "arms": list(arms) or [{"gnn": "none"}]}
        study = load_study(study_file(**{"design": design, "repeats": 1, "controls": [], **changes}))
        return [cell for cell in make_plan(study).cells if arms or cell.arm.role == "reference"]

    return make


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count the stages that are trained."""
    trained: list[str] = []
    run = trainer.Trainer.run

    def note(trainer: Any, stage: Any) -> int:
        trained.append(stage.name)
        return run(trainer, stage)

    monkeypatch.setattr(trainer.Trainer, "run", note)
    return trained


SHARING = [
    {"fusion": "late"},
    {"fusion": "early"},
    {"fusion": "expert"},
    {"contrast": {"supcon": {"noise": 0.1}}},
    {"pair_encoder": "mlp"},
    {"optimizer": {"adam": {"learning_rate": 0.01}}},
    {"fusion": "late", "contrast": "supcon"},
]


def test_arms_that_differ_beside_the_graph_share_its_stage_to_the_last_bit(of_arms, stages: list[str], tmp_path: Path):
    planned_cells = of_arms(*SHARING)
    alone = [run_cell(cell, LANE) for cell in planned_cells]
    assert stages.count("graph") == len(SHARING) + 1
    stages.clear()
    together = [run_cell(cell, LANE, tmp_path) for cell in planned_cells]
    assert stages.count("graph") == 1
    for one, other in zip(alone, together, strict=True):
        same(one, other)


@pytest.mark.parametrize(
    "change",
    [
        {"gnn": {"gat": {"heads": 1}}},
        {"gnn": "gcn"},
        {"bucketing": {"none": {"scale": "cell"}}},
        {"negatives": {"uniform": {"ratio": 2.0}}},
        {"optimizer": {"adam": {"graph_learning_rate": 0.01}}},
        {"scorer": "noise"},
    ],
    ids=lambda change: "+".join(change),
)
def test_arms_that_differ_in_what_the_stage_reads_do_not_share(
    of_arms, stages: list[str], tmp_path: Path, change: dict[str, Any]
):
    for cell in of_arms(change):
        assert run_cell(cell, LANE, tmp_path).record.ok
    assert stages.count("graph") == 2


@pytest.mark.parametrize(
    "change",
    [
        {"training": {"epochs": 2, "graph_epochs": 2}},
        {"training": {"epochs": 2, "graph_epochs": 1, "graph_batch_size": 64}},
        {"training": {"epochs": 2, "graph_epochs": 1, "choose_by": "auprc"}},
        {"training": {"epochs": 2, "graph_epochs": 1, "precision": "bf16"}},
        {"split": {"per_tf": {"validation": "matched"}}},
        {"datasets": [{"simulate": {"genes": 64, "tfs": 8, "cells": 40}, "seed": 2}]},
    ],
    ids=lambda change: str(next(iter(change.values()))),
)
def test_another_budget_exam_or_data_set_does_not_share(of_arms, stages, tmp_path: Path, change: dict[str, Any]):
    run_cell(of_arms()[0], LANE, tmp_path)
    run_cell(of_arms(**change)[0], LANE, tmp_path)
    assert stages.count("graph") == 2


def test_repeats_and_folds_do_not_share(of_arms, stages: list[str], tmp_path: Path):
    for cell in of_arms(repeats=2, split="kfold_pooled"):
        run_cell(cell, LANE, tmp_path)
    assert stages.count("graph") == 6


def test_more_joint_epochs_share_the_stage(of_arms, stages: list[str], tmp_path: Path):
    run_cell(of_arms()[0], LANE, tmp_path)
    run_cell(of_arms(training={"epochs": 3, "graph_epochs": 1})[0], LANE, tmp_path)
    assert stages == ["graph", "joint", "joint"]


def test_other_code_of_the_stage_does_not_share(of_arms, stages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    cell = of_arms()[0]
    run_cell(cell, LANE, tmp_path)
    monkeypatch.setattr(shared, "code_digest", lambda levels, entry: "other code")
    assert run_cell(cell, LANE, tmp_path).record.ok
    assert stages.count("graph") == 2


def test_sharing_can_be_switched_off(of_arms, stages: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shared, "ENABLED", False)
    for cell in of_arms({"fusion": "late"}):
        run_cell(cell, LANE, tmp_path)
    assert stages.count("graph") == 2
    assert not list(tmp_path.rglob("*.pt"))


def test_an_arm_pays_for_the_stage_that_another_trained(of_arms, tmp_path: Path):
    first, second = of_arms({"fusion": "late"})
    assert run_cell(first, LANE, tmp_path).record.shared_s == 0.0
    (path,) = (tmp_path / "shared").glob("*.pt")
    content = torch.load(path, weights_only=True)
    assert 0 < content["seconds"] < 60
    torch.save({**content, "seconds": 500.0}, path)
    record = run_cell(second, LANE, tmp_path).record
    assert record.shared_s == 500.0
    assert 500 < record.seconds < 560


def test_waiting_for_a_stage_is_not_paid_for(of_arms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first, second = of_arms({"fusion": "late"})
    run_cell(first, LANE, tmp_path)
    (path,) = (tmp_path / "shared").glob("*.pt")
    hidden = path.with_suffix(".away")
    content = torch.load(path, weights_only=True)
    torch.save({**content, "seconds": 0.0}, hidden)
    path.unlink()

    now, waited = time.perf_counter, [0.0]
    monkeypatch.setattr("study.train.checkpoint.time.perf_counter", lambda: now() + sum(waited))

    class Held(FileLock):
        """A lock that another worker holds for an hour, until it has written its stage."""

        def acquire(self, *given: Any, **named: Any) -> Any:
            waited.append(3600.0)
            hidden.rename(path)
            return super().acquire(*given, **named)

    monkeypatch.setattr(shared, "FileLock", Held)
    record = run_cell(second, LANE, tmp_path).record
    assert record.ok and sum(waited) == 3600.0
    assert 0 < record.seconds < 600


def test_a_damaged_shared_stage_is_trained_again(of_arms, stages: list[str], tmp_path: Path):
    first, second = of_arms({"fusion": "late"})
    alone = run_cell(second, LANE)
    run_cell(first, LANE, tmp_path)
    (path,) = (tmp_path / "shared").glob("*.pt")
    path.write_bytes(path.read_bytes()[:-50])
    stages.clear()
    same(alone, run_cell(second, LANE, tmp_path))
    assert stages == ["graph", "joint"]


class TestOnce:
    def test_two_at_once_compute_once(self, tmp_path: Path):
        computed: list[int] = []

        def compute() -> dict[str, Any]:
            computed.append(1)
            time.sleep(0.2)
            return OUTCOME

        taken: list[bool] = []
        ask = lambda: taken.append(compute_once(tmp_path / "key.pt", compute, LIKE)[1])  # noqa: E731
        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(taken) == [False, True, True]
        assert len(computed) == 1

    def test_the_lock_of_one_that_died_is_free(self, tmp_path: Path):
        code = (
            "import os, signal, sys; from filelock import FileLock; FileLock(sys.argv[1]).acquire();"
            "os.kill(os.getpid(), signal.SIGKILL)"
        )
        died = subprocess.run([sys.executable, "-c", code, str(tmp_path / "key.lock")], check=False)
        assert died.returncode == -9 and (tmp_path / "key.lock").exists()
        started = time.perf_counter()
        assert compute_once(tmp_path / "key.pt", lambda: OUTCOME, LIKE)[1] is False
        assert time.perf_counter() - started < 5
        assert compute_once(tmp_path / "key.pt", lambda: OUTCOME, LIKE)[1] is True

    @pytest.mark.parametrize("held", [True, False], ids=["held too long", "no locks here"])
    def test_without_the_lock_it_is_computed_here_as_well(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: bool
    ):
        def none(*given: Any, **named: Any) -> Any:
            raise NotImplementedError

        if not held:
            monkeypatch.setattr(shared, "FileLock", none)
        monkeypatch.setattr(shared, "WAIT_S", 0.1)
        with FileLock(tmp_path / "key.lock"):
            assert compute_once(tmp_path / "key.pt", lambda: OUTCOME, LIKE) == (OUTCOME, False)

    def test_what_fails_is_not_tried_twice_and_frees_the_lock(self, tmp_path: Path):
        calls: list[int] = []

        def fail() -> dict[str, Any]:
            calls.append(1)
            raise OSError("not of the lock")

        with pytest.raises(OSError, match="not of the lock"):
            compute_once(tmp_path / "key.pt", fail, LIKE)
        assert len(calls) == 1
        assert compute_once(tmp_path / "key.pt", lambda: OUTCOME, LIKE)[1] is False


UNLABELLED = {
    "bucketing": {"factorised": {"levels": 3, "dim": 8, "width": 8, "heads": 2}},
    "gnn": "none",
    "pair_encoder": "mlp",
}
FEW_STEPS = {"epochs": 1, "graph_epochs": 0, "unsupervised_steps": 3}


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count the stages without labels that are fitted."""
    fitted: list[str] = []
    fit = training.fit_to_expression
    monkeypatch.setattr(training, "fit_to_expression", lambda trainer: fitted.append("") or fit(trainer))
    return fitted


class TestStageWithoutLabels:
    def test_is_fitted_once_for_arms_and_folds_to_the_last_bit(self, of_arms, fits: list[str], tmp_path: Path):
        arms = [
            UNLABELLED,
            {**UNLABELLED, "pair_encoder": "towers"},
            {**UNLABELLED, "contrast": "supcon"},
            {**UNLABELLED, "negatives": "uniform", "optimizer": {"adam": {"learning_rate": 0.01}}},
            {**UNLABELLED, "bucketing": {"factorised": {**UNLABELLED["bucketing"]["factorised"], "cells": True}}},
        ]
        planned_cells = of_arms(*arms, training=FEW_STEPS, split={"kfold_pooled": {"folds": 2}})[1:]
        alone = [run_cell(cell, LANE) for cell in planned_cells]
        assert len(fits) == 2 * len(arms)
        fits.clear()
        together = [run_cell(cell, LANE, tmp_path) for cell in planned_cells]
        assert len(fits) == 1
        for one, other in zip(alone, together, strict=True):
            same(one, other)

    @pytest.mark.parametrize("scorer", ["noise", "permuted"])
    def test_a_control_has_a_stage_of_its_own_on_what_it_is_shown(self, of_arms, fits, tmp_path: Path, scorer: str):
        planned_cells = of_arms(UNLABELLED, {**UNLABELLED, "scorer": scorer}, training=FEW_STEPS)[1:]
        for cell in planned_cells:
            assert run_cell(cell, LANE, tmp_path).record.ok
        assert len(fits) == 2

    @pytest.mark.parametrize("change", [{"training": {**FEW_STEPS, "unsupervised_steps": 4}}, {"repeats": 2}], ids=str)
    def test_another_length_or_repeat_does_not_share(self, of_arms, fits, tmp_path: Path, change: dict[str, Any]):
        changed = {"training": FEW_STEPS, **change}
        for cell in of_arms(UNLABELLED, training=FEW_STEPS) + of_arms(UNLABELLED, **changed):
            if cell.arm.fits_unsupervised:
                run_cell(cell, LANE, tmp_path)
        assert len(fits) == 2

    def test_arms_that_share_it_are_of_one_group(self, of_arms):
        planned_cells = of_arms(UNLABELLED, {**UNLABELLED, "contrast": "supcon"}, {**UNLABELLED, "scorer": "noise"})[1:]
        one, two, noise = (shared.stage_group(cell.arm, cell.budget) for cell in planned_cells)
        assert one == two != noise and one

    def test_before_training_means_before_any_label(self, of_arms):
        cell = of_arms({**UNLABELLED, "name": "mine"}, training=FEW_STEPS, embeddings=["mine"])[1]
        embeddings = run_cell(cell, LANE).embeddings
        assert embeddings is not None
        assert len(np.unique(embeddings["before"], axis=0)) > 1, "features that are not zeros tell pairs apart"


class TestExam:
    @pytest.fixture
    def dataset(self) -> Dataset:
        return simulate(SimulatorSettings(genes=40, tfs=6, cells=20), seed=5)

    def test_an_exam_is_set_once(self, dataset: Dataset):
        choice = parse_choice("split", "per_tf")
        first = make_folds(dataset, choice, 0)
        assert make_folds(simulate(SimulatorSettings(genes=40, tfs=6, cells=20), seed=5), choice, 0) is first

    def test_exams_that_differ_are_not_mixed_up(self, dataset: Dataset):
        other = simulate(SimulatorSettings(genes=40, tfs=6, cells=20), seed=6)
        matched = parse_choice("split", {"per_tf": {"validation": "matched"}})
        per_tf, hard = parse_choice("split", "per_tf"), parse_choice("split", "hard_negative")
        exams = [
            (dataset, per_tf, 0),
            (dataset, per_tf, 1),
            (other, per_tf, 0),
            (dataset, hard, 0),
            (dataset, matched, 0),
        ]
        assert len({make_folds(*one)[0].digest for one in exams}) == len(exams)

    def test_no_arm_writes_into_its_exam(self, of_arms):
        planned_cells = of_arms(
            {"negatives": "all"}, {"negatives": "degree_matched"}, {"fusion": "late"}, controls=["degree"]
        )
        dataset = simulate(SimulatorSettings(genes=64, tfs=8, cells=40), seed=1)
        (exam,) = make_folds(dataset, planned_cells[0].split, 0)
        names = ("train", "validation", "validation_labels", "test", "test_labels", "pool")
        before = {name: getattr(exam, name).copy() for name in names}
        for cell in planned_cells:
            assert run_cell(cell, LANE).record.ok
        assert make_folds(dataset, planned_cells[0].split, 0)[0] is exam
        for name in names:
            np.testing.assert_array_equal(getattr(exam, name), before[name])
