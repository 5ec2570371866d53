"""Sends cells to workers that own lanes; a worker that dies costs the cell it had, and nothing else."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.util import Finalize
from pathlib import Path

from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import TerminatedWorkerError

from study.cells import Cell, Result, run_cell
from study.lanes import Lane
from study.ledger import Ledger
from study.versions import versions

__all__ = ["Pool"]

_LANE: Lane | None = None  # set in each worker by _start_worker


class Pool:
    """Runs cells on lanes and writes each to the ledger as it ends.

    Parameters
    ----------
    lanes
        One worker each.
    out
        The study's output folder; workers write the ledger there.
    on_stop
        Called once, outside of any signal handler, when :meth:`stop` was asked for.
    """

    def __init__(self, lanes: Sequence[Lane], out: Path, on_stop: Callable[[], None] = lambda: None) -> None:
        self.lanes = tuple(lanes)
        self.out = out
        self.ledger = Ledger(out)
        self.stopping = threading.Event()
        self.on_stop: Callable[[], None] | None = on_stop

    def stop(self) -> None:
        """Start no more cells; those in flight are finished."""
        self.stopping.set()

    def run(self, cells: Sequence[Cell], started: Callable[[Cell], None] = lambda cell: None) -> Iterator[Result]:
        """Yield the result of each cell as it ends.

        A broken pool (a worker was killed) is started anew. The cells that were in flight are then run one by one,
        so that the one which kills its worker is known for certain; it is recorded as ``killed``.
        """
        waiting = list(cells)
        while waiting and not self.stopping.is_set():
            suspects: list[Cell] = []
            yield from self._run_until_broken(waiting, self.lanes, suspects, started)
            for cell in suspects:
                yield self._run_alone(cell, started)
        self._tell_of_stop()

    def _run_until_broken(
        self,
        waiting: list[Cell],
        lanes: Sequence[Lane],
        suspects: list[Cell],
        started: Callable[[Cell], None],
    ) -> Iterator[Result]:
        flying: dict[Future[Result], Cell] = {}
        with _executor(lanes) as executor:
            while flying or (waiting and not self.stopping.is_set()):
                try:
                    self._tell_of_stop()
                    while waiting and len(flying) < len(lanes) and not self.stopping.is_set():
                        flying[executor.submit(_work, waiting[0], self.out)] = waiting[0]
                        started(waiting.pop(0))
                    for future in wait(flying, timeout=0.5, return_when=FIRST_COMPLETED).done:
                        result = future.result()
                        del flying[future]
                        yield result
                except (BrokenProcessPool, TerminatedWorkerError):
                    yield from self._salvage(flying.values(), suspects)
                    return
                except (KeyboardInterrupt, GeneratorExit):  # the second Ctrl-C, here or in who asked: wait no more
                    executor.shutdown(wait=False, kill_workers=True)
                    raise

    def _tell_of_stop(self) -> None:
        if self.stopping.is_set() and self.on_stop is not None:
            tell, self.on_stop = self.on_stop, None
            tell()

    def _salvage(self, cells: Iterable[Cell], suspects: list[Cell]) -> Iterator[Result]:
        """Take from the ledger what was finished before the pool broke; the rest is suspect."""
        for cell in cells:
            done = self.ledger.read(cell.digest)
            if done is not None:
                yield done
            else:
                suspects.append(cell)

    def _run_alone(self, cell: Cell, started: Callable[[Cell], None]) -> Result:
        suspects: list[Cell] = []
        for result in self._run_until_broken([cell], self.lanes[:1], suspects, started):
            return result
        if not suspects:  # the user stopped the study before it began
            return Result(cell.digest, status="stopped")
        reason = "the worker process was killed twice, the second time with no other cell beside it"
        result = Result(cell.digest, status="killed", reason=reason, device=self.lanes[0].device, versions=versions())
        self.ledger.write(result)
        return result


@contextmanager
def _executor(lanes: Sequence[Lane]) -> Iterator[ProcessPoolExecutor]:
    env = {
        "OMP_NUM_THREADS": str(lanes[0].threads),
        "MKL_NUM_THREADS": str(lanes[0].threads),
        "OMP_WAIT_POLICY": "passive",  # two spinning pools on two cores cost up to 32 times the time
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with tempfile.TemporaryDirectory(prefix="knockout-lanes-", ignore_cleanup_errors=True) as slots:
        arguments = (tuple(lanes), slots, os.getpid())
        with ProcessPoolExecutor(len(lanes), initializer=_start_worker, initargs=arguments, env=env) as executor:
            yield executor


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


def _work(cell: Cell, out: Path) -> Result:
    if _LANE is None:
        raise RuntimeError("a worker was started without a lane")
    ledger = Ledger(out)
    done = ledger.read(cell.digest)  # another driver on the same folder may have been faster
    if done is None:
        done = run_cell(cell, _LANE)
        ledger.write(done)
    done.predictions = None
    return done
