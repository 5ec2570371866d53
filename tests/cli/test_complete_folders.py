"""Commands on folders whose work is done already, and on folders with damaged or misplaced files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from reports.build import Written
from study.actions import report as reporting
from study.spec.folder import OutFolder

Knockout = Callable[..., Any]
Copy = Callable[[str], tuple[Path, Path]]


@pytest.fixture
def copy(request: pytest.FixtureRequest, tmp_path: Path) -> Copy:
    """Copy a finished folder, given by its fixture; return its study file and the copy."""

    def make(name: str) -> tuple[Path, Path]:
        folder = request.getfixturevalue(name)
        return folder.parent / "tiny.yaml", Path(shutil.copytree(folder, tmp_path / "out"))

    return make


def leave_reports_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports take longer than all else; call it when the folder is there, which others share, with its report."""
    for name in ("report_run", "report_search"):
        monkeypatch.setattr(reporting, name, lambda *arguments, **more: None)


@pytest.mark.parametrize(
    "name", ["finished", "finished_search", pytest.param("finished_tuning", marks=pytest.mark.slow)]
)
def test_a_complete_study_needs_no_scheduler(
    knockout: Knockout, copy: Copy, monkeypatch: pytest.MonkeyPatch, name: str
):
    file, out = copy(name)
    leave_reports_out(monkeypatch)
    completed = knockout("run", file, "--out", out, "--cluster", "dask://127.0.0.1:9")
    assert (completed.code, completed.err) == (0, "")


@pytest.mark.parametrize("folder", ["tiny", "out", "."])
def test_plan_without_out_reads_no_folder(
    knockout: Knockout, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
):
    shutil.copytree(finished, tmp_path / folder, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    file = finished.parent / "tiny.yaml"
    assert "6 cells, 0 done" in knockout("plan", file, "--no-cost").out
    assert "6 cells, 6 done" in knockout("plan", file, "--no-cost", "--out", folder).out


JOURNALS: dict[str, Callable[[Path], Any]] = {
    "cut": lambda file: file.write_bytes(file.read_bytes()[:-200]),
    "scribbled on": lambda file: file.write_text("no journal\n" + file.read_text()),
    "binary": lambda file: file.write_bytes(b"\xff\xfe\x00\x81\n" * 9),
    "a folder": lambda file: (file.unlink(), file.mkdir()),
}


@pytest.mark.parametrize("how", JOURNALS)
def test_a_damaged_journal_is_set_aside_and_made_anew(
    knockout: Knockout, copy: Copy, monkeypatch: pytest.MonkeyPatch, how: str
):
    file, out = copy("finished_search")
    leave_reports_out(monkeypatch)
    folder = OutFolder(out).search
    before = params(folder.journal)
    JOURNALS[how](folder.journal)
    completed = knockout("run", file, "--out", out)
    assert (completed.code, completed.err) == (0, "") and params(folder.journal) == before != []
    aside = [path.name for path in folder.root.glob("optuna.log.unreadable*")]
    assert aside in (
        ["optuna.log.unreadable-1"],
        [] if how == "cut" else None,
    )  # Optuna may read a journal that was cut
    assert ("optuna.log cannot be read" in completed.out) == bool(aside)


def params(journal: Path) -> list[dict[str, Any]]:
    """Return what the trials in a journal of Optuna tried."""
    backend = optuna.storages.journal.JournalFileBackend(str(journal))
    study = optuna.load_study(study_name="tiny", storage=optuna.storages.JournalStorage(backend))
    return [trial.params for trial in study.trials]


FOLDERS = ["plan.json", "commands.txt", "cells.parquet", "studies.json"]


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize(
    "command", ["run {file} --out {out}", "report {out}", "status {out}", "plan {file} --out {out}"]
)
def test_a_folder_in_the_place_of_a_file_is_one_message(
    knockout: Knockout, copy: Copy, monkeypatch: pytest.MonkeyPatch, name: str, command: str
):
    drawn = Written(Path("report.html"), [], {"rows": []})
    monkeypatch.setattr("study.actions.report.write", lambda analysis, out, **more: drawn)
    file, out = copy("finished")
    (out / name).unlink(missing_ok=True)
    (out / name).mkdir()
    (out / name / "mine").touch()
    completed = knockout(*command.format(file=file, out=out).split())
    assert completed.code in (0, 2) and "Traceback" not in completed.err
    assert completed.err.count("\n") == (completed.code == 2)
    if completed.code:
        assert completed.err.startswith("error: ") and str(out / name) in completed.err
    assert (out / name / "mine").exists()


@pytest.mark.parametrize(
    "command",
    [
        "run {file} --out {taken}/out",
        "plan {taken}",
        "plan {absent}/tiny.yaml",
        "plan {folder}",
        "report {folder}/none.csv",
        "report {taken}",
        "report {folder}",
        "status {absent}",
        "status {taken}",
        "track {absent}",
        "data check {absent}",
        "data prepare {folder} --network {absent} --to {taken}/new",
        "compare {folder} {absent} --out {taken}/new",
        "report {table} --out {taken}/new",
    ],
)
def test_a_missing_parent_or_a_file_for_a_folder_is_one_message(
    knockout: Knockout, tmp_path: Path, finished: Path, command: str
):
    paths = {name: tmp_path / name for name in ("taken", "absent", "folder")}
    paths["taken"].write_text("")
    paths["folder"].mkdir()
    before = sorted(tmp_path.rglob("*"))
    names = {**paths, "file": finished.parent / "tiny.yaml", "table": finished / "cells.parquet"}
    completed = knockout(*command.format(**names).split())
    assert completed.code == 2 and completed.err.startswith("error: ") and completed.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
