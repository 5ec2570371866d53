"""A study that runs, in MLflow's own interface in a real browser: which arm leads, what failed."""

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from study.plan.plan import make_plan
from study.spec.machine import Lane
from study.store.tracking import runs
from study.store.tracking.store_file import default_uri
from study.store.tracking.tracker import Tracker
from study.study_file.study import load_study
from study.train.cell import run_cell

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no chromium, chromium-browser or google-chrome on PATH"),
]


@pytest.fixture
def server(out: Path) -> Iterator[str]:
    """MLflow's interface on the store of an output folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", default_uri(out), "--workers", "1"]
    process = subprocess.Popen([*command, "--host", "127.0.0.1", "--port", address.split(":")[1]], cwd=out)
    try:
        last = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"http://{address}/health", timeout=5)
                break
            except OSError:
                assert time.monotonic() < last and process.poll() is None
                time.sleep(0.5)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(30)


def test_the_arms_of_a_running_study_are_compared(
    study_file: Callable[..., Path], out: Path, server: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(runs, "EVERY_S", 0.0)
    plan = make_plan(load_study(study_file(repeats=1)))
    tracker = Tracker(plan.study.name, out)
    tracker.begin(plan.record)
    scores = {}
    for cell in plan.cells:
        record = run_cell(cell, Lane("cpu", 1)).record
        scores[cell.arm.name] = record.scores["test"]["auroc"]
        tracker.log(cell.row, record)  # and no close: the study goes on
    assert not tracker.trouble
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={out.parent / 'profile'}"]
    command += ["--window-size=1800,900", "--virtual-time-budget=20000", "--dump-dom", f"{server}/{tracker.view}"]
    page = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    places = [page.find(f">{arm}<") for arm in sorted(scores, key=scores.__getitem__, reverse=True)]
    assert -1 not in places and places == sorted(places), "the leading arm comes first"
    assert "cells_failed" in page and "test.auroc.mean" in page
