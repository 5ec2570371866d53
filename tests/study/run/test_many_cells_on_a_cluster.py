"""Thousands of cells on a cluster of two workers; a driver and a worker are killed, and nothing is lost or doubled.

This file is the driver's program, too.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from study.plan.plan import make_plan
from study.run.cluster import DaskWorkers
from study.run.pool import Pool, Queue
from study.spec.cell import Cell
from study.spec.records import CellRecord
from study.store.ledger import Ledger
from study.study_file.study import load_study
from study.train.cell import CellResult

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
CELLS = 500
DESIGN = {"kind": "explicit", "arms": [{"scorer": "degree"}]}


def work(cell: Cell, ran: Path) -> CellResult:
    """Note who ran a cell, and answer at once."""
    with (ran / str(os.getpid())).open("a") as file:
        file.write(f"{cell.digest}\n")
    return CellResult(CellRecord(cell=cell.digest, scores={"test": {"auroc": 0.5}}, reason=str(os.getpid())))


def drive(study: Path, out: Path, address: str) -> None:
    """Run what the ledger lacks of a study on a cluster, as the engine does, without MLflow."""
    plan = make_plan(load_study(study))
    queue = Queue(plan.missing(Ledger(out)))
    began, n = time.monotonic(), 0
    for _ in Pool(DaskWorkers(address, partial(work, ran=out / "ran")), out).run(queue.take):
        n += 1
    sys.stdout.write(f"{n} cells, {1000 * (time.monotonic() - began) / n:.1f} ms each beside their work")


@pytest.fixture
def local() -> Iterator[Any]:
    """Two worker processes, each with a nanny that starts it anew when it dies."""
    distributed = pytest.importorskip("distributed")
    import multiprocessing.popen_forkserver  # two nannies would import it at once, which Python 3.11 does not stand

    import dask
    from distributed.utils import get_mp_context

    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        get_mp_context()
        multiprocessing.set_forkserver_preload(["distributed", "study.run.cluster"])
        address = {"host": "127.0.0.1", "dashboard_address": ":0"}
        with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, **address) as running:
            yield running


def until(reached: Any, process: subprocess.Popen[str], seconds: float = 400.0) -> None:
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.05)


def test_a_killed_driver_and_a_killed_worker_lose_and_double_nothing(
    study_file: Any, local: Any, out: Path, capsys: pytest.CaptureFixture[str]
):
    nets = [{"simulate": {"genes": 64, "tfs": 8, "cells": 40}, "seed": n, "name": f"net-{n}"} for n in range(5)]
    study = study_file(datasets=nets, design=DESIGN, controls=False, repeats=CELLS // 10)  # and the reference
    plan = make_plan(load_study(study))
    ledger, ran = Ledger(out), out / "ran"
    ledger.folder.ledger.mkdir(parents=True, exist_ok=True)
    ran.mkdir()

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, __file__, str(study), str(out), local.scheduler_address]
        path = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
        return subprocess.Popen(command, env=path, stdout=subprocess.PIPE, text=True)

    first = start()
    until(lambda: len(ledger.cells()) > CELLS // 10, first)
    first.kill()
    first.communicate()
    before = {path.name: path.stat().st_mtime_ns for path in ledger.folder.ledger.glob("*.json")}
    assert CELLS // 10 < len(before) < CELLS
    second = start()
    until(lambda: len(ledger.cells()) > CELLS // 5, second)
    victim = int(max(ran.iterdir(), key=lambda path: path.stat().st_mtime).name)
    os.kill(victim, signal.SIGKILL)
    stdout, _ = second.communicate(timeout=800)
    assert second.returncode == 0
    with capsys.disabled():
        sys.stdout.write(f"\n{stdout}, a killed worker among them\n")
    assert ledger.cells() == {cell.digest for cell in plan.cells} and len(plan.cells) == CELLS
    after = {path.name: path.stat().st_mtime_ns for path in ledger.folder.ledger.glob("*.json")}
    assert after.items() >= before.items(), "what was recorded is not recorded anew"
    assert {record.status for record in ledger.read_all(ledger.cells()).values()} == {"ok"}
    runs = Counter(itertools.chain.from_iterable(path.read_text().split() for path in ran.iterdir()))
    assert len(runs) == CELLS and runs.total() - CELLS <= 2 * 2, "only what was in flight at a kill was run twice"


if __name__ == "__main__":
    drive(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
