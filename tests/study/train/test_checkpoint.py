"""A cell that is killed resumes at its last epoch, with the result of an undisturbed one, to the last bit."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.bucketing.factorised import Factorisation
from components.core.errors import KnockoutError
from components.learning.loop import DivergedError, Passes
from study.plan.plan import make_plan
from study.spec.cell import Cell
from study.spec.datasets import load_dataset
from study.spec.machine import Lane
from study.study_file.study import load_study
from study.train.cell import CellResult, run_cell
from study.train.checkpoint import Checkpoint, Clock, read_tensors, write_tensors
from study.train.exams import make_split
from study.train.stages import trainer

LANE = Lane("cpu", 1)
GRAPH, JOINT = 3, 4  # epochs of the cells here: patience never ends them
TRAINING = {"epochs": JOINT, "patience": 9, "graph_epochs": GRAPH, "graph_patience": 9, "graph_batch_size": 32}


WHOLE: dict[str, CellResult] = {}  # by cell digest


class KilledError(Exception):
    """Ends a cell in the middle, with the files that a kill leaves."""


@pytest.fixture
def cell(study_file: Callable[..., Path]) -> Callable[..., Cell]:
    def make(arm: dict[str, Any] | None = None, **changes: Any) -> Cell:
        design = {"kind": "explicit", "arms": [arm or {}]} if arm else {"kind": "explicit", "arms": [{"gnn": "none"}]}
        study = load_study(study_file(**{"training": TRAINING, "repeats": 1, "design": design, **changes}))
        role = "arm" if arm else "reference"
        return next(c for c in make_plan(study).cells if c.arm.role == role)

    return make


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("study.train.checkpoint.EVERY_S", 0.0)


@pytest.fixture
def epochs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Epochs]:
    yield Epochs(monkeypatch)


class Epochs:
    """Counts the epochs that are trained, and kills the process at the start of one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.trained: list[str] = []
        self.last: int | None = None
        train = trainer.Trainer.train

        def epoch(trainer: Any, stage: Any, *rest: Any) -> float:
            if self.last is not None and len(self.trained) == self.last:
                raise KilledError
            self.trained.append(stage.name)
            return train(trainer, stage, *rest)

        monkeypatch.setattr(trainer.Trainer, "train", epoch)

    def whole(self, cell: Cell) -> CellResult:
        """Return the result of a cell that is not killed; trained once for all tests."""
        if cell.digest not in WHOLE:
            WHOLE[cell.digest] = self.run(cell)
        return WHOLE[cell.digest]

    def run(self, cell: Cell, out: Path | None = None, *, killed_after: int | None = None) -> CellResult | None:
        self.trained, self.last = [], killed_after
        result = run_cell(cell, LANE, out)
        return None if "KilledError" in result.record.reason else result


def same(one: CellResult | None, other: CellResult | None) -> None:
    assert one is not None and other is not None
    assert one.record.ok and other.record.ok, (one.record.reason, other.record.reason)
    for name in ("scores", "curves", "best_epoch", "parameters", "identity"):
        assert getattr(one.record, name) == getattr(other.record, name), name
    assert one.predictions is not None and other.predictions is not None
    np.testing.assert_array_equal(one.predictions["score"], other.predictions["score"])


def files(out: Path) -> list[str]:
    return sorted(path.name for path in (out / "checkpoints").glob("*"))


FEW = (GRAPH - 1, GRAPH, GRAPH + 2)  # within either stage, and between them
EPOCHS = [pytest.param(n, marks=() if n in FEW else pytest.mark.slow) for n in range(1, GRAPH + JOINT)]


