"""A search on the command line: plan, run, report, confirm; and a tuned ablation."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from study.spec.folder import OutFolder
from study.store.ledger import Ledger

VARY = {"gnn": ["gcn", "none"], "optimizer": [{"adam": {"learning_rate": [1e-4, 1e-2]}}]}


@pytest.fixture
def searching(study_file: Callable[..., Path]) -> Callable[..., Path]:
    def write(**changes: Any) -> Path:
        path = study_file(repeats=1, training={"epochs": 1, "graph_epochs": 1})
        tiny = yaml.safe_load(path.read_text())
        del tiny["design"]
        path.write_text(yaml.safe_dump({**tiny, "search": {"trials": 3, "vary": VARY, "confirm": 2, **changes}}))
        return path

    return write


@pytest.mark.slow
def test_a_search_from_plan_to_confirmation(searching: Any, knockout: Any, forked: None, out: Path):
    study = searching()
    planned = knockout("plan", study, "--out", out)
    assert planned.code == 0 and "gnn" in planned.out and "gcn | none" in planned.out
    assert "3 trials, 4 in flight" in planned.out and "0 trials proposed so far" in planned.out

    early = knockout("confirm", study, "--out", out)
    assert early.code == 2 and "is not over" in early.err

    ran = knockout("run", study, "--out", out)
    assert ran.code == 0 and "trial 0 complete" in ran.out and "The test is sealed" in ran.out
    page = (out / "search" / "report" / "report.html").read_text()
    assert "Search" in page and "is sealed" in page
    assert not (out / "cells.parquet").exists(), "nothing of the test is in a table yet"
    assert "3 of 3 trials" in knockout("status", out).out
    assert "optuna-dashboard" in knockout("report", out).out
    assert "3 trials proposed so far" in knockout("plan", study, "--out", out).out

    confirmed = knockout("confirm", study, "--out", out)
    assert confirmed.code == 0 and "optimism gap" in confirmed.out
    page = (out / "report" / "report.html").read_text()
    assert "optimism gap" in page.lower() and "Search" in page
    before = len(list((out / "ledger").glob("*.json")))
    assert knockout("confirm", study, "--out", out).code == 0
    assert len(list((out / "ledger").glob("*.json"))) == before
    other = knockout("confirm", study, "--out", out, "--top", "3")
    assert other.code == 2 and "--again" in other.err
    assert knockout("report", out).code == 0
    assert "optimism gap" in (out / "report" / "report.html").read_text().lower()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["confirm"], "has a design, no search"),
        (["run", "--cluster", "spark://there"], "dask://"),
        (["run", "--lanes", "gpu:1"], "is no lane"),
    ],
)
def test_a_wrong_argument_is_one_message(
    study_file: Any, knockout: Any, out: Path, command: list[str], message: str, tmp_path: Path
):
    completed = knockout(command[0], study_file(), "--out", out, *command[1:])
    assert completed.code == 2 and message in completed.err and "Traceback" not in completed.err
    assert not list((out / "ledger").glob("*.json")) if (out / "ledger").exists() else True


@pytest.mark.slow
def test_a_tuned_ablation_lists_the_settings_of_every_arm(
    finished_tuning: Path, knockout: Any, forked: None, tmp_path: Path
):
    out = tmp_path / "copy"
    shutil.copytree(finished_tuning, out)
    page = (out / "report" / "report.html").read_text()
    assert "Tuning" in page and "2 trials" in page
    again = knockout("run", finished_tuning.parent / "tiny.yaml", "--out", out)
    assert again.code == 0 and "6 cells are in the ledger already; 0 to run" in again.out


@pytest.mark.slow
def test_the_cells_of_a_cluster_are_those_of_this_machine(
    study_file: Any, knockout: Any, out: Path, tmp_path: Path, forked: None
):
    distributed = pytest.importorskip("distributed")
    study = study_file(repeats=1)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0", processes=True
    ) as cluster:
        address = cluster.scheduler_address.replace("tcp://", "dask://")
        assert knockout("run", study, "--out", out, "--cluster", address).code == 0
    here = tmp_path / "here"
    assert knockout("run", study, "--out", here).code == 0
    cells = [path.stem for path in (here / "ledger").glob("*.json")]
    assert len(cells) == 3
    one, other = Ledger(out).read_all(cells), Ledger(here).read_all(cells)
    for cell in cells:
        assert one[cell].scores == other[cell].scores and one[cell].curves == other[cell].curves
        assert OutFolder(out).predictions(cell).read_bytes() == OutFolder(here).predictions(cell).read_bytes()
