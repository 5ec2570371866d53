"""Workers that run cells: processes of this machine that own a lane each, or a cluster (:mod:`study.run.cluster`)."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from multiprocessing.util import Finalize
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import psutil
from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import TerminatedWorkerError

from study.spec.cell import Cell
from study.spec.machine import Lane
from study.train.cell import CellResult

if TYPE_CHECKING:
    from study.run.cluster import DaskWorkers

Work = Callable[[Cell, Lane], CellResult]
Workers: TypeAlias = "LocalWorkers | DaskWorkers"

SLOTS = "knockout-lanes-"  # and the driver's process: a folder in which workers take their lanes
_LANE: Lane | None = None  # set in each worker by _start_worker


class LocalWorkers:
    """One process per lane on this machine; what they do with a cell must be importable there."""

    broken = (BrokenProcessPool, TerminatedWorkerError)  # what a future raises when its worker died

    def __init__(self, lanes: Sequence[Lane], work: Work) -> None:
        self.lanes, self.work = tuple(lanes), work

    @property
    def alone(self) -> LocalWorkers:
        """One worker, with the first lane's threads: the same arithmetic, and the device to itself."""
        return LocalWorkers(self.lanes[:1], self.work)

    def __enter__(self) -> LocalWorkers:
        """Start the processes; they end with this one, however it ends."""
        threads = str(self.lanes[0].threads)
        env = {
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            "OMP_WAIT_POLICY": "passive",  # two spinning pools on two cores cost up to 32 times the time
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        # a worker whose memory has grown is replaced: nothing that a user could act on
        warnings.filterwarnings("ignore", "A worker stopped while some jobs", module="joblib.externals.loky")
        with ExitStack() as stack:
            _sweep_slots()
            folder = tempfile.TemporaryDirectory(prefix=f"{SLOTS}{os.getpid()}-", ignore_cleanup_errors=True)
            arguments = (self.lanes, stack.enter_context(folder), os.getpid())
            executor = ProcessPoolExecutor(len(self.lanes), initializer=_start_worker, initargs=arguments, env=env)
            self._executor = stack.enter_context(executor)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        """Wait for the processes to end."""
        self._stack.close()

    def submit(self, cell: Cell) -> Future[CellResult]:
        """Send a cell to a free process."""
        return self._executor.submit(_work_on_lane, self.work, cell)

    def kill(self) -> None:
        """End the processes now.

        It waits until they are gone: ``__exit__`` shuts down once more, and would take the order back from a thread of
        loky that has not come to it.
        """
        self._executor.shutdown(wait=True, kill_workers=True)


def _sweep_slots() -> None:
    """Remove the folders of drivers that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{SLOTS}*-*"):
        pid = folder.name.removeprefix(SLOTS).partition("-")[0]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _start_worker(lanes: tuple[Lane, ...], slots: str, driver: int) -> None:
    """Take a free lane; leave Ctrl-C to the driver; end when the driver is gone."""
    global _LANE
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(driver,), daemon=True).start()
    _LANE = lanes[_take_slot(Path(slots), len(lanes))]


def _take_slot(slots: Path, n: int) -> int:
    for index in range(n):
        try:
            os.close(os.open(slots / str(index), os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            continue
        # loky replaces a worker whose memory has grown; its successor must find the lane free
        Finalize(None, (slots / str(index)).unlink, kwargs={"missing_ok": True}, exitpriority=0)
        return index
    raise RuntimeError(f"a worker was started beyond the {n} lanes")


def _end_with(driver: int) -> None:
    while os.getppid() == driver:
        time.sleep(1.0)
    os._exit(1)


def _work_on_lane(work: Work, cell: Cell) -> CellResult:
    if _LANE is None:
        raise RuntimeError("a worker was started without a lane")
    return work(cell, _LANE)