@pytest.mark.parametrize("at_epoch", EPOCHS)
def test_a_cell_killed_after_any_epoch_goes_on_to_the_last_bit(cell, epochs: Epochs, tmp_path: Path, at_epoch: int):
    planned_cell = cell()  # fresh negatives, dropout, hidden batches
    whole = epochs.whole(planned_cell)
    assert epochs.run(planned_cell, tmp_path, killed_after=at_epoch) is None
    assert files(tmp_path) == [f"{planned_cell.digest}.pt"]
    resumed = epochs.run(planned_cell, tmp_path)
    taken_over = (
        GRAPH if at_epoch == GRAPH else at_epoch
    )  # a graph stage that has ended is shared, and not trained again
    assert len(epochs.trained) == GRAPH + JOINT - taken_over
    same(whole, resumed)


@pytest.mark.parametrize(
    "arm",
    [
        {"contrast": {"supcon": {"noise": 0.2}}, "gnn": "none"},
        {"pair_encoder": {"transformer": {"dim": 16, "layers": 1, "heads": 2, "context": 3, "dropout": 0.5}}},
        {"negatives": {"uniform": {"fresh": False}}},
        {"negatives": "all"},
        {"bucketing": {"uniform": {"dim": 8, "width": 16}}},
        {"optimizer": {"adam": {"gamma": 0.5, "step_size": 1}}},
        {"scorer": "noise"},
    ],
    ids=lambda arm: "+".join(arm),
)
def test_whatever_an_arm_draws_it_goes_on_drawing(cell, epochs: Epochs, tmp_path: Path, arm: dict[str, Any]):
    planned_cell = cell(arm)
    whole = epochs.whole(planned_cell)
    for at_epoch in (1, 2, 1):  # killed again and again
        epochs.run(planned_cell, tmp_path, killed_after=at_epoch)
    same(whole, epochs.run(planned_cell, tmp_path))


def test_a_cell_killed_within_a_pass_goes_on_with_the_rest_of_it(cell, epochs: Epochs, tmp_path: Path):
    planned_cell = cell(training={**TRAINING, "batch_size": 32, "validate_every": 3})
    for at_epoch in (1, 2):
        epochs.run(planned_cell, tmp_path, killed_after=at_epoch)
    same(epochs.whole(planned_cell), epochs.run(planned_cell, tmp_path))


