"""Searches on the real engine: workers, MLflow, an Optuna storage; tuning and confirmation after them."""

import json
import multiprocessing
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
import yaml

from components.core.errors import KnockoutError
from study.actions.run import run_plan
from study.plan.plan import make_plan
from study.run.engine import Means
from study.search.confirm import plan_confirmation, write_confirmed
from study.search.run import open_search, run_search, tune
from study.spec.folder import OutFolder
from study.spec.records import Status
from study.store.ledger import Ledger
from study.store.tracking.store_file import default_uri
from study.store.tracking.tracker import Tracker
from study.study_file.study import Study, load_study

VARY = {"gnn": ["gcn", "none"], "optimizer": [{"adam": {"learning_rate": [1e-4, 1e-2], "weight_decay": 1e-5}}]}


class Listening:
    """Follows a search and keeps its messages."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.cells: list[str] = []

    def planned(self, done: int, missing: int) -> None: ...
    def costs(self, costs: Any, missing: Any, lanes: int) -> None: ...
    def started(self, cell: Any) -> None:
        self.cells.append(cell.digest)

    def ended(self, cell: Any, record: Any) -> None: ...
    def message(self, text: str) -> None:
        self.lines.append(text)

    def stopping(self) -> None: ...


@pytest.fixture
def searching(study_file: Callable[..., Path]) -> Callable[..., Study]:
    def load(**changes: Any) -> Study:
        path = study_file()
        tiny = yaml.safe_load(path.read_text())
        del tiny["design"]
        search = {"trials": 5, "vary": VARY, "confirm": 2, **changes}
        path.write_text(yaml.safe_dump({**tiny, "repeats": 1, "search": search}))
        return load_study(path)

    return load


def optuna_trials(storage: Any, name: str = "tiny") -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name=name, storage=storage).trials


def journal(out: Path) -> optuna.storages.BaseStorage:
    backend = optuna.storages.journal.JournalFileBackend(str(out / "search" / "optuna.log"))
    return optuna.storages.JournalStorage(backend)


def test_a_search_leaves_its_trials_in_optuna_in_files_and_nothing_of_the_test_in_mlflow(
    searching: Any, forked: None, out: Path, monkeypatch: pytest.MonkeyPatch
):
    listening, log, sent = Listening(), Tracker.log, []

    def watched(self: Tracker, *cell: Any) -> None:
        sent.append(len(listening.cells))
        log(self, *cell)

    monkeypatch.setattr(Tracker, "log", watched)
    search = run_search(searching(), out, listening, Means())
    assert search.over and len(listening.lines) == 5
    assert all(started >= min(ended + 2, 5) for ended, started in enumerate(sent, 1)), (
        "one of two lanes waited for MLflow"
    )
    table = pd.read_csv(out / "search" / "trials.csv")
    stored = optuna_trials(journal(out))
    assert [trial.number for trial in stored] == list(table["number"]) == [0, 1, 2, 3, 4]
    complete = table[table["state"] == "complete"]
    assert [stored[n].value for n in complete["number"]] == pytest.approx(list(complete["objective:auroc"]))
    for number, row in table.iterrows():
        cells = [search.ledger.read(cell.digest) for cell in search.trials[number].cells]
        assert row["objective:auroc"] == pytest.approx(cells[0].scores["validation"]["auroc"])

    from mlflow.tracking import MlflowClient

    client = MlflowClient(default_uri(out))
    experiment = client.get_experiment_by_name("tiny").experiment_id
    runs = client.search_runs([experiment], max_results=1000)
    cells = [run for run in runs if "knockout.cell" in run.data.tags]
    assert len(cells) == 5
    assert not any(name.startswith("test") for run in runs for name in run.data.metrics)
    assert all("validation.auroc" in run.data.metrics for run in cells)
    assert not any(client.list_artifacts(run.info.run_id) for run in cells)


@pytest.mark.slow
def test_what_a_dead_driver_did_not_send_to_mlflow_is_sent_by_the_next(searching: Any, forked: None, out: Path):
    run_search(searching(), out, Listening(), Means())
    from mlflow.tracking import MlflowClient

    client = MlflowClient(default_uri(out))
    experiment = client.get_experiment_by_name("tiny").experiment_id
    first_runs = client.search_runs([experiment], "tags.`knockout.cell` != ''", max_results=1000)
    client.delete_run(first_runs[0].info.run_id)  # as if the driver had died between the trial's end and this
    run_search(searching(), out, Listening(), Means())
    again = client.search_runs([experiment], "tags.`knockout.cell` != ''", max_results=1000)
    assert {run.data.tags["knockout.cell"] for run in again} == {run.data.tags["knockout.cell"] for run in first_runs}


@pytest.mark.slow
def test_the_optuna_storage_can_be_thrown_away_and_may_be_a_database(
    searching: Any, forked: None, out: Path, tmp_path: Path
):
    first = run_search(searching(), out, Listening(), Means())
    (out / "search" / "optuna.log").unlink()
    url, listening = f"sqlite:///{tmp_path / 'trials.db'}", Listening()
    again = run_search(searching(), out, listening, Means(storage=url))
    assert not listening.cells, "nothing is trained again"
    assert [t.params for t in optuna_trials(url)] == [again.space.params_of(t.arm) or {} for t in first.finished]
    grown = {**VARY, "gnn": ["gcn", "none", "sage"]}
    run_search(searching(vary=grown, trials=6), out, listening, Means(storage=url))
    assert len(optuna_trials(url)) == 6


def test_a_storage_that_does_not_answer_costs_one_message_and_no_trial(searching: Any, forked: None, out: Path):
    listening = Listening()
    search = run_search(searching(), out, listening, Means(storage="sqlite:////nowhere/at/all.db"))
    assert search.over and len(search.finished) == 5
    warnings = [line for line in listening.lines if "Optuna storage" in line]
    assert len(warnings) == 1 and "nowhere" in warnings[0]


@pytest.mark.slow
def test_a_grid_and_a_search_share_their_cells(searching: Any, study_file: Any, forked: None, out: Path):
    arms = [{"gnn": "gcn"}, {"gnn": "none"}]
    design = {"kind": "explicit", "arms": arms}
    grid = make_plan(load_study(study_file(name="grid", design=design, repeats=1, controls=False)))
    run_plan(grid, out, Listening(), Means())
    held = ["optimizer", "gnn.widths", "gnn.dropout", "gnn.hide_batch"]
    study, listening = searching(vary={"gnn": ["gat", "gcn", "none"]}, fixed=[*held, "gnn.gat.heads"]), Listening()
    search = run_search(study, out, listening, Means(share_cells=True))
    assert sorted(trial.warm for trial in search.finished) == [True] * 3 and not listening.cells
    assert search.exhausted


def killed(file: Path, out: Path) -> None:
    os.setsid()
    run_search(load_study(file), out, Listening(), Means())


@pytest.mark.slow
def test_a_search_killed_three_times_has_the_same_trials_as_one_that_was_not(
    searching: Any, forked: None, out: Path, tmp_path: Path
):
    study = searching(trials=8)
    whole = tmp_path / "whole"
    shutil.copytree(out, whole)
    run_search(study, whole, Listening(), Means())
    fork, dice = multiprocessing.get_context("fork"), random.Random(3)
    for _ in range(3):
        process = fork.Process(target=killed, args=(tmp_path / "tiny.yaml", out))
        process.start()
        before, end = len(list((out / "ledger").glob("*.json"))), time.monotonic() + 60
        while len(list((out / "ledger").glob("*.json"))) < before + 1 and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(dice.uniform(0, 0.3))
        os.killpg(process.pid, signal.SIGKILL)
        process.join()
    run_search(study, out, Listening(), Means())
    one, other = (pd.read_csv(folder / "search" / "trials.csv").drop(columns="seconds") for folder in (whole, out))
    pd.testing.assert_frame_equal(one, other)
    assert [t.params for t in optuna_trials(journal(out))] == [t.params for t in optuna_trials(journal(whole))]


@pytest.mark.slow
def test_confirm_opens_the_test_once_on_fresh_repeats(searching: Any, forked: None, out: Path, tmp_path: Path):
    study = replace(searching(), first_repeat=6)
    run_search(study, out, Listening(), Means())
    assert {json.loads(path.read_text())["identity"]["repeat"] for path in (out / "ledger").iterdir()} == {6}
    search, plan = plan_confirmation(study, study, out, top=1, again=False)
    assert {cell.repeat for cell in plan.cells} == {7, 8}, "repeat 6 was searched on"
    run_plan(plan, out, Listening(), Means())
    OutFolder(out).record(plan.cells[0].digest).rename(tmp_path / "aside")
    write_confirmed(search, plan, out)
    table = pd.read_csv(out / "search" / "confirmed.csv").set_index("arm")
    half = table.loc[plan.cells[0].arm.name]
    assert half[["validation", "test"]].isna().all() and half["cells"] == 1, "a mean over some cells is no score"
    (tmp_path / "aside").rename(OutFolder(out).record(plan.cells[0].digest))
    write_confirmed(search, plan, out)
    table = pd.read_csv(out / "search" / "confirmed.csv").set_index("arm")
    best = search.best()[0]
    named = "tiny" if best.arm.digest == study.reference.digest else best.arm.name
    line = table[table["number"] == best.number].iloc[0]
    assert line["search"] == pytest.approx(best.value("auroc")), named
    records = Ledger(out).read_all(cell.digest for cell in plan.cells)
    ours = [records[cell.digest] for cell in plan.cells if cell.arm.digest == best.arm.digest]
    assert line["test"] == pytest.approx(sum(r.scores["test"]["auroc"] for r in ours) / 2)
    assert line["validation"] == pytest.approx(sum(r.scores["validation"]["auroc"] for r in ours) / 2)
    assert set(table["openings"]) == {1}
    plan_confirmation(study, study, out, top=1, again=False)  # the same arms again: nothing new is seen
    with pytest.raises(KnockoutError, match="--again"):
        plan_confirmation(study, study, out, top=3, again=False)
    plan_confirmation(study, study, out, top=3, again=True)
    assert len(json.loads((out / "search" / "openings.json").read_text())["openings"]) == 2


def test_what_is_not_searched_to_its_end_is_not_confirmed(searching: Any, out: Path):
    with pytest.raises(KnockoutError, match="is not over"):
        plan_confirmation(searching(), searching(), out, top=1, again=False)


@pytest.mark.slow
def test_tuning_gives_every_trained_arm_the_same_search_and_fresh_repeats(
    study_file: Callable[..., Path], forked: None, out: Path
):
    held = ["gnn.widths", "gnn.dropout", "gnn.hide_batch", "pair_encoder", "fusion", "negatives", "contrast"]
    held += ["optimizer.weight_decay", "optimizer.graph_learning_rate"]
    design = {"factors": {"gnn": ["none"]}, "tune": {"trials": 3, "repeats": 1, "fixed": held}}
    study = load_study(study_file(design=design, controls=["degree", "noise"], repeats=1))
    tuned = tune(study, out, Listening(), Means())
    assert tuned is not None
    assert [arm.name for arm in tuned.arms] == [arm.name for arm in study.arms]
    table = pd.read_csv(out / "tune" / "tuning.csv").set_index("arm")
    assert dict(table["trials"]) == {"full model": 3, "gnn=none": 3, "degree": 0, "noise": 3}
    assert set(table.loc[["full model", "gnn=none", "noise"], "budget"]) == {3}
    for arm, plain in zip(tuned.arms, study.arms, strict=True):
        assert arm.levels() == plain.levels()
        if arm.name != "degree":
            assert table.loc[arm.name, "score"] >= table.loc[arm.name, "default"]
            changed = arm.digest != plain.digest
            assert changed == isinstance(table.loc[arm.name, "settings"], str)
    assert {cell.repeat for cell in make_plan(tuned).cells} == {1}, (
        "arms are compared on repeats they were not tuned on"
    )


@pytest.mark.slow
def test_retry_failed_takes_a_search_back_to_its_first_failure(
    searching: Any, forked: None, out: Path, monkeypatch: pytest.MonkeyPatch
):
    study = searching()
    run_search(study, out, Listening(), Means())
    broken = open_search(study, out).trials[2]
    record_of_cell = Ledger(out).read(broken.cells[0].digest)
    Ledger(out).forget(record_of_cell.cell)
    Ledger(out).write(record_of_cell.model_copy(update={"status": Status.OOM, "scores": {}}))
    record = out / "search" / "trials" / "000002.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "state": "failed", "steps": 0}))
    listening = Listening()
    search = run_search(study, out, listening, Means(retry_failed=True))
    assert broken.cells[0].digest in listening.cells
    assert {trial.state for trial in search.finished} <= {"complete", "pruned"} and search.proposed == 5
