"""Writes files so that readers, and whoever comes after a kill or a power cut, see all of one or nothing of it."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from components.core.errors import KnockoutError, unwritable

if TYPE_CHECKING:
    import pyarrow


class UnwritableError(KnockoutError):
    """A file that cannot be written where it must stand."""


def write_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """Write a file under a temporary name in its folder, then rename it; file and folder are synced to disk.

    Raises
    ------
    UnwritableError
        If the file cannot be written.
    """
    with _temporary(path, write) as temporary:
        temporary.replace(path)


def write_first(path: Path, write: Callable[[Path], Any]) -> bool:
    """Write a file unless there is one: of several writers the first wins. Return whether this call did."""
    if path.exists():
        return False
    with _temporary(path, write) as temporary:
        try:
            os.link(temporary, path)  # unlike a rename, fails where somebody was faster
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links
            if path.exists():
                return False
            temporary.replace(path)
    return True


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text; see :func:`write_atomically`."""
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays as one ``.npz``, which is read without running code; see :func:`write_atomically`."""

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:  # given a path, numpy would append a suffix of its own
            np.savez(file, allow_pickle=False, **arrays)

    write_atomically(path, write)


def write_columns(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """Write named columns ``[rows]``, numbers or text, as parquet; see :func:`write_atomically`."""
    from pyarrow import parquet, table  # not at first: what reads records alone answers at once

    content = table({name: _arrow(column) for name, column in columns.items()})
    write_atomically(path, lambda temporary: parquet.write_table(content, temporary))


def _arrow(column: np.ndarray) -> pyarrow.Array:
    """Return a column from its bytes: given the array, pyarrow would import pandas, .2 s and 40 MB of each worker."""
    import pyarrow

    if column.dtype.kind not in "iufU" or not column.dtype.isnative or column.ndim != 1:
        raise TypeError(f"a column holds numbers or text, [rows]; got {column.dtype}, {list(column.shape)}")
    if column.dtype.kind != "U":
        values = pyarrow.py_buffer(np.ascontiguousarray(column))
        return pyarrow.Array.from_buffers(pyarrow.from_numpy_dtype(column.dtype), len(column), [None, values])
    texts = [text.encode() for text in column.tolist()]
    ends = np.cumsum([0, *map(len, texts)])
    buffers = [None, pyarrow.py_buffer(ends), pyarrow.py_buffer(b"".join(texts))]
    return pyarrow.Array.from_buffers(pyarrow.large_string(), len(texts), buffers)


def set_aside(path: Path, *beside: Path) -> Path:
    """Rename a file or folder that cannot be read, and what there is beside it; return its new name."""
    number = next(n for n in itertools.count(1) if not _aside(path, n).exists())
    path.rename(_aside(path, number))
    for other in beside:
        with suppress(FileNotFoundError):
            other.rename(_aside(other, number))
    return _aside(path, number)


def _aside(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.unreadable-{number}")


@contextmanager
def _temporary(path: Path, write: Callable[[Path], Any]) -> Iterator[Path]:
    """Yield a complete temporary file beside ``path``; sync the folder once the caller has put it in place."""
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.{os.getpid()}.", suffix=".tmp")
        os.close(handle)
        temporary = Path(name)
        write(temporary)
        temporary.chmod(0o644)
        _sync(temporary)
        yield temporary
        with suppress(OSError):  # not every system can open a folder
            _sync(path.parent)
    except OSError as error:  # a full disk, most of all
        raise UnwritableError(f"the file cannot be written: {unwritable(error, path)}.", where=str(path)) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