def test_validation_every_few_batches_leaves_out_no_pair_of_a_pass(cell, monkeypatch: pytest.MonkeyPatch):
    """Stretches of three batches share one pass over all pairs, and each counts as an epoch."""
    stretches: list[list[tuple[int, int]]] = []
    batches = Passes.batches

    def watched(passes: Passes, *size: int) -> list[torch.Tensor]:
        rows = batches(passes, *size)
        stretches.append([tuple(pair) for pair in passes.candidates[torch.cat(rows)].tolist()])
        return rows

    monkeypatch.setattr(Passes, "batches", watched)
    training = {**TRAINING, "graph_epochs": 0, "epochs": 12, "patience": 99, "batch_size": 32, "validate_every": 3}
    planned_cell = cell({"negatives": "all"}, training=training)
    result = run_cell(planned_cell, LANE)
    assert len(result.record.curves["joint_loss"]) == 12 and len(stretches) == 12
    split = make_split(load_dataset(planned_cell.dataset, planned_cell.root), planned_cell.split, 0)
    a_pass = {tuple(pair) for pair in np.concatenate([split.train, split.pool]).tolist()}
    needed = -(-len(a_pass) // 96)
    drawn = [pair for stretch in stretches[:needed] for pair in stretch]
    assert len(drawn) == len(a_pass) and set(drawn) == a_pass
    assert all(len(stretch) == 96 for stretch in stretches[: needed - 1])


def test_a_stage_without_labels_goes_on_to_the_last_bit(cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    bucketing = {"factorised": {"levels": 3, "dim": 8, "width": 8, "heads": 2}}
    planned_cell = cell({"bucketing": bucketing, "gnn": "none"}, training={**TRAINING, "unsupervised_steps": 8})
    monkeypatch.setattr("study.train.stages.unsupervised.EVERY", 2)
    whole = run_cell(planned_cell, LANE)
    steps, forward = [0], Factorisation.forward

    def step(fitted: Factorisation) -> Any:
        steps[0] += 1
        if steps[0] == 6:
            raise KilledError
        return forward(fitted)

    with monkeypatch.context() as patch:
        patch.setattr(Factorisation, "forward", step)
        assert "KilledError" in run_cell(planned_cell, LANE, tmp_path).record.reason
        resumed = run_cell(planned_cell, LANE, tmp_path)
    assert steps[0] == 6 + 4, "steps 5 to 8"
    same(whole, resumed)


def test_a_training_that_had_spent_its_patience_trains_no_further(cell, epochs: Epochs, tmp_path: Path, monkeypatch):
    planned_cell = cell(training={**TRAINING, "epochs": 30, "patience": 1, "graph_patience": 1})
    whole = epochs.run(planned_cell)
    assert len(epochs.trained) < GRAPH + 30
    with monkeypatch.context() as patch:
        patch.setattr("study.train.score.encode", lambda trained: (_ for _ in ()).throw(KilledError()))
        assert epochs.run(planned_cell, tmp_path) is None
    same(whole, epochs.run(planned_cell, tmp_path))
    assert epochs.trained == []


def test_a_joint_stage_goes_on_without_the_shared_graph_stage(cell, epochs: Epochs, tmp_path: Path):
    planned_cell = cell()
    whole = epochs.whole(planned_cell)
    epochs.run(planned_cell, tmp_path, killed_after=GRAPH + 1)
    shutil.rmtree(tmp_path / "shared")
    same(whole, epochs.run(planned_cell, tmp_path))
    assert epochs.trained == ["joint"] * (JOINT - 1)


@pytest.mark.parametrize(
    "at_epoch",
    [
        pytest.param(GRAPH + JOINT, marks=pytest.mark.slow),
        2 * (GRAPH + JOINT) + 1,
        pytest.param(3 * (GRAPH + JOINT) - 1, marks=pytest.mark.slow),
    ],
)
def test_folds_that_were_finished_are_not_trained_again(cell, epochs: Epochs, tmp_path: Path, at_epoch: int):
    planned_cell = cell(split="kfold_pooled", datasets=[{"simulate": {"genes": 40, "tfs": 6, "cells": 20}}])
    whole = epochs.whole(planned_cell)
    epochs.run(planned_cell, tmp_path, killed_after=at_epoch)
    resumed = epochs.run(planned_cell, tmp_path)
    same(whole, resumed)
    assert len(epochs.trained) == 3 * (GRAPH + JOINT) - at_epoch
    assert files(tmp_path) == []


def test_seconds_of_those_that_were_killed_count(cell, epochs: Epochs, tmp_path: Path):
    planned_cell = cell()
    epochs.run(planned_cell, tmp_path, killed_after=GRAPH + 1)
    path = tmp_path / "checkpoints" / f"{planned_cell.digest}.pt"
    content = torch.load(path, weights_only=True)
    assert 0 < content["seconds"] < 60
    torch.save({**content, "seconds": 1000.0, "shared_s": 400.0}, path)
    result = epochs.run(planned_cell, tmp_path)
    assert result is not None and 1000 < result.record.seconds < 1060
    assert result.record.shared_s == 400.0


@pytest.mark.parametrize("status", ["ok", "diverged", "error"])
def test_files_go_when_the_cell_has_ended_and_stay_when_it_may_be_tried_again(
    cell, epochs: Epochs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str
):
    planned_cell = cell()
    if status != "ok":
        error = DivergedError("at the end") if status == "diverged" else OSError("at the end")
        monkeypatch.setattr("study.train.score.predict", lambda *given: (_ for _ in ()).throw(error))
    result = epochs.run(planned_cell, tmp_path)
    assert result is not None and result.record.status == status
    assert files(tmp_path) == ([f"{planned_cell.digest}.pt"] if status == "error" else [])


def spoil(path: Path, how: str) -> None:
    content = torch.load(path, weights_only=True)
    if how == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif how == "garbage":
        path.write_bytes(b"not a checkpoint")
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "another cell":
        torch.save({**content, "owner": "another"}, path)
    elif how == "keys":
        torch.save({name: value for name, value in content.items() if name != "parts"}, path)
    elif how == "shapes":
        weights = {name: torch.zeros(3) for name in content["model"]}
        torch.save({**content, "model": weights}, path)
    elif how == "list":
        torch.save([1, 2], path)


@pytest.mark.parametrize("how", ["cut", "garbage", "empty", "another cell", "keys", "shapes", "list"])
def test_a_damaged_or_foreign_file_is_no_checkpoint(cell, epochs: Epochs, tmp_path: Path, how: str):
    planned_cell = cell({"gnn": "none"})
    whole = epochs.whole(planned_cell)
    epochs.run(planned_cell, tmp_path, killed_after=2)
    spoil(tmp_path / "checkpoints" / f"{planned_cell.digest}.pt", how)
    same(whole, epochs.run(planned_cell, tmp_path))
    assert len(epochs.trained) == JOINT


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), cut=st.booleans())
def test_a_file_reads_back_whole_or_not_at_all(tmp_path: Path, place: float, bit: int, cut: bool):
    path = tmp_path / "file.pt"
    write_tensors(path, "me", {"weights": torch.arange(100.0), "epoch": 3})
    damaged = bytearray(path.read_bytes())
    at = int(place * len(damaged))
    damaged[at] ^= 1 << bit
    path.write_bytes(damaged[:at] if cut else damaged)
    tensors = read_tensors(path, "me", frozenset(("weights", "epoch")))
    assert tensors is None or (torch.equal(tensors["weights"], torch.arange(100.0)) and tensors["epoch"] == 3)


