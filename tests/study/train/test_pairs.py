"""Encodings of test pairs are saved from before and after the training, and change no score."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from components.core.errors import KnockoutError
from components.core.streams import Streams
from components.data.simulator import SimulatorSettings, simulate, write_beeline
from components.model import training_graph
from study.plan.plan import Plan, make_plan
from study.run.pool import Pool, run_and_record
from study.run.workers import LocalWorkers
from study.search.run import open_tuning
from study.spec.cell import Cell
from study.spec.folder import OutFolder
from study.spec.machine import Lane
from study.spec.records import CellRecord
from study.store.ledger import Ledger
from study.study_file.study import Study, load_study
from study.train import score as scoring
from study.train.cell import run_cell
from study.train.checkpoint import Clock
from study.train.exams import make_folds
from study.train.pairs import MOST, draw_pairs, encode_pairs
from study.train.score import assemble_arm
from study.train.stages import trainer

LANE = Lane("cpu", 1)
REFERENCE = {
    "gnn": {"gat": {"widths": [8, 4], "heads": 2}},
    "pair_encoder": {"transformer": {"dim": 16, "layers": 1, "heads": 2}},
}
GRAPH = {"kind": "explicit", "arms": [{"gnn": "gcn"}]}
COSTS = {"seconds", "shared_s", "peak_memory_mb"}


@pytest.fixture
def study(study_file: Callable[..., Path]) -> Callable[..., Study]:
    return lambda **changes: load_study(study_file(**changes))


@pytest.fixture
def cell(study: Callable[..., Study]) -> Callable[..., Cell]:
    def make(**changes: Any) -> Cell:
        planned = make_plan(study(repeats=1, training={"epochs": 3, "patience": 9, "graph_epochs": 2}, **changes))
        return next(cell for cell in planned.cells if cell.saves_embeddings)

    return make


def same(one: dict[str, Any] | None, other: dict[str, Any] | None) -> None:
    assert one is not None and other is not None and one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)


def untrained(cell: Cell, pairs: pd.DataFrame) -> np.ndarray:
    """Encode pairs by the untrained model of a cell, assembled independently."""
    dataset = scoring_dataset(cell)
    (split, *_) = make_folds(dataset, cell.split, cell.repeat)
    model = assemble_arm(cell.arm, dataset, split, Streams(dataset.digest, cell.repeat), "cpu").model
    if dataset.target is not None:
        model.bucketing.show(torch.from_numpy(dataset.target.expression))
    place = {gene: row for row, gene in enumerate(dataset.genes)}
    indices = torch.from_numpy(pairs[["tf", "target"]].map(place.get).to_numpy(dtype=np.int64))
    return encode_pairs(model, training_graph(torch.from_numpy(split.train)), indices)


def scoring_dataset(cell: Cell) -> Any:
    from study.spec.datasets import load_dataset

    return load_dataset(cell.dataset, cell.root)


class TestWhoSaves:
    def embeds(self, study: Study) -> set[tuple[str, int]]:
        plan: Plan = make_plan(study)
        return {(cell.arm.name, cell.repeat) for cell in plan.cells if cell.saves_embeddings}

    def test_the_reference_in_the_first_repeat_unless_set_otherwise(self, study):
        assert self.embeds(study()) == {("full model", 0)}
        assert self.embeds(study(embeddings=[])) == set()
        assert self.embeds(study(embeddings=["gnn=none", "full model"])) == {("full model", 0), ("gnn=none", 0)}

    def test_arms_may_be_named_as_the_design_writes_them(self, study):
        design = {"kind": "full_factorial", "factors": {"gnn": ["gat", "none"], "fusion": ["multiscale", "late"]}}
        alias, arm = next(iter(study(design=design).aliases.items()))
        assert self.embeds(study(design=design, embeddings=[alias, arm])) == {(arm, 0)}

    def test_a_reference_that_encodes_no_pair_saves_nothing(self, study):
        assert study(reference={"fusion": "expert"}).embeddings == ()

    def test_trials_save_nothing_and_tuned_arms_in_their_first_repeat_of_the_comparison(self, study, tmp_path: Path):
        tuned = study(design={"factors": {"gnn": ["none"]}, "tune": {"trials": 2, "repeats": 2}})
        assert self.embeds(tuned) == {("full model", 2)}
        first = [search.take() for _, search in open_tuning(tuned, tmp_path) if search]
        assert len(first) == 2 and not any(cell.saves_embeddings for cell in first if cell)

    @pytest.mark.parametrize(
        ("given_arms", "where", "message"),
        [
            (["full model", "gnn=nane"], r"embeddings\[1\]$", "Did you mean 'gnn=none'"),
            (["degree"], r"embeddings\[0\]$", "encodes no pairs. Arms that do: full model, gnn=none"),
            (True, "embeddings$", "a list is needed, got true"),
            ([3], r"embeddings\[0\]$", "a text is needed, got 3"),
        ],
    )
    def test_mistakes_are_named_with_their_place(self, study, given_arms: Any, where: str, message: str):
        with pytest.raises(KnockoutError, match=where.replace("$", "")) as refused:
            study(embeddings=given_arms)
        assert message in refused.value.message

    def test_a_cell_is_the_same_cell_whether_it_saves_or_not(self, study):
        saving, silent = (make_plan(study(embeddings=arms)).cells for arms in (["full model"], []))
        assert [cell.digest for cell in saving] == [cell.digest for cell in silent]


@pytest.mark.parametrize(
    ("changes", "width"),
    [
        ({}, 16),  # multi-scale: fused, as wide as the fusion
        ({"reference": {**REFERENCE, "fusion": "late"}}, 32),  # both tokens side by side
        ({"reference": {**REFERENCE, "gnn": "none", "contrast": {"supcon": {"noise": 0.2}}}, "design": GRAPH}, 32),
        ({"split": "kfold_pooled", "datasets": [{"simulate": {"genes": 40, "tfs": 6, "cells": 20}}]}, 16),
    ],
    ids=["multiscale", "late", "no graph", "folds"],
)
def test_saving_changes_no_number_and_begins_where_the_model_began(
    cell, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], width: int
):
    heads: list[Any] = []
    plain, name = scoring.encode_before_and_after, "encode_before_and_after"
    monkeypatch.setattr(scoring, name, lambda b, a, *rest: heads.append(a.fusion) or plain(b, a, *rest))
    planned_cell = cell(**changes)
    saving, silent = run_cell(planned_cell, LANE), run_cell(replace(planned_cell, saves_embeddings=False), LANE)
    assert saving.record.ok, saving.record.reason
    assert silent.embeddings is None
    assert saving.record.model_dump(exclude=COSTS) == silent.record.model_dump(exclude=COSTS)
    same(saving.predictions, silent.predictions)

    saved: Any = saving.embeddings
    assert saved["before"].shape == saved["after"].shape == (len(saved["label"]), width)
    assert saved["before"].dtype == np.float32 and not np.array_equal(saved["before"], saved["after"])
    pairs = pd.DataFrame({name: saved[name] for name in ("tf", "target", "label")})
    np.testing.assert_array_equal(saved["before"], untrained(planned_cell, pairs))
    predicted = pd.DataFrame(saving.predictions).query("part == 'test'")
    both = pairs.merge(predicted, on=["tf", "target"], suffixes=("", "_asked"), how="left")
    assert (both["label"] == both["label_asked"]).all() and not both.duplicated(["tf", "target"]).any()
    first_fold = make_folds(scoring_dataset(planned_cell), planned_cell.split, 0)[0]
    assert saved["asked"].tolist() == [len(first_fold.test), first_fold.test_labels.sum()]
    if "late" not in str(changes):  # there the score is the classifier's alone: it read what was saved
        with torch.no_grad():
            scores = getattr(heads[0], "classifier", heads[0])(torch.from_numpy(saved["after"])).numpy()
        np.testing.assert_allclose(scores, both["score"], atol=1e-5)


def test_all_arms_are_asked_for_the_same_pairs(study):
    plan = make_plan(study(embeddings=["full model", "gnn=none"], repeats=1))
    one, other = (run_cell(cell, LANE).embeddings for cell in plan.cells if cell.saves_embeddings)
    assert one is not None and other is not None
    same({name: one[name] for name in ("tf", "target")}, {name: other[name] for name in ("tf", "target")})


class KilledError(Exception):
    """Ends a cell in the middle, with the files that a kill leaves."""


@pytest.fixture
def kill(monkeypatch: pytest.MonkeyPatch) -> Callable[[Cell, Path, int], None]:
    """Run a cell until so many epochs are trained, with a checkpoint after each."""
    monkeypatch.setattr("study.train.checkpoint.EVERY_S", 0.0)

    def run(cell: Cell, out: Path, epochs: int) -> None:
        left, train = iter(range(epochs)), trainer.Trainer.train

        def epoch(*given: Any) -> float:
            if next(left, None) is None:
                raise KilledError
            return train(*given)

        with monkeypatch.context() as patch:
            patch.setattr(trainer.Trainer, "train", epoch)
            assert "KilledError" in run_cell(cell, LANE, out).record.reason

    return run


@pytest.mark.parametrize("epochs", [1, 4], ids=["in the graph stage", "in the joint stage"])
def test_a_cell_that_was_killed_saves_what_it_would_have_saved(cell, kill, tmp_path: Path, epochs: int):
    planned_cell = cell()
    kill(planned_cell, tmp_path, epochs)
    assert list((tmp_path / "checkpoints").glob("*.pt"))
    same(run_cell(planned_cell, LANE).embeddings, run_cell(planned_cell, LANE, tmp_path).embeddings)


def test_a_fold_that_a_killed_predecessor_had_finished_is_saved(cell, kill, tmp_path: Path):
    planned_cell = cell(split="kfold_pooled", datasets=[{"simulate": {"genes": 40, "tfs": 6, "cells": 20}}])
    kill(planned_cell, tmp_path, 7)
    resumed = run_cell(planned_cell, LANE, tmp_path)
    assert resumed.record.ok, resumed.record.reason
    same(run_cell(planned_cell, LANE).embeddings, resumed.embeddings)


def test_a_graph_stage_taken_over_does_not_count_as_the_beginning(study, tmp_path: Path):
    plan = make_plan(study(design={"factors": {"fusion": ["late"]}}, embeddings=["full model"], repeats=1))
    reference, late = plan.cells[:2]
    run_cell(late, LANE, tmp_path)
    resumed = run_cell(reference, LANE, tmp_path)
    assert resumed.record.shared_s > 0
    same(run_cell(reference, LANE).embeddings, resumed.embeddings)


def test_a_transfer_is_saved_as_its_test_sees_it(study_file: Callable[..., Path], tmp_path: Path):
    for name, seed in (("human", 1), ("mouse", 2)):
        dataset = simulate(SimulatorSettings(genes=60, tfs=8, cells=20 + seed), seed=seed)
        write_beeline(dataset, tmp_path / "net" / name / "TFs+60")
    entry = {"path": "net/mouse/TFs+60", "train_on": "net/human/TFs+60"}
    path = study_file(datasets=[entry], reference={**REFERENCE, "bucketing": "coexpression"}, repeats=1)
    cell = make_plan(load_study(path, data=tmp_path)).cells[0]
    saving, silent = run_cell(cell, LANE), run_cell(replace(cell, saves_embeddings=False), LANE)
    assert saving.record.scores == silent.record.scores != {}
    saved: Any = saving.embeddings
    pairs = pd.DataFrame({name: saved[name] for name in ("tf", "target")})
    np.testing.assert_array_equal(saved["before"], untrained(cell, pairs))


@given(st.integers(0, 3000), st.integers(0, 3000), st.integers(0, 9))
def test_half_of_the_pairs_drawn_are_edges_where_there_are_enough(edges: int, others: int, seed: int):
    labels = np.repeat([1, 0], [edges, others])
    rows = draw_pairs(labels, np.random.default_rng(seed))
    assert len(set(rows.tolist())) == len(rows) == min(MOST, edges + others)
    drawn_edges = int(labels[rows].sum())
    assert drawn_edges == min(edges, max(MOST // 2, MOST - others))


class TestCost:
    def test_a_picture_costs_the_cell_no_seconds(self, cell, monkeypatch: pytest.MonkeyPatch):
        plain = scoring.encode_before_and_after
        later = SimpleNamespace(seconds=0.0)

        def hour(*given: Any) -> Any:
            later.seconds += 3600.0
            return plain(*given)

        monkeypatch.setattr(scoring, "encode_before_and_after", hour)
        now = time.perf_counter
        monkeypatch.setattr("study.train.checkpoint.time.perf_counter", lambda: now() + later.seconds)
        result = run_cell(cell(), LANE)
        assert result.embeddings is not None and later.seconds == 3600.0
        assert 0 < result.record.seconds < 600

    def test_nor_does_it_cost_what_a_checkpoint_remembers(self, monkeypatch: pytest.MonkeyPatch):
        now = 0.0
        monkeypatch.setattr("study.train.checkpoint.time.perf_counter", lambda: now)
        fold = Clock(started=0.0)
        cell = Clock(started=0.0, folds=[fold])
        now = 1.0
        with fold.pause():
            now = 100.0
        assert (fold.here, fold.seconds, cell.seconds) == (1.0, 1.0, 1.0)

    @pytest.mark.parametrize("error", [MemoryError, torch.OutOfMemoryError])
    def test_no_memory_for_the_picture_costs_the_picture_alone(self, cell, monkeypatch, error: type[Exception]):
        monkeypatch.setattr(scoring, "encode_before_and_after", lambda *given: (_ for _ in ()).throw(error()))
        result = run_cell(cell(), LANE)
        assert (result.record.status, result.embeddings) == ("ok", None) and result.record.scores

    def test_a_cell_that_fails_saves_nothing(self, cell, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(scoring, "predict", lambda trained, pairs, encoded: np.full(len(pairs), np.nan))
        result = run_cell(cell(), LANE)
        assert (result.record.status, result.embeddings) == ("diverged", None)


ARRAYS = {"tf": np.array(["A", "NA"]), "after": np.array([[0.5], [1.5]], dtype=np.float32)}


class TestInTheLedger:
    def read(self, path: Path) -> dict[str, np.ndarray]:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)

    def test_the_arrays_lie_beside_the_record_and_not_in_it(self, tmp_path: Path):
        ledger = Ledger(tmp_path)
        ledger.write(CellRecord(cell="c"), embeddings=ARRAYS)
        same(self.read(ledger.folder.embeddings("c")), ARRAYS)
        assert "embeddings" not in json.loads((tmp_path / "ledger" / "c.json").read_text())
        assert ledger.read("c") == CellRecord(cell="c")
        names = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
        assert names == ["embeddings/c.npz", "ledger/c.json"]

    def test_a_record_appears_after_its_arrays_or_not_at_all(self, tmp_path: Path):
        (tmp_path / "embeddings").write_text("no folder")
        with pytest.raises((KnockoutError, OSError)):
            Ledger(tmp_path).write(CellRecord(cell="c"), embeddings=ARRAYS)
        assert Ledger(tmp_path).read("c") is None

    def test_a_worker_without_the_folder_sends_them_to_the_driver(self, forked: None, cell, tmp_path: Path):
        planned_cell = cell()
        pool = Pool(LocalWorkers([LANE], run_cell), tmp_path)  # as a cluster's: it records nothing itself
        waiting = iter([planned_cell])
        ((_, record),) = pool.run(lambda: next(waiting, None))
        assert record.ok, record.reason
        here: Any = run_cell(planned_cell, LANE).embeddings
        same(self.read(OutFolder(tmp_path).embeddings(planned_cell.digest)), here)

    def test_a_worker_of_this_machine_writes_them_itself(self, cell, tmp_path: Path):
        planned_cell = cell()
        result = run_and_record(tmp_path, planned_cell, LANE)
        assert (result.predictions, result.embeddings) == (None, None), "not sent to the driver"
        assert OutFolder(tmp_path).embeddings(planned_cell.digest).is_file()
