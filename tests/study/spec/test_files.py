"""Files are whole or absent, for readers and after a power cut; of several writers the first wins."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from components.core.errors import KnockoutError
from study.spec import files
from study.spec.files import write_arrays, write_atomically, write_columns, write_first

WRITERS: list[Callable[..., Any]] = [write_atomically, write_first]


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def half(temporary: Path) -> None:
    temporary.write_text("half of it")
    raise ValueError("no more")


def full(temporary: Path) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("write", WRITERS)
def test_a_write_that_fails_leaves_nothing(tmp_path: Path, write: Callable[..., Any]):
    with pytest.raises(ValueError, match="no more"):
        write(tmp_path / "file", half)
    with pytest.raises(KnockoutError, match="No space left on device") as refused:
        write(tmp_path / "folder" / "file", full)
    assert refused.value.where == str(tmp_path / "folder" / "file")
    assert names(tmp_path) == []


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path):
    (tmp_path / "file").write_text("before")
    with pytest.raises(ValueError, match="no more"):
        write_atomically(tmp_path / "file", half)
    assert (tmp_path / "file").read_text() == "before" and names(tmp_path) == ["file"]


@pytest.mark.parametrize("write", WRITERS)
def test_a_disk_that_does_not_sync_is_reported_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[..., Any]
):
    def broken(handle: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(KnockoutError, match="Input/output error"):
        write(tmp_path / "file", lambda temporary: temporary.write_text("all of it"))
    assert names(tmp_path) == []


@pytest.mark.parametrize("write", WRITERS)
def test_the_file_is_synced_before_it_has_its_name_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[..., Any]
):
    synced: list[tuple[str, bool]] = []
    path = tmp_path / "folder" / "file"

    def note(handle: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
        if kind == "file":
            assert os.pread(handle, 99, 0) == b"all of it"
        else:
            assert os.path.samestat(os.fstat(handle), path.parent.stat())
        synced.append((kind, path.exists()))

    monkeypatch.setattr(os, "fsync", note)
    write(path, lambda temporary: temporary.write_text("all of it"))
    assert synced == [("file", False), ("folder", True)]
    assert path.read_text() == "all of it" and names(tmp_path) == ["folder/file"]


def test_the_first_of_two_writes_wins(tmp_path: Path):
    path = tmp_path / "file"
    assert write_first(path, lambda temporary: temporary.write_text("first"))
    assert not write_first(path, lambda temporary: temporary.write_text("second"))
    assert path.read_text() == "first"


def race(path: Path, writers: int = 8) -> list[str]:
    """Let threads write a file at once, each after having seen that it is not there; return the winners."""
    ready, won = threading.Barrier(writers), list[str]()

    def write(who: str) -> None:
        def put(temporary: Path) -> None:
            temporary.write_text(who)
            ready.wait(60)

        if write_first(path, put):
            won.append(who)

    threads = [threading.Thread(target=write, args=(str(number),)) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return won


def test_of_many_writers_at_once_one_is_the_winner(tmp_path: Path):
    won = race(tmp_path / "file")
    assert won == [(tmp_path / "file").read_text()] and names(tmp_path) == ["file"]


def test_a_file_system_without_hard_links_is_written_to_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def none(*given: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(files.os, "link", none)
    assert write_first(tmp_path / "file", lambda temporary: temporary.write_text("first"))
    assert not write_first(tmp_path / "file", lambda temporary: temporary.write_text("second"))
    assert (tmp_path / "file").read_text() == "first" and names(tmp_path) == ["file"]


def test_arrays_are_read_back_under_their_names(tmp_path: Path):
    write_arrays(tmp_path / "file.npz", {"genes": np.array(["A", "NA"]), "rows": np.arange(3)})
    with np.load(tmp_path / "file.npz", allow_pickle=False) as arrays:
        assert arrays["genes"].tolist() == ["A", "NA"] and arrays["rows"].tolist() == [0, 1, 2]
    assert names(tmp_path) == ["file.npz"]


def test_columns_are_stored_as_they_are(tmp_path: Path):
    columns = {
        "tf": np.array(["NA", "Ärger-1", ""]),
        "label": np.array([0, 1, 0], dtype=np.int8),
        "score": np.array([0.1, -np.inf, np.nan], dtype=np.float64),
        "single": np.arange(6, dtype=np.float32)[::2],  # every other one: its bytes do not lie side by side
    }
    write_columns(tmp_path / "a.parquet", columns)
    read = pd.read_parquet(tmp_path / "a.parquet")
    assert [*read] == [*columns]
    for name, column in columns.items():
        assert np.array_equal(read[name].to_numpy(), column, equal_nan=column.dtype.kind == "f")
        assert column.dtype.kind == "U" or read[name].dtype == column.dtype


@pytest.mark.parametrize(
    "column",
    [np.array([True]), np.array(["a"], dtype=object), np.arange(4, dtype=np.dtype("f8").newbyteorder()), np.eye(2)],
)
def test_columns_of_another_type_are_refused(column: np.ndarray, tmp_path: Path):
    with pytest.raises(TypeError, match="numbers or text"):
        write_columns(tmp_path / "a.parquet", {"column": column})


def test_no_columns_no_rows(tmp_path: Path):
    write_columns(tmp_path / "a.parquet", {"tf": np.array([], dtype=str), "score": np.array([])})
    assert pd.read_parquet(tmp_path / "a.parquet").shape == (0, 2)