def test_a_file_that_would_run_code_is_not_read(tmp_path: Path):
    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "sprung",))

    torch.save({"owner": "me", "weights": Trap()}, tmp_path / "file.pt")
    assert read_tensors(tmp_path / "file.pt", "me", frozenset(("weights",))) is None
    assert not (tmp_path / "sprung").exists()


def test_a_short_cell_writes_no_checkpoint(cell, epochs: Epochs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for limit in ("EVERY_S", "FOLD_S"):  # short, even where twenty processes share a core
        monkeypatch.setattr(f"study.train.checkpoint.{limit}", 3600.0)
    epochs.run(cell(split="kfold_pooled"), tmp_path, killed_after=2 * (GRAPH + JOINT))
    assert files(tmp_path) == []


def test_a_checkpoint_is_due_once_in_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    now = 0.0
    monkeypatch.setattr("study.train.checkpoint.EVERY_S", 60.0)
    monkeypatch.setattr("study.train.checkpoint.time.perf_counter", lambda: now)
    checkpoint = Checkpoint(tmp_path / "file.pt", "me", clock=Clock(started=0.0))
    due = []
    for now in (10.0, 59.9, 60.0, 119.0, 121.0):  # noqa: B007  the clock reads it
        due.append(checkpoint.due)
        if checkpoint.due:
            checkpoint.save({})
    assert due == [False, False, True, False, True]
    assert not Checkpoint().due


def test_a_full_disk_does_not_stop_a_training(cell, epochs: Epochs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(path: Path, write: Any) -> None:
        raise KnockoutError("the file cannot be written: no space left on device.", where=str(path))

    monkeypatch.setattr("study.train.checkpoint.write_atomically", full)
    planned_cell = cell()
    same(epochs.whole(planned_cell), epochs.run(planned_cell, tmp_path))
    assert not list(tmp_path.rglob("*.pt"))


def test_another_budget_does_not_go_on_from_this_one(cell, epochs: Epochs, tmp_path: Path):
    short, long = cell(), cell(training={**TRAINING, "epochs": JOINT + 1})
    epochs.run(short, tmp_path, killed_after=GRAPH + 2)
    epochs.run(long, tmp_path)
    assert epochs.trained.count("joint") == JOINT + 1
