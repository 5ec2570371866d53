"""A search of eight lanes with Optuna and an MLflow server on a real PostgreSQL, all of them on loopback."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

import study.search.run
from study.run.engine import Means
from study.search.run import run_search
from study.spec.cell import Cell
from study.spec.machine import Lane
from study.spec.records import CellRecord
from study.study_file.study import load_study
from study.train.cell import CellResult

BIN = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
FOUND = shutil.which("postgres")
HOME = BIN if BIN is not None and (BIN / "postgres").exists() else Path(FOUND).resolve().parent if FOUND else None
TRIALS = 12
SERVER = "postgres" if os.geteuid() == 0 else None  # PostgreSQL does not run as root


def _missing() -> str:
    if HOME is None:
        return "no PostgreSQL on this machine: apt install postgresql"
    if SERVER and SERVER not in {user.pw_name for user in pwd.getpwall()}:
        return "PostgreSQL does not run as root, and there is no user postgres"
    return ""


pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(_missing()), reason=_missing() or "-")]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_for(ready: Callable[[], bool], process: subprocess.Popen[bytes], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.2)


@pytest.fixture
def database() -> Iterator[Callable[[str], str]]:
    """Start PostgreSQL in a folder of its own; make a database of a name, and return its URL."""
    pytest.importorskip("psycopg")
    import psycopg

    assert HOME is not None
    folder = Path(tempfile.mkdtemp(prefix="knockout-pg-"))
    if SERVER:
        shutil.chown(folder, SERVER)
    data, port = folder / "data", free_port()
    as_server: dict[str, Any] = {
        "user": SERVER,
        "cwd": folder,
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
    make: list[Any] = [HOME / "initdb", "-D", data, "-U", "knockout", "--auth=trust", "--no-sync", "-E", "UTF8"]
    subprocess.run(make, check=True, **as_server)
    options: list[Any] = ["-k", folder, "-h", "127.0.0.1", "-p", str(port), "-c", "fsync=off"]
    process = subprocess.Popen([HOME / "postgres", "-D", data, *options], **as_server)
    at = f"knockout@127.0.0.1:{port}"

    def answers() -> bool:
        try:
            psycopg.connect(f"postgresql://{at}/postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def create(name: str) -> str:
        with psycopg.connect(f"postgresql://{at}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://{at}/{name}"

    try:
        wait_for(answers, process)
        yield create
    finally:
        process.send_signal(signal.SIGINT)  # SIGTERM would wait for its clients
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def mlflow_server(database: Callable[[str], str], tmp_path: Path) -> Iterator[str]:
    """An MLflow server with its records in PostgreSQL."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", database("mlflow"), "--workers", "1"]
    command += ["--artifacts-destination", str(tmp_path / "artifacts"), "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            urllib.request.urlopen(f"{address}/health", timeout=5)
        except OSError:
            return False
        return True

    try:
        wait_for(answers, process)
        yield address
    finally:
        process.terminate()
        process.wait(30)


class Eight:
    """Eight lanes whose cells take a few milliseconds."""

    broken: tuple[type[BaseException], ...] = ()
    lanes = (Lane("cpu", 1),) * 8

    def __enter__(self) -> Eight:
        self.threads = ThreadPoolExecutor(8)
        return self

    def __exit__(self, *error: object) -> None:
        self.threads.shutdown()

    def kill(self) -> None: ...

    @property
    def alone(self) -> Eight:
        return self

    def submit(self, cell: Cell) -> Future[CellResult]:
        return self.threads.submit(self.run, cell)

    def run(self, cell: Cell) -> CellResult:
        time.sleep(0.005)
        score = int(cell.digest[:6], 16) / 16**6
        scores = {part: {"auroc": score} for part in ("validation", "test")}
        return CellResult(CellRecord(cell=cell.digest, scores=scores, seconds=0.005, identity=cell.identity))


class Silence:
    """Keeps the messages of a search."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, text: str) -> None:
        self.lines.append(text)

    def __getattr__(self, name: str) -> Any:
        return lambda *given: None


def test_every_trial_and_cell_is_there_once(
    database: Callable[[str], str],
    mlflow_server: str,
    study_file: Callable[..., Path],
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    path, storage = study_file(), database("optuna")
    content = yaml.safe_load(path.read_text())
    del content["design"]
    settings = {"trials": TRIALS, "pruner": "none", "parallel": 8}
    path.write_text(yaml.safe_dump({**content, "search": settings, "lanes": "cpu:8"}))
    monkeypatch.setattr(study.search.run, "make_workers", lambda *given: Eight())
    means, listener = Means(storage=storage, tracking_uri=mlflow_server), Silence()
    began = time.monotonic()
    search = run_search(load_study(path), out, listener, means)
    ms = 1000 * (time.monotonic() - began) / (2 * TRIALS)
    assert not [line for line in listener.lines if "warning" in line]
    run_search(load_study(path), out, listener, means)  # again: nothing is sent twice
    with capsys.disabled():
        sys.stdout.write(
            f"\n{2 * TRIALS} cells on 8 lanes, {ms:.0f} ms each for proposal, ledger, Optuna and MLflow over HTTP\n"
        )

    import optuna
    from mlflow.tracking import MlflowClient

    stored = optuna.load_study(study_name="tiny", storage=storage).get_trials()
    assert [t.user_attrs["arm"] for t in stored] == [t.arm.digest for t in search.finished] and len(stored) == TRIALS
    assert [t.value for t in stored] == pytest.approx([t.value("auroc") for t in search.finished])
    client = MlflowClient(mlflow_server)
    runs = client.search_runs([client.get_experiment_by_name("tiny").experiment_id], max_results=1000)
    cells = Counter(run.data.tags.get("knockout.cell") for run in runs if "knockout.cell" in run.data.tags)
    assert cells == Counter(cell.digest for trial in search.finished for cell in trial.cells)
    assert {run.info.status for run in runs} == {"FINISHED"} and len(runs) == 3 * TRIALS + 1
