"""Experiments of an MLflow store that knockout did not write, and stores that are none."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from reports.errors import ReportError
from reports.stored.mlflow_reader import read_experiment
from reports.table.table import load

Knockout = Callable[..., Any]


class Store:
    """A store that a foreign training script writes to."""

    def __init__(self, file: Path) -> None:
        from mlflow.tracking import MlflowClient

        self.uri = f"sqlite:///{file}"
        self.client = MlflowClient(self.uri)
        self.experiment = self.client.create_experiment("mine")

    def run(self, status: str, params: dict[str, Any], metrics: dict[str, float], **tags: str) -> str:
        run = self.client.create_run(self.experiment, tags={k.replace("__", "."): v for k, v in tags.items()})
        for name, value in params.items():
            self.client.log_param(run.info.run_id, name, value)
        for name, value in metrics.items():
            self.client.log_metric(run.info.run_id, name, 0.123, step=0)
            self.client.log_metric(run.info.run_id, name, value, step=1)
        if status != "RUNNING":
            self.client.set_terminated(run.info.run_id, status)
        return str(run.info.run_id)


@pytest.fixture
def store(empty_store: Path, tmp_path: Path) -> Store:
    return Store(Path(shutil.copy(empty_store, tmp_path / "own.db")))


@pytest.mark.slow
def test_runs_of_a_foreign_script_are_rows_as_in_a_csv(store: Store, tmp_path: Path) -> None:
    for seed in (0, 1):
        for method, worth in (("full", 0.9), ("late", 0.8)):
            store.run("FINISHED", {"method": method, "seed": seed}, {"auroc": worth + seed / 100}, dataset="mDC")
    store.run("FAILED", {"method": "full", "seed": 2}, {"auroc": 0.99}, dataset="mDC")
    store.run("KILLED", {"method": "late", "seed": 2}, {}, dataset="mDC")
    experiment = read_experiment(store.uri, "mine")
    assert experiment.notes == ()
    assert experiment.frame["method"].tolist() == ["full", "late"] * 3, "oldest first"
    assert experiment.frame["status"].tolist() == ["ok"] * 4 + ["error", "killed"]
    assert not [name for name in experiment.frame if name.startswith("mlflow.")]
    experiment.frame.to_csv(tmp_path / "as.csv", index=False)
    table = load(tmp_path / "as.csv").frame
    assert table.query("status == 'ok'").groupby("arm")["value"].agg(list).to_dict() == {
        "full": [0.9, 0.91],
        "late": [0.8, 0.81],
    }
    assert table.query("status != 'ok'")["value"].isna().all(), "what a failed run reached is no score"
    assert set(table["repeat"]) == {0, 1, 2}


def test_runs_that_have_not_ended_and_parents_are_left_out_with_a_note(store: Store) -> None:
    parent = store.run("FINISHED", {"sweep": "all"}, {})
    store.run("FINISHED", {"method": "full"}, {"auroc": 0.9}, mlflow__parentRunId=parent)
    store.run("FINISHED", {"method": "late"}, {}, mlflow__parentRunId=parent)  # finished without a score: it stays
    store.run("RUNNING", {"method": "late"}, {"auroc": 0.95})
    experiment = read_experiment(store.uri, "mine")
    assert experiment.frame["method"].tolist() == ["full", "late"]
    assert experiment.notes == (
        "1 run left out: not ended yet.",
        "1 run left out: a parent of other runs, without a metric.",
    )


def test_an_experiment_without_runs_and_one_with_running_ones_have_different_messages(store: Store) -> None:
    with pytest.raises(ReportError, match=r"experiment 'mine' is empty: it has no runs\."):
        read_experiment(store.uri, "mine")
    store.run("RUNNING", {"method": "late"}, {"auroc": 0.95})
    with pytest.raises(ReportError, match=r"experiment 'mine' has 1 run, and none has ended\."):
        read_experiment(store.uri, "mine")


def test_a_report_is_made_of_runs_of_a_foreign_script(knockout: Knockout, store: Store, tmp_path: Path) -> None:
    for cell in "abc":
        for method, worth in (("full", 0.9), ("late", 0.8)):
            store.run("FINISHED", {"system": method, "cell": cell}, {"score": worth + ord(cell) / 1000})
    store.run("RUNNING", {}, {})
    arguments = ("report", "--mlflow", store.uri, "--experiment", "mine", "--out", tmp_path / "page")
    wrong = knockout(*arguments, "--arm", "sytem", "--metric", "score")
    assert wrong.code == 2 and f"{store.uri}, experiment 'mine': unknown arm" in wrong.err
    assert "Did you mean 'system'" in wrong.err and not (tmp_path / "page").exists()
    completed = knockout(*arguments, "--arm", "system", "--metric", "score", "--reference", "full")
    assert completed.code == 0, completed.err
    assert "1 run left out: not ended yet." in completed.out
    assert len(pd.read_parquet(tmp_path / "page" / "cells.parquet")) == 6
    scores = pd.read_csv(tmp_path / "page" / "tables" / "scores_score.csv")
    assert set(scores["arm"]) == {"full", "late"}


def test_a_run_that_cannot_be_read_is_named(knockout: Knockout, store: Store, tmp_path: Path) -> None:
    runs = [
        store.run("FINISHED", {"arm": arm, "dataset": cell}, {"auroc": 0.9} if (arm, cell) != ("late", "b") else {})
        for arm in ("full", "late")
        for cell in "abc"
    ]
    wrong = knockout("report", "--mlflow", store.uri, "--experiment", "mine", "--out", tmp_path / "page")
    assert wrong.code == 2 and "row 6: auroc of arm 'late' on 'b' is empty" in wrong.err.replace("\n", " ")
    assert f"({runs[4]})" in wrong.err


@pytest.mark.parametrize("kind", ["sqlite:///{}/none.db", "{}/none", "foo://bar", "", "postgresql+none://a/b"])
def test_a_store_that_is_not_there_is_one_message_and_is_not_made(tmp_path: Path, kind: str) -> None:
    with pytest.raises(ReportError, match=r"no such MLflow store|does not answer|is not installed"):
        read_experiment(kind.format(tmp_path), "tiny")
    assert list(tmp_path.iterdir()) == []


def test_a_uri_that_mlflow_does_not_accept_is_corrected(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "own.db"
    for given in (str(file), f"file://{file}", f"sqlite:/{file}"):
        message = "there is no such MLflow store" if given.startswith("sqlite:") else f"write sqlite:///{file}."
        with pytest.raises(ReportError, match=message):
            read_experiment(given, "mine")
    for given in (str(tmp_path), f"sqlite:///{tmp_path}"):
        with pytest.raises(ReportError, match=f"{tmp_path} is a folder; write sqlite:///{file}."):
            read_experiment(given, "mine")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReportError, match="empty is a folder; there is no MLflow store in it"):
        read_experiment(str(tmp_path / "empty"), "mine")


@pytest.mark.parametrize("kind", ["text", "empty", "somebody's database"])
def test_a_file_that_is_no_store_is_refused_and_left_as_it_is(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "x.db"
    file.write_text("hello" if kind == "text" else "")
    if kind == "somebody's database":
        with sqlite3.connect(file) as database:
            database.execute("create table mine (a)")
        database.close()
    before = file.read_bytes()
    for given in (str(file), f"sqlite:///{file}"):
        with pytest.raises(ReportError, match="this file is no MLflow store"):
            read_experiment(given, "mine")
    assert file.read_bytes() == before


def test_a_folder_of_runs_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.tracking import MlflowClient

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    client = MlflowClient(str(tmp_path / "mlruns"))
    run = client.create_run(client.create_experiment("mine"))
    client.log_param(run.info.run_id, "method", "full")
    client.set_terminated(run.info.run_id)
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE")
    assert read_experiment(str(tmp_path / "mlruns"), "mine").frame["method"].tolist() == ["full"]


@pytest.mark.slow
def test_names_of_runs_are_text(store: Store, knockout: Knockout, tmp_path: Path) -> None:
    for place, method in enumerate(("1.10", "1.1", "0256")):
        for dataset in ("001", "002"):
            scores = {"auroc": 0.7 + place / 10, **({"depth": 3.0} if place else {})}
            store.run("FINISHED", {"method": method, **({} if place else {"depth": 3})}, scores, dataset=dataset)
    where = ("--mlflow", store.uri, "--experiment", "mine", "--out", tmp_path / "r")
    completed = knockout("report", *where, "--reference", "1.10")
    assert completed.code == 0, completed.err
    scores = pd.read_csv(tmp_path / "r" / "tables" / "scores_auroc.csv", dtype=str)
    assert set(scores["arm"]) == {"1.10", "1.1", "0256"} and set(scores["dataset"]) == {"001", "002"}
