"""Locks of an output folder: whoever waits for one in vain is told who holds it."""

from __future__ import annotations

import hashlib
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from components.core.errors import KnockoutError

WAIT_S = 30.0  # whoever holds a lock for longer is suspended, or waits for a store that does not answer


@contextmanager
def hold(file: Path, wait_s: float = WAIT_S, poll_s: float = 0.05) -> Iterator[None]:
    """Hold a lock; its file says by whom.

    Raises
    ------
    KnockoutError
        If another process has held it all the time.
    """
    lock = FileLock(file, timeout=wait_s, poll_interval=poll_s)
    try:
        lock.acquire()
    except Timeout:
        owner = ""
        with suppress(OSError, UnicodeError):
            owner = file.read_text(encoding="utf-8").strip()
        raise KnockoutError(
            f"{owner or 'another process'} has held this lock for {wait_s:.0f} s; is it suspended? Resume or end it.",
            where=str(file),
        ) from None
    try:
        with suppress(OSError):
            file.write_text(f"process {os.getpid()} on {platform.node()}", encoding="utf-8")
        yield
    finally:
        lock.release()


def usable(file: Path) -> Path:
    """Return a lock's file, or one among temporary files where its folder cannot be written."""
    if os.access(file.parent, os.W_OK):
        return file
    return Path(tempfile.gettempdir(), f"knockout-{hashlib.sha256(os.fsencode(file.resolve())).hexdigest()[:16]}.lock")
