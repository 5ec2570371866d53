"""The tracker only observes: missing, locked, damaged, emptied or oddly named stores end no study."""

import fcntl
import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow.entities import ViewType
from mlflow.tracking import MlflowClient
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from components.core.errors import KnockoutError
from study.spec.folder import OutFolder
from study.spec.records import CellRecord, CellRow, PlanRecord, Status
from study.store import locks
from study.store.ledger import Ledger
from study.store.tracking import experiment
from study.store.tracking import tracker as mlflow
from study.store.tracking.runs import SEARCH
from study.store.tracking.store_file import default_uri
from study.store.tracking.tracker import Tracker

SCORES = {"validation": {"auroc": 0.8, "epr": None}, "test": {"auroc": 0.7, "epr": None}}


def row(arm: str = "full", repeat: int = 0, study: str = "tiny", dataset: str = "net", **changes: Any) -> CellRow:
    names = {"role": "arm", "levels": {"gnn": "gat"}, "settings": {}, "network": "net", "block": "b", "split": "per_tf"}
    digests = {"arm_digest": f"digest of {arm}", "data_digest": "d", "code_digest": "c"}
    cell = f"{arm}{dataset}{repeat}"
    values = {"study": study, "arm": arm, "dataset": dataset, "repeat": repeat, "training": {"epochs": 1}, "cell": cell}
    return CellRow(**{**names, **digests, **values, **changes})


ROWS = [row(arm, repeat) for repeat in range(2) for arm in ("full", "none", "degree")]


def record(of: CellRow, **changes: Any) -> CellRecord:
    return CellRecord(cell=of.cell, scores=SCORES, curves={"loss": [2.0, 1.0]}, **changes)


