"""Large expression on disk: written once as float32, and mapped by every process that reads it.

The driver and each worker would hold 8 GB of their own for 20,000 genes in 100,000 cells; a mapped file is in memory
once, and leaves it when something else needs the room.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pooch

from components.core.dataset import Floats

LARGE = 2**30  # bytes of dense float32 from which on expression is mapped
CHUNK = 2**27  # bytes that are written at once
KEPT_DAYS = 30  # since a file was last used
VERSION = 1  # of the file, and of the checks that its values have passed


class MappedExpression:
    """Where the dense expression ``[genes, cells]`` of a file lies on disk, in the user's cache folder.

    A file that was changed since has another place. What lies here was checked before it was written.
    """

    def __init__(self, source: Path) -> None:
        self.source = source

    @cached_property
    def path(self) -> Path:
        """The place, which size and time of the file decide."""
        stat = self.source.stat()
        known = f"{self.source.resolve()}|{stat.st_size}|{stat.st_mtime_ns}|{VERSION}"
        return Path(pooch.os_cache("knockout"), "expression", hashlib.sha256(known.encode()).hexdigest() + ".npy")

    def read(self) -> Floats | None:
        """Return the expression as a mapped array, which may be written into without changing the file; else None."""
        with suppress(OSError, ValueError):  # none there, or one cut short
            expression: Floats = np.load(self.path, mmap_mode="c")
            os.utime(self.path)
            return expression
        return None

    def write(self, matrix: Any) -> Floats | None:
        """Write a matrix ``[genes, cells]``, sparse in rows or dense, and return it mapped; None where no room is."""
        genes, cells = matrix.shape
        part = self.path.with_suffix(f".{os.getpid()}.part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._remove_unused()
            if shutil.disk_usage(self.path.parent).free < 1.1 * 4 * genes * cells:
                return None
            mapped = np.lib.format.open_memmap(part, mode="w+", dtype=np.float32, shape=(genes, cells))
            step = max(CHUNK // (4 * cells), 1)
            for start in range(0, genes, step):
                rows = matrix[start : start + step]
                mapped[start : start + step] = rows.toarray() if hasattr(rows, "toarray") else rows
            mapped.flush()
            del mapped
            part.replace(self.path)
        except OSError:  # a home that cannot be written: every process holds its own
            with suppress(OSError):
                part.unlink(missing_ok=True)
            return None
        return self.read()

    def _remove_unused(self) -> None:
        for other in self.path.parent.iterdir():
            with suppress(OSError):
                if time.time() - other.stat().st_mtime > KEPT_DAYS * 86400:
                    other.unlink()
