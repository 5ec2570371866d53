"""The record in MLflow: filled later, read back as the study's own table, and without a password anywhere."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from mlflow.tracking import MlflowClient

from components.data.simulator import SimulatorSettings, simulate, write_beeline
from reports.stored.mlflow_reader import read_experiment
from study.spec.folder import OutFolder
from study.store.tracking.store_file import default_uri

Knockout = Callable[..., Any]

SETTINGS = {"genes": 64, "tfs": 8, "cells": 40}
KEYS = ["cell", "part", "metric"]


@pytest.fixture
def store(tmp_path: Path, empty_store: Path) -> str:
    """A store that no study has written to yet."""
    return f"sqlite:///{shutil.copy(empty_store, tmp_path / 'new.db')}"


def cells(uri: str) -> dict[str, Any]:
    client = MlflowClient(uri)
    stored = client.search_runs([client.get_experiment_by_name("tiny").experiment_id], max_results=1000)
    return {run.data.tags["knockout.cell"]: run for run in stored if "knockout.cell" in run.data.tags}


def assert_read_back(knockout: Knockout, uri: str, out: Path, tmp_path: Path) -> None:
    """The table of the store is that of the folder; so is every table of the page."""
    read, written = read_experiment(uri, "tiny").frame, pd.read_parquet(out / "cells.parquet")
    one, two = (frame[list(written)].sort_values(KEYS, ignore_index=True) for frame in (read, written))
    pd.testing.assert_frame_equal(one, two, check_dtype=False)
    pages = tmp_path / "of store" / "page", tmp_path / "of table" / "page"
    completed = knockout("report", "--mlflow", uri, "--experiment", "tiny", "--out", pages[0])
    assert completed.code == 0, completed.err
    assert knockout("report", out / "cells.parquet", "--out", pages[1]).code == 0
    of_store, of_table = (tables(page) for page in pages)
    if (out / "search" / "confirmed.csv").exists():  # a table does not name the search that it confirms
        assert knockout("report", out).code == 0
        own = tables(out / "report").items()
        searched = {name: text for name, text in own if name.startswith("search_") or name == "refusals.csv"}
        assert {"search_confirmed.csv", "search_trials.csv"} <= searched.keys()
        of_table |= searched
        assert sections(pages[0]) == [title for title in sections(out / "report") if title not in STORED_IN_CELLS]
    assert of_store == of_table and len(of_store) > 10


# what the page of a folder shows of files that a store of runs does not send back
STORED_IN_CELLS = ("Training", "Predicted edges", "Pair vectors")


def tables(page: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in (page / "tables").rglob("*.*")}


def sections(page: Path) -> list[str]:
    return re.findall(r"<h[23][^>]*>(.*?)</h[23]>", (page / "report.html").read_text())


@pytest.mark.parametrize("kind", ["finished", pytest.param("finished_tuning", marks=pytest.mark.slow)])
def test_a_study_is_read_back_as_its_own_table(
    knockout: Knockout, request: pytest.FixtureRequest, tmp_path: Path, kind: str
):
    out = request.getfixturevalue(kind)
    assert_read_back(knockout, default_uri(out), out, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["finished", "finished_tuning"])
def test_a_new_store_is_filled_from_the_folder(
    knockout: Knockout, request: pytest.FixtureRequest, tmp_path: Path, store: str, kind: str
):
    out = tmp_path / "out"
    shutil.copytree(request.getfixturevalue(kind), out)
    n = len(list((out / "ledger").glob("*.json")))
    for _ in range(2):
        completed = knockout("track", out, "--tracking-uri", store)
        assert completed.code == 0 and f"{store} has {n} cells of {out}" in completed.out, completed.err + completed.out
        assert "left out" not in completed.out
        assert len(cells(store)) == n
    assert_read_back(knockout, store, out, tmp_path)


def test_what_a_store_lacks_is_sent_and_no_more(knockout: Knockout, finished: Path, tmp_path: Path):
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    before = cells(default_uri(out))
    client, lost = MlflowClient(default_uri(out)), next(iter(before))
    client.delete_run(before[lost].info.run_id)
    (out / "ledger" / f"{'0' * 20}.json").write_text((out / "ledger" / f"{lost}.json").read_text())
    completed = knockout("track", out)
    assert completed.code == 0 and "1 cell of the ledger left out: neither the last plan nor a trial" in completed.out
    after = cells(default_uri(out))
    assert after.keys() == before.keys()
    assert {cell for cell in after if after[cell].info.run_id != before[cell].info.run_id} == {lost}


def test_a_copied_folder_writes_into_its_own_artifacts(knockout: Knockout, finished: Path, tmp_path: Path):
    """MLflow keeps whole paths: a copy would change the artifacts of the study that it was copied from."""
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    before = {path: path.stat().st_mtime_ns for path in (finished / "mlartifacts").rglob("*")}
    lost = next(iter(cells(default_uri(out)).values()))
    MlflowClient(default_uri(out)).delete_run(lost.info.run_id)
    shutil.rmtree(out / "mlartifacts" / lost.info.run_id)
    assert knockout("track", out).code == 0
    assert {path: path.stat().st_mtime_ns for path in (finished / "mlartifacts").rglob("*")} == before
    for run in cells(default_uri(out)).values():
        folder = out / "mlartifacts" / run.info.run_id / "artifacts"
        assert run.info.artifact_uri == folder.as_uri() and folder.is_dir()


def test_track_names_what_is_wrong(knockout: Knockout, finished: Path, tmp_path: Path, monkeypatch: Any):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for arguments, message in (
        ([tmp_path], "no study was run here"),
        ([finished, "--tracking-uri", "http://127.0.0.1:9"], "error: http://127.0.0.1:9: "),
        ([finished, "--tracking-uri", "foo://bar"], "error: foo://bar: "),
    ):
        completed = knockout("track", *arguments)
        assert completed.code == 2 and message in completed.err and "warning" not in completed.out, completed.err


def test_a_search_whose_test_is_sealed_is_read_back_as_a_search(
    knockout: Knockout, finished_search: Path, tmp_path: Path, store: str
):
    out = tmp_path / "out"
    shutil.copytree(finished_search, out)
    assert knockout("track", out, "--tracking-uri", store).code == 0
    assert knockout("report", out).code == 0
    for number, uri in enumerate((default_uri(finished_search), store)):
        page = tmp_path / f"page-{number}"
        completed = knockout("report", "--mlflow", uri, "--experiment", "tiny", "--out", page)
        assert completed.code == 0 and "The test is sealed" in completed.out, completed.err
        own = {file.name: file.read_bytes() for file in (OutFolder(out).search.report / "tables").rglob("*.*")}
        assert {file.name: file.read_bytes() for file in (page / "tables").rglob("*.*")} == own


def transfer(folder: Path) -> dict[str, Any]:
    settings = SimulatorSettings(**SETTINGS)
    for number, cell in enumerate(("human", "mouse")):
        write_beeline(simulate(settings, seed=number), folder / f"net/{cell}/TFs+60")
    entry = {"path": str(folder / "net/mouse/TFs+60"), "train_on": str(folder / "net/human/TFs+60")}
    return {"datasets": [entry], "reference": {"bucketing": "coexpression"}}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["k-fold", "transfer", "crossed", "confirmed", "path"])
def test_other_exams_and_a_confirmed_search_are_read_back(
    knockout: Knockout,
    study_file: Callable[..., Path],
    finished_search: Path,
    forked: None,
    out: Path,
    tmp_path: Path,
    store: str,
    kind: str,
):
    if kind in ("confirmed", "path"):
        shutil.copytree(finished_search, out, dirs_exist_ok=True)
        file = finished_search.parent / "tiny.yaml"
        assert knockout("confirm", file, "--out", out, *(["--path"] if kind == "path" else [])).code == 0
    else:
        factors = {"gnn.gat.widths": [[8, 4], [16, 8]], "fusion": ["multiscale", "late"]}
        changes = {
            "k-fold": lambda: {"split": "kfold_pooled"},
            "transfer": lambda: transfer(tmp_path / "data"),
            "crossed": lambda: {"design": {"kind": "full_factorial", "factors": factors}},
        }[kind]()
        file = study_file(repeats=2, training={"epochs": 1, "graph_epochs": 1}, **changes)
        completed = knockout("run", file, "--out", out)
        assert completed.code == 0, completed.err
    assert knockout("track", out, "--tracking-uri", store).code == 0
    for number, uri in enumerate((default_uri(out), store)):
        assert_read_back(knockout, uri, out, tmp_path / str(number))


@pytest.mark.slow
def test_cells_of_an_earlier_plan_are_no_part_of_the_table(
    knockout: Knockout, finished: Path, forked: None, tmp_path: Path
):
    out, file = tmp_path / "out", tmp_path / "tiny.yaml"
    shutil.copytree(finished, out)
    content = yaml.safe_load((finished.parent / "tiny.yaml").read_text())
    file.write_text(yaml.safe_dump({**content, "repeats": 1, "controls": False, "margin": 0.02, "alpha": 0.01}))
    assert knockout("run", file, "--out", out).code == 0
    read = read_experiment(default_uri(out), "tiny")
    assert (read.metric, read.margin, read.alpha) == ("auroc", 0.02, 0.01)
    assert set(read.frame["cell"]) == set(pd.read_parquet(out / "cells.parquet")["cell"])
    assert read.notes == ("4 runs left out: a cell that the study no longer plans.",)


@pytest.mark.slow
def test_the_environment_names_a_store_as_every_mlflow_user_has_it(
    knockout: Knockout, study_file: Any, forked: None, tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    out = tmp_path / "out"
    completed = knockout("run", study_file(repeats=1, controls=False), "--out", out)
    assert completed.code == 0 and f"MLflow:  mlflow ui --backend-store-uri {store}\n" in completed.out
    assert len(cells(store)) == 2 and not (out / "mlflow.db").exists()


SECRET = "s3cr3t"
SECRETS = {
    "--storage": f"sqlite:///file:none/trials.db?uri=true&token={SECRET}",
    "--tracking-uri": f"http://me:{SECRET}@127.0.0.1:9/?token={SECRET}-too#{SECRET}",
}


@pytest.mark.slow
def test_no_file_and_no_line_contains_a_password(
    knockout: Knockout,
    finished_search: Path,
    forked: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.chdir(tmp_path)
    out, file = tmp_path / "out", tmp_path / "tiny.yaml"
    shutil.copytree(finished_search, out)
    content = yaml.safe_load((finished_search.parent / "tiny.yaml").read_text())
    content["search"]["trials"] = 3
    file.write_text(yaml.safe_dump(content))
    parted = {name: [name, url] for name, url in SECRETS.items()}
    joined = {name: [f"{name}={url}"] for name, url in SECRETS.items()}
    cluster = f"dask://me:{SECRET}@127.0.0.1:9"
    printed = ""
    commands = [
        (0, ("run", file, "--out", out, *parted["--storage"], *joined["--tracking-uri"])),
        (0, ("run", file, "--out", out, *joined["--storage"], *parted["--tracking-uri"])),
        (0, ("confirm", file, "--out", out, *parted["--tracking-uri"])),
        (0, ("report", out)),
        (2, ("run", file, "--out", tmp_path / "other", "--cluster", cluster)),
        (2, ("run", file, "--out", tmp_path / "other", f"--cluster={cluster}")),
        (2, ("track", out, *parted["--tracking-uri"])),
        (2, ("track", out, *joined["--tracking-uri"])),
        (2, ("report", "--mlflow", SECRETS["--tracking-uri"], "--experiment", "tiny")),
    ]
    for code, command in commands:
        completed = knockout(*command)
        assert completed.code == code, (command, completed.err)
        printed += completed.out + completed.err
    assert SECRET not in printed and "***" in printed
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        assert SECRET.encode() not in path.read_bytes(), path
    assert "***" in (out / "commands.txt").read_text() and "***" in (out / "search" / "search.json").read_text()


def test_a_command_that_was_written_with_its_password_is_shown_without_it(
    knockout: Knockout, finished: Path, tmp_path: Path
):
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    (out / "commands.txt").write_text(f"knockout run x.yaml --tracking-uri http://me:{SECRET}@host\n")
    assert knockout("report", out).code == 0
    page = (out / "report" / "report.html").read_text()
    assert SECRET not in page and "http://***@host" in page
