"""Writes files so that readers, and whoever comes after a kill, see all of one or nothing of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from components.core.errors import KnockoutError

__all__ = ["write_arrays", "write_atomically"]


def write_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """Write a file under a temporary name in its folder, then rename it: readers see all of it or nothing.

    Raises
    ------
    KnockoutError
        If the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:  # a full disk, most of all
        raise KnockoutError(f"the file cannot be written: {error.strerror or error}.", where=str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays as one ``.npz``, which is read without running code.

    Raises
    ------
    KnockoutError
        If the file cannot be written.
    """

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:  # given a path, numpy would append a suffix of its own
            np.savez(file, allow_pickle=False, **arrays)

    write_atomically(path, write)
