"""What a cell takes of the machine: a limit of its time, its peak of memory; what a part raises is contained."""

from __future__ import annotations

import ctypes
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import torch

AGAIN_S = 2.0  # until it is raised again: an exception that falls into a finalizer is lost
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
GRACE_S = 60.0  # for a part that is not in Python code, where no exception reaches it


class CellTimeoutError(BaseException):
    """A cell took longer than it may; no ``except Exception`` of a part holds it up."""


@contextmanager
def contained() -> Iterator[None]:
    """Suppress whatever a part raises, ``SystemExit`` too, but not the user's Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException:
        pass


@contextmanager
def time_limit(seconds: float | None, *, kill: bool = True) -> Iterator[None]:
    """Raise :class:`CellTimeoutError` in this thread if the body takes longer; None is no limit.

    With ``kill``, a body that does not return to Python within another minute takes its process with it.
    """
    if seconds is None:
        yield
        return
    ended, reached = threading.Event(), threading.Event()
    threading.Thread(target=_watch, args=(threading.get_ident(), seconds, ended, reached, kill), daemon=True).start()
    try:
        yield
    except (CellTimeoutError, KeyboardInterrupt):
        raise
    except BaseException as error:  # what the limit interrupted may have made another error of it
        if reached.is_set():
            raise CellTimeoutError from error
        raise
    finally:
        ended.set()


def _watch(thread: int, seconds: float, ended: threading.Event, reached: threading.Event, kill: bool) -> None:
    if ended.wait(seconds):
        return
    reached.set()
    last = time.monotonic() + GRACE_S
    while time.monotonic() < last:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(CellTimeoutError))
        if ended.wait(AGAIN_S):
            return
    if kill:
        os._exit(1)


def reset_peak(device: str) -> None:
    """Begin to measure the peak of memory: an earlier cell of the same worker does not count."""
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with suppress(OSError):
            CLEAR.write_text("5")


def peak_mb(device: str) -> float:
    """Return the peak of memory since :func:`reset_peak`, in megabytes (2^20 bytes).

    On a GPU: of what torch allocated. On Linux: the process's peak resident memory, whose mark the kernel resets on
    request. Elsewhere: resident memory now.
    """
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device) / 2**20
    with suppress(OSError):
        if peak := re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text()):
            return int(peak[1]) / 1024
    return float(psutil.Process().memory_info().rss) / 2**20