@pytest.fixture(autouse=True)
def copied(empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copy a migrated store where one is made anew: a migration takes seconds, and made ``empty_store`` already."""

    def make(folder: OutFolder) -> None:
        if not folder.mlflow.exists():
            shutil.copy(empty_store, folder.mlflow)

    monkeypatch.setattr(experiment, "provide_store", make)


@pytest.fixture
def messages() -> list[str]:
    return []


@pytest.fixture
def send(out: Path, messages: list[str]) -> Callable[..., Tracker]:
    """What a run does: begin, log every cell as it ends, then close."""

    def run(rows: list[CellRow] = ROWS, uri: str | None = None, **options: Any) -> Tracker:
        tracker = Tracker(rows[0].study, out, uri, say=messages.append, **options)
        tracker.refuse_unknown()
        if not tracker.stage.sealed:
            tracker.begin(PlanRecord(metric="auprc", margin=0.02, rows=rows))
        for one in rows:
            Ledger(out).write(record(one), {"score": np.zeros(1)})
            tracker.log(one, Ledger(out).read(one.cell))
        tracker.close(rows, Ledger(out).read_all(one.cell for one in rows))
        return tracker

    return run


def runs(uri: str, name: str = "tiny", view: ViewType = ViewType.ALL) -> list[Any]:
    client = MlflowClient(uri)
    return list(client.search_runs([client.get_experiment_by_name(name).experiment_id], "", view, max_results=1000))


def cells(uri: str, name: str = "tiny", **options: Any) -> dict[str, Any]:
    return {
        run.data.tags["knockout.cell"]: run for run in runs(uri, name, **options) if "knockout.cell" in run.data.tags
    }


def test_a_study_of_n_cells_leaves_n_runs_none_deleted_and_each_artifact_once(
    send: Any, out: Path, messages: list[str]
):
    for _ in range(2):
        send()
    stored = runs(default_uri(out))
    assert len(stored) == 1 + 3 + 6
    assert {run.info.lifecycle_stage for run in stored} == {"active"} and messages == []
    assert len(list((out / "mlartifacts").rglob("*.parquet"))) == 6
    client = MlflowClient(default_uri(out))
    histories = [client.get_metric_history(run.info.run_id, "loss") for run in cells(default_uri(out)).values()]
    assert {len(history) for history in histories} == {2}


def test_two_drivers_that_take_turns_double_no_run(out: Path, messages: list[str]):
    first, second = (Tracker("tiny", out, say=messages.append) for _ in range(2))
    for n, one in enumerate(ROWS):
        Ledger(out).write(record(one), {"score": np.zeros(1)})
        for tracker in (first, second) if n % 2 else (second, first):
            tracker.log(one, record(one))
    assert len(runs(default_uri(out))) == 1 + 3 + 6 and messages == []


def test_more_parameters_and_metrics_than_a_call_takes_are_all_logged(out: Path):
    store = experiment.MlflowStore(default_uri(out), "tiny", OutFolder(out))
    run = store.create("tiny/study", "tiny", {})
    params, scores = {f"p{n}": str(n) for n in range(250)}, [(f"m{n}", float(n), 0) for n in range(1900)]
    store.log(run, params, scores)
    (stored,) = runs(default_uri(out))
    assert stored.data.params == params and stored.data.metrics == {name: value for name, value, _ in scores}


@pytest.mark.parametrize("name", ["it's", 'a "quote"', """both ' and " %_\\ """, "a/cell/b", "ü" * 300])
def test_any_name_of_a_study_is_a_name(send: Any, out: Path, messages: list[str], name: str):
    rows = [row(study=name), row("none", study=name)]
    for _ in range(2):  # the second tracker asks the store
        assert send(rows).lacking(rows, Ledger(out).read_all(r.cell for r in rows)) == 0
    assert len(runs(default_uri(out), name)) == 5 and messages == []


def deleted_experiment(out: Path) -> None:
    client = MlflowClient(default_uri(out))
    client.delete_experiment(client.create_experiment("tiny"))


def no_permission(out: Path) -> None:
    (out / "mlflow.db").unlink()
    (out / ".mlflow.lock").mkdir()


@pytest.mark.parametrize(
    ("spoil", "uri", "why"),
    [
        (deleted_experiment, None, "experiment 'tiny' was deleted there"),
        (no_permission, None, "mlflow.lock"),
        (lambda out: None, "http://127.0.0.1:9", "127.0.0.1"),
        (lambda out: None, "sqlite:////proc/none/x.db", "unable to open database|No such file|/proc/none"),
    ],
)
def test_a_store_that_fails_is_one_warning_and_ends_nothing(
    send: Any, out: Path, messages: list[str], monkeypatch: pytest.MonkeyPatch, spoil: Any, uri: str | None, why: str
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    spoil(out)
    tracker = send(uri=uri)
    assert tracker.lacking(ROWS, Ledger(out).read_all(r.cell for r in ROWS)) == 6
    (warning,) = messages
    assert re.match(f"warning: MLflow's record at .*({why})", warning)
    assert warning.endswith(f"knockout track {out}" + (f" --tracking-uri {uri}" if uri else ""))
    with pytest.raises(KnockoutError, match=why):
        send(uri=uri, strict=True)


def test_a_store_that_answers_again_gets_what_it_missed(send: Any, out: Path, messages: list[str], monkeypatch: Any):
    fails = iter([True, True])  # at the start, and at the first cell after the pause
    monkeypatch.setattr(mlflow, "RETRY_S", 0.0)
    begin = mlflow.MlflowStore.find

    def find(self: Any, key: str) -> Any:
        if next(fails, False):
            raise ConnectionError("away")
        return begin(self, key)

    monkeypatch.setattr(mlflow.MlflowStore, "find", find)
    tracker = send()
    assert tracker.lacking(ROWS, Ledger(out).read_all(r.cell for r in ROWS)) == 0
    assert len(cells(default_uri(out))) == 6 and len(messages) == 1


def test_while_a_store_is_away_it_is_asked_once_not_per_cell(send: Any, out: Path, monkeypatch: Any):
    asked = []
    monkeypatch.setattr(mlflow.MlflowStore, "find", lambda self, key: asked.append(key) or 1 / 0)
    send()
    assert len(asked) == 2, "at the start, and at the end"


@contextmanager
def exclusively(store: Path) -> Iterator[None]:
    with closing(sqlite3.connect(store, isolation_level=None)) as database:
        database.execute("begin exclusive")
        yield


@pytest.mark.slow
def test_a_store_that_is_locked_stays_where_it_is(
    send: Any, out: Path, messages: list[str], monkeypatch: pytest.MonkeyPatch
):
    def connect(self: Any, *given: Any, **named: Any) -> sqlite3.Connection:
        return sqlite3.connect(*given, **{**named, "timeout": 0.1})

    monkeypatch.setattr(SQLiteDialect_pysqlite, "connect", connect)
    with exclusively(out / "mlflow.db"):
        send()
    assert len(messages) == 1 and "database is locked" in messages[0]
    assert not list(out.glob("*.unreadable-*"))
    send()
    assert len(cells(default_uri(out))) == 6


def test_a_driver_that_is_suspended_in_the_lock_is_named_and_passed_by(
    send: Any, out: Path, messages: list[str], monkeypatch: Any
):
    monkeypatch.setattr(locks.hold.__wrapped__, "__defaults__", (0.1, 0.05))
    (out / ".mlflow.lock").write_text("process 77 on elsewhere")
    with (out / ".mlflow.lock").open("r+") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        send()
    assert len(messages) == 1 and "process 77 on elsewhere has held this lock" in messages[0]


def cut(store: Path) -> None:
    store.write_bytes(store.read_bytes()[: store.stat().st_size // 2])


def scribble(store: Path) -> None:
    content = bytearray(store.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    store.write_bytes(content)


def tables_of_others(store: Path) -> None:
    store.unlink()
    with closing(sqlite3.connect(store)) as database:
        database.execute("create table mine (a)")
        database.commit()


def folder(store: Path) -> None:
    store.unlink()
    store.mkdir()


@pytest.mark.parametrize(
    "spoil", [lambda store: store.write_bytes(b"no database " * 100), cut, scribble, tables_of_others, folder]
)
def test_a_store_in_out_that_cannot_be_read_is_set_aside_and_made_anew(
    send: Any, out: Path, messages: list[str], spoil: Callable[[Path], Any]
):
    send()
    spoil(out / "mlflow.db")
    (out / "mlflow.db-journal").touch()
    tracker = send([*ROWS, row(repeat=2)])
    assert tracker.trouble == "" and len(cells(default_uri(out))) == 7
    aside = out / "mlflow.db.unreadable-1"
    assert (
        [line for line in messages if "warning" in line] == []
        and f"It is {aside} now" in messages[0]
        and len(messages) == 1
    )
    assert aside.exists() and (out / "mlartifacts.unreadable-1").exists() and not (out / "mlflow.db-journal").exists()
    assert len(list((out / "mlartifacts").rglob("*.parquet"))) == 7


def test_a_store_that_never_was_one_is_set_aside_at_the_first_look(send: Any, out: Path, messages: list[str]):
    out.mkdir(exist_ok=True)
    (out / "mlflow.db").write_text("hello")
    tracker = send()  # MLflow has opened no store here before
    assert tracker.trouble == "" and len(cells(default_uri(out))) == 6
    assert len(messages) == 1 and f"It is {out / 'mlflow.db.unreadable-1'} now" in messages[0]


def test_a_store_that_is_damaged_while_cells_run_is_made_anew_with_all_of_them(
    send: Any, out: Path, messages: list[str]
):
    tracker = Tracker("tiny", out, say=messages.append)
    for number, one in enumerate(ROWS):
        Ledger(out).write(record(one), {"score": np.zeros(1)})
        tracker.log(one, Ledger(out).read(one.cell))
        if number == 2:
            cut(out / "mlflow.db")
    tracker.close(ROWS, Ledger(out).read_all(r.cell for r in ROWS))
    assert len(cells(default_uri(out))) == 6 and len(messages) == 1


def test_a_store_that_is_deleted_while_cells_run_is_made_anew_with_all_of_them(out: Path, messages: list[str]):
    tracker = Tracker("tiny", out, say=messages.append)
    for n, one in enumerate(ROWS):
        if n == 3:
            OutFolder(out).mlflow.unlink()
        Ledger(out).write(record(one), {"score": np.zeros(1)})
        tracker.log(one, record(one))
    tracker.close(ROWS, Ledger(out).read_all(one.cell for one in ROWS))
    assert set(cells(default_uri(out))) == {one.cell for one in ROWS}
    assert len(messages) == 1 and not tracker.trouble


def test_a_foreign_store_is_never_renamed(send: Any, out: Path, tmp_path: Path, messages: list[str]):
    theirs = tmp_path / "theirs.db"
    theirs.write_bytes(b"no database " * 100)
    send(uri=f"sqlite:///{theirs}")
    assert theirs.read_bytes() == b"no database " * 100 and len(messages) == 1


def test_a_failure_that_was_retried_takes_its_own_place(send: Any, out: Path):
    failed = record(ROWS[0]).model_copy(update={"status": Status.OOM, "reason": "memory " * 2000, "scores": {}})
    tracker = Tracker("tiny", out)
    tracker.log(ROWS[0], failed)
    tracker.log(ROWS[0], failed)
    assert len(runs(default_uri(out))) == 3, "a long reason is a reason"
    tracker.log(ROWS[0], record(ROWS[0]))
    assert cells(default_uri(out), view=ViewType.ACTIVE_ONLY)[ROWS[0].cell].info.status == "FINISHED"


def test_deleted_runs_are_written_again_below_their_parents(send: Any, out: Path):
    send()
    client, before = MlflowClient(default_uri(out)), runs(default_uri(out))
    for run in before:
        if run.data.tags["knockout.level"] in ("study", "arm"):
            client.delete_run(run.info.run_id)
    send()
    now = {run.info.run_id: run for run in runs(default_uri(out), view=ViewType.ACTIVE_ONLY)}
    assert len(now) == 10
    assert all(run.data.tags["mlflow.parentRunId"] in now for run in now.values() if run.info.run_name != "tiny")


def test_cells_that_are_no_longer_planned_and_arms_that_are_renamed_are_marked(send: Any, out: Path):
    send()
    renamed = [r.model_copy(update={"arm": "all"}) if r.arm == "full" else r for r in ROWS[:3]]
    send(renamed)
    tags = {cell: run.data.tags for cell, run in cells(default_uri(out)).items()}
    assert {cell for cell in tags if tags[cell].get("knockout.earlier") == "true"} == {r.cell for r in ROWS[3:]}
    assert tags[ROWS[0].cell]["knockout.arm"] == "all"
    assert "all" in {run.info.run_name for run in runs(default_uri(out))}
    send([row(dataset="web")])
    send()
    assert not [t for t in cells(default_uri(out)).values() if t.data.tags.get("knockout.earlier") == "true"]


def test_trials_stand_apart_without_scores_of_the_test(send: Any, out: Path):
    send(ROWS[:3], stage=SEARCH)
    send(ROWS[:3])
    stored = runs(default_uri(out))
    by_level: dict[str, list[Any]] = {}
    for run in stored:
        by_level.setdefault(run.data.tags["knockout.level"], []).append(run)
    assert {level: len(of) for level, of in by_level.items()} == {
        "study": 1,
        "trial": 3,
        "trial cell": 3,
        "arm": 3,
        "cell": 3,
    }
    for run in (*by_level["trial"], *by_level["trial cell"]):
        assert not [name for name in run.data.metrics if name.startswith("test.")]
    assert all("test.auroc" in run.data.metrics for run in by_level["cell"])
    assert len(list((out / "mlartifacts").rglob("*.parquet"))) == 3
    assert OutFolder(out).mlflow.exists()
