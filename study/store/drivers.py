"""Drivers: the processes that run studies in an output folder, whether they live, and what killed ones left behind.

A driver's file says who it is; the time of its last change is the driver's heartbeat.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import psutil

from components.core.errors import KnockoutError
from study.spec.folder import OutFolder
from study.spec.machine import Lane, describe
from study.spec.records import DamagedRecordError, DriverRecord, Record, parse_record

TIMEOUT_S = 120.0
SAME_PROCESS_S = 5.0  # no process identifier is given anew so soon; boot times are rounded to seconds
YOUNG_S = 2.0  # a file this young may be another process's, which has not registered as a driver yet
TEMPORARY = re.compile(r"\..+\.(\d+)\..+\.tmp")  # as study.spec.files names them, with the writer's process
STAGES = (".mlflow-*", "report/.report-*", "search/report/.report-*")  # folders in which something was put together

R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Driver:
    """A registered driver."""

    record: DriverRecord  # who it is
    silent: float = 0.0  # seconds since its last heartbeat

    @property
    def alive(self) -> bool:
        """Whether it is neither seen dead nor silent for too long."""
        return self.silent <= TIMEOUT_S and not self._seen_dead()

    def _seen_dead(self) -> bool:
        if self.record.machine != _machine():
            return False
        try:
            process = psutil.Process(self.record.pid)
            reused = abs(_created(process) - self.record.created) > SAME_PROCESS_S
            return reused or process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True
        except psutil.Error:
            return False


def this_driver(name: str, started: float, lanes: Sequence[Lane]) -> DriverRecord:
    """Describe this process as a driver."""
    return DriverRecord(
        id=name,
        host=platform.node(),
        pid=os.getpid(),
        machine=_machine(),
        created=_created(psutil.Process()),
        started=started,
        lanes=describe(tuple(lanes)),
        workers=len(lanes),
    )


def read_driver(path: Path, now: float, awake: float = float("-inf")) -> Driver | None:
    """Return the driver of a file; its silence is counted from ``awake`` on at the earliest."""
    timed = read_timed(path, DriverRecord)
    return None if timed is None else Driver(timed[0], max(0.0, now - max(timed[1], awake)))


def read_drivers(out: Path) -> list[Driver]:
    """Return who is registered in a folder, living or dead; writes nothing, so that anybody may ask.

    Without a file of one's own on the file system, drivers on other machines are judged by this machine's clock.
    """
    now, files = time.time(), sorted(OutFolder(out).drivers.glob("*.json"))
    return [driver for file in files if (driver := read_driver(file, now)) is not None]


def read_timed(path: Path, kind: type[R]) -> tuple[R, float] | None:
    """Return the record in a file and the time of the file's last change; None if it is gone or damaged.

    Raises
    ------
    KnockoutError
        If the file is there and cannot be read.
    """
    try:
        with path.open("rb") as file:  # opened before it is asked for its time: NFS caches the times of closed files
            return parse_record(file.read(), kind, path), os.fstat(file.fileno()).st_mtime
    except (FileNotFoundError, DamagedRecordError):
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


def sweep(out: Path) -> None:
    """Remove what no living process will need, unless another driver works on the folder."""
    folder = OutFolder(out)
    if any(driver.alive for driver in read_drivers(out)):
        return
    for path in out.rglob(".*.tmp"):
        named = TEMPORARY.fullmatch(path.name)
        if named and not psutil.pid_exists(int(named[1])) and _is_old(path):
            path.unlink(missing_ok=True)
    for path in [path for pattern in STAGES for path in out.glob(pattern)]:
        if _is_old(path, 3600.0):  # a report may be written from another terminal
            shutil.rmtree(path, ignore_errors=True)
    shutil.rmtree(folder.scratch, ignore_errors=True)
    for path in folder.checkpoints.glob("*.pt"):
        if folder.record(path.name.partition(".")[0].partition("-")[0]).exists():
            path.unlink(missing_ok=True)


def _is_old(path: Path, seconds: float = YOUNG_S) -> bool:
    try:
        return time.time() - path.stat().st_mtime > seconds
    except OSError:
        return False
