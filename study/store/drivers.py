"""Drivers: the processes that run studies in an output folder, and whether they live.

``OUT/claims/drivers/<id>.json`` says who a driver is; the time of its last change is the driver's heartbeat.
"""

from __future__ import annotations

import json
import os
import platform
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import psutil
from pydantic import TypeAdapter

from components.core.errors import KnockoutError
from study.spec.files import write_atomically
from study.spec.machine import Lane, describe

__all__ = ["TIMEOUT_S", "Driver", "driver_file", "read_driver", "read_drivers", "read_timed"]

TIMEOUT_S = 120.0
SAME_PROCESS_S = 5.0  # no process identifier is given anew so soon; boot times are rounded to seconds

T = TypeVar("T")


@dataclass(frozen=True)
class Driver:
    """A process that runs, or ran, a study in an output folder.

    Attributes
    ----------
    id
        Name of its file.
    host, pid
        Where it runs.
    machine, created
        Boot and process namespace that ``pid`` belongs to, and when the process began, in seconds after boot: a later
        process may get the same number.
    started
        When it registered, by its own clock.
    lanes, workers
        What it works on, in words, and how many cells that is at a time.
    silent
        Seconds since its last heartbeat.
    """

    id: str
    host: str
    pid: int
    machine: str
    created: float
    started: float
    lanes: str
    workers: int
    silent: float = 0.0

    @classmethod
    def here(cls, name: str, started: float, lanes: Sequence[Lane]) -> Driver:
        """Describe this process."""
        created = _created(psutil.Process())
        lanes_said = describe(tuple(lanes))
        return cls(name, platform.node(), os.getpid(), _machine(), created, started, lanes_said, len(lanes))

    @property
    def alive(self) -> bool:
        """Whether it is neither seen dead nor silent for too long."""
        return self.silent <= TIMEOUT_S and not self._seen_dead()

    def write(self, path: Path) -> None:
        """Write its file, which counts as a heartbeat."""
        text = json.dumps(asdict(self))
        write_atomically(path, lambda temporary: temporary.write_text(text))

    def _seen_dead(self) -> bool:
        if self.machine != _machine():
            return False
        try:
            process = psutil.Process(self.pid)
            reused = abs(_created(process) - self.created) > SAME_PROCESS_S
            return reused or process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True
        except psutil.Error:
            return False


_DRIVER = TypeAdapter(Driver)


def driver_file(claims: Path, name: str) -> Path:
    """Return where a driver says who it is."""
    return claims / "drivers" / f"{name}.json"


def read_driver(path: Path, now: float, awake: float = float("-inf")) -> Driver | None:
    """Return the driver of a file; its silence is counted from ``awake`` on at the earliest."""
    return read_timed(path, _DRIVER, lambda beat: {"silent": max(0.0, now - max(beat, awake))})


def read_drivers(out: Path) -> list[Driver]:
    """Return who is registered in a folder, living or dead; writes nothing, so that anybody may ask.

    Without a file of one's own on the file system, drivers on other machines are judged by this machine's clock.
    """
    now, files = time.time(), sorted(driver_file(out / "claims", "*").parent.glob("*.json"))
    return [found for file in files if (found := read_driver(file, now)) is not None]


def read_timed(path: Path, kind: TypeAdapter[T], timed: Callable[[float], dict[str, float]]) -> T | None:
    """Return what a file holds and what its time of change says; None if it is gone or damaged.

    Raises
    ------
    KnockoutError
        If the file is there and cannot be read.
    """
    try:
        with path.open() as file:  # opened before it is asked for its time: NFS caches the times of closed files
            return kind.validate_python({**json.load(file), **timed(os.fstat(file.fileno()).st_mtime)})
    except (FileNotFoundError, ValueError, TypeError):
        return None
    except OSError as error:
        raise KnockoutError(f"the file cannot be read: {error.strerror or error}.", where=str(path)) from None


@cache
def _machine() -> str:
    """Name the boot and the namespace in which a process identifier means one process."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115
    return f"{platform.node()} {uuid.getnode():x}"


def _created(process: psutil.Process) -> float:
    """Return when a process began, in seconds after boot: a clock that is set changes nothing about it."""
    return process.create_time() - psutil.boot_time()
