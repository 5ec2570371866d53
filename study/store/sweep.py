"""Removes what killed runs left in an output folder: files they were writing, and checkpoints of finished cells."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

import psutil

from study.spec.folder import OutFolder
from study.store.drivers import read_drivers

YOUNG_S = 2.0  # a file this young may be another process's, which has not registered as a driver yet
TEMPORARY = re.compile(r"\..+\.(\d+)\..+\.tmp")  # as study.spec.files names them, with the writer's process
STAGES = (".mlflow-*", "report/.report-*", "search/report/.report-*")  # folders in which something was put together


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
