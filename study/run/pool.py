"""Sends cells to workers, in order; a worker that dies costs the cell it had, and nothing else."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path

from study.run.rescored import Rescorer
from study.run.workers import Workers
from study.spec.cell import Cell
from study.spec.machine import Lane
from study.spec.records import CellRecord, Status
from study.store.claims import Claims
from study.store.ledger import Ledger
from study.train.cell import CellResult, failed, run_cell
from study.train.stages.shared import stage_group

Take = Callable[[], Cell | None]
Recorded = tuple[Cell, CellRecord]


class Queue:
    """Gives cells one by one, in order; one whose graph stage is being trained lets others go first.

    Arms that share a pre-trained graph stage stand side by side in a plan. Started together, all but one would wait.
    """

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._waiting = list(cells)
        self._groups: dict[str, str] = {}  # by arm
        self._busy: set[str] = set()  # stages that are being trained
        self._trained: set[str] = set()

    def take(self) -> Cell | None:
        """Return the next cell, None when all are given."""
        if not self._waiting:
            return None
        free = (place for place, cell in enumerate(self._waiting) if self._stage(cell) not in self._busy)
        cell = self._waiting.pop(next(free, 0))
        stage = self._stage(cell)
        if stage and stage not in self._trained:
            self._busy.add(stage)
        return cell

    def ended(self, cell: Cell) -> None:
        """Mark the graph stage of a cell that has ended as trained."""
        stage = self._stage(cell)
        if stage:
            self._trained.add(stage)
            self._busy.discard(stage)

    def _stage(self, cell: Cell) -> str:
        if cell.arm.digest not in self._groups:
            self._groups[cell.arm.digest] = stage_group(cell.arm, cell.budget)
        group = self._groups[cell.arm.digest]
        return f"{group} {cell.dataset.path or cell.dataset.model_dump_json()} {cell.repeat}" if group else ""


class Pool:
    """Runs cells and records each once, whoever else works on the same folder.

    ``on_stop`` is called once, outside of any signal handler, when ``stopping`` is set.
    """

    def __init__(self, workers: Workers, out: Path, on_stop: Callable[[], None] = lambda: None) -> None:
        self.workers = workers
        self.ledger, self.claims = Ledger(out), Claims(out)
        self.rescorer = Rescorer(self.ledger)
        self.stopping = threading.Event()  # once it is set, no more cells are started; those in flight are finished
        self.on_stop: Callable[[], None] | None = on_stop
        self._announcing = threading.Lock()
        self._elsewhere: dict[str, Cell] = {}  # cells that another driver trains

    def run(
        self,
        take: Take,
        started: Callable[[Cell], None] = lambda cell: None,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> Iterator[Recorded]:
        """Yield each cell with its record as it ends.

        Parameters
        ----------
        take
            Returns the next cell, or None while there is none; called again after every result, since a search
            proposes what is next from the outcome of the last. The pool ends when no cell is in flight and none is
            returned.
        started
            Called with every cell that is sent to a worker.
        meanwhile
            Called when every lane has a cell or none is left, before any is waited for: for what no lane need wait for.

        Notes
        -----
        A cell that runs out of memory, and those in flight when a worker is killed, are run once more, alone:
        so the one that does it is known for certain, and is recorded as ``oom`` or ``killed``.
        """
        with self.claims:
            while True:
                again: list[Cell] = []
                yield from self._run(self.workers, take, again, started, meanwhile)
                for cell in again:
                    if not self.stopping.is_set():
                        yield cell, self._run_alone(cell, started)
                if self.stopping.is_set() or not again:
                    break
            self.announce_stop()

    def _run(
        self,
        workers: Workers,
        take: Take,
        again: list[Cell],
        started: Callable[[Cell], None],
        meanwhile: Callable[[], None],
    ) -> Iterator[Recorded]:
        in_flight: dict[Future[CellResult], Cell] = {}
        with workers:
            while True:
                try:
                    self.announce_stop()
                    self.claims.work_on(workers.lanes)
                    recorded: list[Recorded] = []
                    while len(in_flight) < len(workers.lanes) and (cell := self._next(take, recorded)):
                        try:
                            in_flight[workers.submit(cell)] = cell
                        except workers.broken:  # a death since the last wait shows here: the cell was never sent
                            again.append(cell)
                            raise
                        started(cell)
                    yield from recorded
                    if not recorded:
                        meanwhile()
                    if not (in_flight or recorded or (self._elsewhere and not self.stopping.is_set())):
                        return
                    yield from self._finished(in_flight, again, pause=not recorded)
                except workers.broken:
                    yield from self._salvage(in_flight, again)
                    return
                except (KeyboardInterrupt, GeneratorExit):  # the second Ctrl-C, here or in who asked: wait no more
                    workers.kill()
                    raise

    def _next(self, take: Take, recorded: list[Recorded]) -> Cell | None:
        """Return a cell without a record that no other driver trains; add one that has a record to ``recorded``."""
        if self.stopping.is_set():
            return None
        for cell in itertools.chain(list(self._elsewhere.values()), iter(take, None)):
            self._elsewhere.pop(cell.digest, None)
            ours = self.claims.take(cell.digest, cell.label)
            record = self.ledger.read(cell.digest)  # after the claim: its last owner recorded before letting go
            if record is None and ours:
                record = self.rescorer.record(cell)
            if record is None and ours:
                return cell
            if record is not None:
                if ours:
                    self.claims.release(cell.digest)
                recorded.append((cell, record))
                return None  # its outcome is reported before the next cell is taken
            self._elsewhere[cell.digest] = cell
        return None

    def _finished(
        self, in_flight: dict[Future[CellResult], Cell], again: list[Cell], *, pause: bool
    ) -> Iterator[Recorded]:
        if not in_flight and pause:  # all that is left is trained by another driver
            self.stopping.wait(0.5)
            return
        for future in wait(in_flight, timeout=0.5 if pause else 0, return_when=FIRST_COMPLETED).done:
            result, cell = future.result(), in_flight.pop(future)
            if result.record.status is Status.OOM:
                again.append(cell)
            else:
                yield cell, self._keep(result)

    def _keep(self, result: CellResult) -> CellRecord:
        """Record a result unless somebody has, and release the claim; return the record that stays."""
        record, cell = result.record, result.record.cell
        if not self.ledger.write(record, result.predictions, result.embeddings, result.traceback):
            record = self.ledger.read(cell) or record
        self.claims.release(cell)
        return record

    def _salvage(self, in_flight: dict[Future[CellResult], Cell], again: list[Cell]) -> Iterator[Recorded]:
        """Yield what was recorded before the workers broke; the rest is run again, alone."""
        for cell in in_flight.values():
            record = self.ledger.read(cell.digest)
            if record is not None:
                self.claims.release(cell.digest)
                yield cell, record
            else:
                again.append(cell)

    def _run_alone(self, cell: Cell, started: Callable[[Cell], None]) -> CellRecord:
        with self.workers.alone as worker:
            device = worker.lanes[0].device
            try:
                ended = worker.submit(cell)
                started(cell)
                while not wait([ended], timeout=0.5).done:
                    self.announce_stop()
                return self._keep(ended.result())
            except worker.broken:
                reason = "the worker process was killed with no other cell beside it"
            except KeyboardInterrupt:
                worker.kill()
                raise
        return self._keep(failed(cell, Status.KILLED, reason, device))

    def announce_stop(self) -> None:
        """Call ``on_stop`` if the pool is to stop; once, from whatever thread."""
        with self._announcing:
            if self.stopping.is_set() and self.on_stop is not None:
                on_stop, self.on_stop = self.on_stop, None
                on_stop()


def run_and_record(out: Path, cell: Cell, lane: Lane, timeout_s: float | None = None) -> CellResult:
    """Run a cell in a worker that sees the study's folder, and record it there: a dying driver loses nothing.

    A cell that ran out of memory is not recorded: it may have been its neighbours' fault.
    """
    result = run_cell(cell, lane, out, timeout_s=timeout_s)
    if result.record.status is not Status.OOM:
        Ledger(out).write(result.record, result.predictions, result.embeddings, result.traceback)
    return CellResult(result.record)  # the driver needs no arrays, which are saved
