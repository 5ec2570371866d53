"""Read-only folders, such as archives: what only reads works, all else ends with one message."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Knockout = Callable[..., Any]
READS = [
    ("status", "{out}"),
    ("plan", "{study}", "--out", "{out}", "--quick"),
    ("report", "{out}", "--out", "{new}"),
    ("report", "{out}/cells.parquet", "--out", "{new}"),
    ("report", "--mlflow", "sqlite:///{out}/mlflow.db", "--experiment", "tiny", "--out", "{new}"),
    ("compare", "{out}", "{other}", "--out", "{new}"),
    ("bundle", "{out}", "--to", "{new}.zip"),
    ("track", "{out}", "--tracking-uri", "{store}"),
]
WRITES = {
    ("report", "{out}"): r"cells.parquet: the file cannot be written: .* Name another folder with --out\.",
    ("report", "{out}/cells.parquet", "--out", "{out}/new"): r"the report cannot be written here: .* with --out\.",
    ("compare", "{out}", "{other}", "--out", "{out}/new"): r"the report cannot be written here: .* with --out\.",
    ("bundle", "{out}", "--to", "{out}/new.zip"): r"new.zip: the file cannot be written",
    ("track", "{out}", "--tracking-uri", "sqlite:///{out}/mlflow.db"): r"the folder cannot be written",
    ("track", "{out}"): r"the folder cannot be written, .* Name another store with --tracking-uri\.",
    ("run", "{study}", "--out", "{out}"): r"studies.json: the file cannot be written",
    ("plan", "{study}", "--out", "{out}", "--register"): r"registration.yaml: the file cannot be written",
}
FILE_FOR_FOLDER = {
    ("run", "{study}", "--out", "{file}/new"): "error: {file}/new: the output folder cannot be made: {why}",
    ("bundle", "{out}", "--to", "{file}/new.zip"): "error: {file}/new.zip: the file cannot be written: {why}",
    ("plan", "{study}", "--out", "{file}", "--register"): "registration.yaml: the file cannot be written: {why}",
}


@pytest.fixture
def places(finished: Path, empty_store: Path, tmp_path: Path) -> dict[str, Any]:
    out, other = (Path(shutil.copytree(finished, tmp_path / name)) for name in ("out", "other"))
    file = tmp_path / "a file"
    file.touch()
    store = f"sqlite:///{shutil.copy(empty_store, tmp_path / 'new.db')}"
    study = finished.parent / "tiny.yaml"
    return {"out": out, "other": other, "study": study, "new": tmp_path / "new", "file": file, "store": store}


@pytest.fixture
def locked(places: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Make the folder ``out`` read-only; for root, who ignores permissions, by a read-only file system."""
    change, lock, unlock = ("chattr", "+i", "-i") if os.geteuid() == 0 else ("chmod", "a-w", "u+w")
    try:
        if shutil.which(change):
            subprocess.run([change, "-R", lock, places["out"]], capture_output=True, check=False)
        if os.access(places["out"], os.W_OK):
            pytest.skip("this file system has no folder that root cannot write")
        yield places
    finally:
        if shutil.which(change):
            subprocess.run([change, "-R", unlock, places["out"]], capture_output=True, check=False)


def filled_in(words: tuple[str, ...], places: dict[str, Any]) -> list[str]:
    return [word.format(**places) for word in words]


@pytest.mark.parametrize("words", READS, ids=" ".join)
def test_what_only_reads_works_on_a_folder_that_cannot_be_written(
    knockout: Knockout, locked: dict[str, Any], words: tuple[str, ...]
):
    completed = knockout(*filled_in(words, locked))
    assert (completed.code, completed.err) == (0, ""), completed.err


def test_a_report_from_a_folder_that_cannot_be_written_is_the_same(knockout: Knockout, locked: dict[str, Any]):
    tables = []
    for number, out in enumerate((locked["out"], locked["other"])):
        page = locked["new"] / str(number)
        assert knockout("report", out, "--out", page).code == 0
        tables.append({file.name: file.read_bytes() for file in (page / "tables").rglob("*.*")})
    assert tables[0] == tables[1] and len(tables[0]) > 10


@pytest.mark.parametrize("words", WRITES, ids=" ".join)
def test_what_would_write_there_ends_with_one_message(
    knockout: Knockout, locked: dict[str, Any], words: tuple[str, ...]
):
    completed = knockout(*filled_in(words, locked))
    assert completed.code == 2 and completed.err.count("\n") == 1, completed.err
    assert re.search(WRITES[words], completed.err), completed.err


@pytest.mark.parametrize("words", FILE_FOR_FOLDER, ids=" ".join)
def test_a_file_in_the_place_of_a_folder_is_named(knockout: Knockout, places: dict[str, Any], words: tuple[str, ...]):
    completed = knockout(*filled_in(words, places))
    why = f"{places['file']} is a file, and no folder."
    assert completed.code == 2 and FILE_FOR_FOLDER[words].format(file=places["file"], why=why) in completed.err
