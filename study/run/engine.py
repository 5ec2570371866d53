"""Runs a planned study: what is missing goes to the pool, what ends goes to MLflow and into the table."""

from __future__ import annotations

import functools
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Protocol

from components.core.errors import KnockoutError
from study.plan.plan import Plan, results_of
from study.plan.silent import refuse_silent_arms
from study.plan.time_left import costs_of, key_of
from study.run.packing import size_lanes
from study.run.pool import Pool, Take, run_and_record
from study.run.queue import Queue
from study.run.workers import LocalWorkers, Workers
from study.store.ledger import Ledger
from study.store.mlflow import Tracker
from study.store.table import write_table
from study.study_file.study import Study
from study.train.cell import Cell, Result

__all__ = ["Listener", "Means", "Outcome", "drive", "make_folder", "make_workers", "run_plan"]


class Listener(Protocol):
    """What is told of a running study: the progress display, or nobody."""

    def planned(self, done: int, missing: int) -> None:
        """Hear how many cells are recorded and how many will be run."""

    def costs(self, finished: Sequence[tuple[str, str, float]], missing: Sequence[tuple[str, str]], lanes: int) -> None:
        """Hear what finished cells took (arm digest, data set, seconds), and which are missing."""

    def started(self, cell: Cell) -> None:
        """Hear that a cell was sent to a worker."""

    def ended(self, cell: Cell, result: Result) -> None:
        """Hear what became of a cell."""

    def said(self, text: str) -> None:
        """Hear a line about the way of a search."""

    def stopping(self) -> None:
        """Hear that the user asked to stop after the cells in flight."""


@dataclass(frozen=True)
class Outcome:
    """What a run left behind.

    Attributes
    ----------
    table
        Path of the tidy table.
    tracking_uri
        Where MLflow holds the runs.
    planned, done, failed
        Number of cells.
    metric
        The study's primary metric.
    """

    table: Path
    tracking_uri: str
    planned: int
    done: int
    failed: int
    metric: str

    @property
    def complete(self) -> bool:
        """Whether every planned cell has a record."""
        return self.done == self.planned


@dataclass(frozen=True)
class Means:
    """With what a study is run, as the command line says it.

    Attributes
    ----------
    tracking_uri
        MLflow store; None for the one in the output folder.
    storage
        Optuna storage of a search; None for a journal file in the output folder.
    cluster
        Address of a Dask scheduler; None for this machine.
    retry_failed
        Whether cells that failed are run again.
    """

    tracking_uri: str | None = None
    storage: str | None = None
    cluster: str | None = None
    retry_failed: bool = False


def run_plan(
    plan: Plan,
    out: Path,
    listener: Listener,
    means: Means = Means(),
) -> Outcome:
    """Run the cells of a plan that the ledger lacks; safe to stop and call again at any time.

    Raises
    ------
    KnockoutError
        If ``out`` cannot be written, or two arms behave alike (see :mod:`study.plan.silent`).
    """
    ledger, tracker = Ledger(out), Tracker(plan.study.name, out, means.tracking_uri)
    again = {cell.digest for cell in plan.failed(ledger)} if means.retry_failed else set()
    recorded = {cell: done for cell, done in results_of(plan.rows, ledger).items() if cell not in again}
    missing = [cell for cell in plan.cells if cell.digest not in recorded]
    listener.planned(len(plan.cells) - len(missing), len(missing))
    if missing:
        refuse_silent_arms(plan.study.arms, plan.study.budget)
    if means.tracking_uri is not None:
        tracker.reach()
    make_folder(out)  # nothing is written, and no record forgotten, before the study is known to be sound
    for digest in again:
        if (failed := ledger.read(digest)) is not None and failed.status != "ok":  # another driver may have been faster
            ledger.forget(digest)
    plan.save(out)
    rows = {row.cell: row for row in plan.rows}
    for digest, result in recorded.items():
        tracker.log(rows[digest], result)
    workers = make_workers(plan.study, missing, out, means.cluster)
    keys = {cell.digest: key_of(cell) for cell in plan.cells}
    listener.costs(costs_of(keys, recorded), [keys[cell.digest] for cell in missing], len(plan.study.lanes))
    queue = Queue(missing)
    for cell, result in drive(queue.take, Pool(workers, out, listener.stopping), listener):
        queue.ended(cell)
        tracker.log(rows[cell.digest], result)
    results = results_of(plan.rows, ledger)
    for digest, result in results.items():  # those of another driver, unless it has logged them
        tracker.log(rows[digest], result)
    tracker.close(plan.rows, results)
    failures = sum(result.status != "ok" for result in results.values())
    table = write_table(plan.rows, results, out)
    return Outcome(table, tracker.uri, len(plan.rows), len(results), failures, plan.study.metric)


def drive(take: Take, pool: Pool, listener: Listener) -> Iterator[tuple[Cell, Result]]:
    """Yield each cell with what came of it, until none is given or the user stops the study."""
    given: dict[str, Cell] = {}

    def take_and_keep() -> Cell | None:
        cell = take()
        if cell is not None:
            given[cell.digest] = cell
        return cell

    with _stopped_by_signal(pool):
        for result in pool.run(take_and_keep, listener.started):
            if result.status != "stopped":
                listener.ended(given[result.cell], result)
                yield given[result.cell], result


def make_workers(study: Study, cells: Sequence[Cell], out: Path, cluster: str | None = None) -> Workers:
    """Return the workers that cells are sent to: processes of this machine, or a Dask cluster."""
    if cluster is not None:
        from study.run.cluster import DaskWorkers, data_paths, work_on_cluster

        return DaskWorkers(cluster, functools.partial(work_on_cluster, out=out.resolve()), data_paths(cells))
    lanes = size_lanes(study.lanes_asked, cells, Ledger(out))
    return LocalWorkers(lanes, functools.partial(run_and_record, out))


@contextmanager
def _stopped_by_signal(pool: Pool) -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM finish what is in flight, the second end it.

    The handler sets a flag and does no more: it may be called in the middle of anything, an import or a print.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if pool.stopping.is_set():
            raise KeyboardInterrupt
        pool.stop()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def make_folder(out: Path) -> None:
    """Make the output folder, or say why it cannot be made."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "ledger").mkdir(exist_ok=True)
    except OSError as error:
        raise KnockoutError(f"the output folder cannot be made: {error.strerror}.", where=str(out)) from None
