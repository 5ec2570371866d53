"""Stops a running study from outside; every driver is a process of its own, forked for speed but for one."""

import multiprocessing
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from reports.build import Written
from study.actions.run import run_plan
from study.plan.plan import make_plan
from study.run.engine import Means, make_workers
from study.run.pool import Pool
from study.study_file.study import load_study

pytestmark = pytest.mark.slow  # the pool's own tests stop and leave it within one process
ROOT = Path(__file__).parents[3]
SLOW = {"design": {"kind": "explicit", "arms": [{"scorer": "slow"}]}, "controls": False, "lanes": "cpu:1"}
PATIENCE = 150.0  # workers as users have them import torch anew, which takes long on a busy machine


def wait_for(what: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := what():
            return answer
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s in vain")


def records(out: Path) -> dict[str, int]:
    return {path.stem: path.stat().st_mtime_ns for path in (out / "ledger").glob("*.json")}


def drive(arguments: list[str], log: Path) -> None:
    """Run the command line in a forked process, as a shell would: own output, own signals."""
    from study.cli.main import main

    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(handle, 1), os.dup2(handle, 2)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.argv = ["knockout", *arguments]
    main()


@pytest.fixture
def driver(plugin: Path, forked: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    import study.actions.report  # once, before forking

    drawn = Written(Path("report.html"), [], {"rows": []})  # the report is tested elsewhere
    monkeypatch.setattr(study.actions.report, "write", lambda analysis, out, **how: drawn)
    started = []

    def start(*arguments: object) -> Any:
        fork = multiprocessing.get_context("fork")
        process = fork.Process(target=drive, args=([*map(str, arguments)], tmp_path / "log"))
        process.start()
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.join()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_lets_running_cells_end_and_the_next_run_completes(
    number: int,
    driver: Callable[..., Any],
    study_file: Callable[..., Path],
    out: Path,
    tmp_path: Path,
    knockout: Callable[..., Any],
):
    study = study_file(**{**SLOW, "repeats": 4})
    process = driver("run", study, "--out", out)
    wait_for(lambda: records(out))
    os.kill(process.pid, number)
    process.join(PATIENCE)
    log = (tmp_path / "log").read_text()
    assert process.exitcode == 3
    assert "stopping after the" in log and "cells are missing" in log and "Traceback" not in log
    left = records(out)
    assert 1 <= len(left) < 8
    assert len(pd.read_parquet(out / "cells.parquet")["cell"].unique()) == len(left)
    again = knockout("run", study, "--out", out)
    assert again.code == 0
    assert re.search(rf"\b{len(left)} cells? (is|are) in the ledger already; {8 - len(left)} to run", again.out)
    assert len(records(out)) == 8 and records(out).items() >= left.items()


def test_a_second_signal_ends_it_at_once(
    driver: Callable[..., Any], study_file: Callable[..., Path], out: Path, tmp_path: Path
):
    process = driver("run", study_file(**{**SLOW, "repeats": 20}), "--out", out)
    wait_for(lambda: records(out))
    os.kill(process.pid, signal.SIGINT)
    wait_for(lambda: "stopping after" in (tmp_path / "log").read_text())
    os.kill(process.pid, signal.SIGINT)
    process.join(10)
    assert process.exitcode in {130, 3}  # 3 if the cell in flight ended between the two
    assert len(records(out)) < 40
    assert "Traceback" not in (tmp_path / "log").read_text()


class Silence:
    """An observer of a run without output."""

    def planned(self, done: int, missing: int) -> None:
        self.heard = (done, missing)

    def costs(self, costs: Any, missing: Any, lanes: int) -> None: ...
    def started(self, cell: Any) -> None: ...
    def ended(self, cell: Any, record: Any) -> None: ...
    def message(self, text: str) -> None: ...
    def stopping(self) -> None: ...


def run_cells(study: Path, out: Path) -> None:
    plan = make_plan(load_study(study))
    waiting = iter(plan.cells)
    workers = make_workers(plan.study, plan.cells, out)
    list(Pool(workers, out).run(lambda: next(waiting, None)))


def test_a_killed_driver_takes_its_workers_along_and_loses_only_what_was_in_flight(
    plugin: Path,
    study_file: Callable[..., Path],
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    fork_from_now_on: Callable[[], None],
):
    study = study_file(**{**SLOW, "repeats": 4})
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(plugin)]))
    process = multiprocessing.get_context("fork").Process(target=run_cells, args=(study, out))
    process.start()  # a driver that is forked, and workers as users have them
    try:
        wait_for(lambda: len(records(out)) >= 2)
        workers = psutil.Process(process.pid).children(recursive=True)
    finally:
        process.kill()
        process.join()
    fork_from_now_on()
    assert workers
    _, alive = psutil.wait_procs(workers, timeout=15)
    assert not alive
    left = records(out)
    assert 2 <= len(left) < 8
    listener = Silence()
    outcome = run_plan(make_plan(load_study(study)), out, listener, Means())
    assert listener.heard == (len(left), 8 - len(left))
    assert (outcome.done, outcome.failed, outcome.complete) == (8, 0, True)
    assert len(records(out)) == 8 and records(out).items() >= left.items()
    assert len(pd.read_parquet(outcome.table)["cell"].unique()) == 8
