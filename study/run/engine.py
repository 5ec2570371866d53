"""Runs a planned study: what is missing goes to the pool, what ends goes to MLflow and into the table."""

from __future__ import annotations

import functools
import signal
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Protocol

from components.core.errors import KnockoutError, unwritable
from study.plan.code_files import code_files
from study.plan.plan import Plan
from study.plan.silent import refuse_silent_arms
from study.plan.time_left import Costs, Key, key_of
from study.run.lane_sizing import size_lanes
from study.run.pool import Pool, Take, run_and_record
from study.run.queue import Queue
from study.run.workers import LocalWorkers, Workers
from study.spec.cell import Cell
from study.spec.folder import OutFolder
from study.spec.records import CellRecord
from study.store.ledger import Ledger
from study.store.owner import refuse_other_study, write_owner
from study.store.plan_file import write_plan
from study.store.sweep import sweep
from study.store.table import write_table
from study.store.tracking.addresses import serve_command, view_address
from study.store.tracking.tracker import Tracker
from study.study_file.study import Study


class Listener(Protocol):
    """Follows a running study: the progress display, or nobody."""

    def planned(self, done: int, missing: int) -> None:
        """Called before the first cell, with the number of recorded cells and of those that will be run."""

    def costs(self, costs: Costs, missing: Sequence[Key], lanes: int) -> None:
        """Called with what finished cells took, and with the key of each cell that is missing."""

    def started(self, cell: Cell) -> None:
        """Called when a cell was sent to a worker."""

    def ended(self, cell: Cell, record: CellRecord) -> None:
        """Called when a cell has ended."""

    def message(self, text: str) -> None:
        """Called with a line for the user: a trial that ended, a store that does not answer."""

    def stopping(self) -> None:
        """Called when the user asked to stop after the cells in flight."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a run.

    Attributes
    ----------
    table
        Path of the tidy table.
    tracking_uri
        Where MLflow holds the runs, as it may be shown.
    remedy
        How many cells MLflow lacks, and the command that sends them; empty if it has all.
    planned, done, failed
        Number of cells.
    metric
        The study's primary metric.
    view
        Path of MLflow's interface that compares the arms; empty if the store did not answer.
    """

    table: Path
    tracking_uri: str
    planned: int
    done: int
    failed: int
    metric: str
    remedy: str = ""
    view: str = ""

    @property
    def complete(self) -> bool:
        """Whether every planned cell has a record."""
        return self.done == self.planned


@dataclass(frozen=True)
class Means:
    """How a study is run, as the command line names it.

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
    timeout_s
        Seconds that a cell may take; None: any.
    share_cells
        Whether the output folder may belong to another study, whose finished cells count.
    """

    tracking_uri: str | None = None
    storage: str | None = None
    cluster: str | None = None
    retry_failed: bool = False
    share_cells: bool = False
    timeout_s: float | None = None


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
    refuse_other_study(plan.study.name, out, share_cells=means.share_cells)
    ledger, tracker = Ledger(out), Tracker(plan.study.name, out, means.tracking_uri, say=listener.message)
    again = {cell.digest for cell in plan.failed(ledger)} if means.retry_failed else set()
    cells = {cell.digest: cell for cell in plan.cells}
    recorded = {digest: record for digest, record in ledger.read_all(cells).items() if digest not in again}
    missing = [cell for cell in plan.cells if cell.digest not in recorded]
    listener.planned(len(plan.cells) - len(missing), len(missing))
    if missing:
        study = plan.study
        for line in refuse_silent_arms(study.arms, study.budget, tell=study.tells_silent_arms):
            listener.message(line)
    tracker.refuse_unknown()
    # nothing is written, and no record forgotten, before the study is known to be sound
    make_folder(plan.study, out, means)
    forget_failed(again, ledger)
    write_plan(plan.record, out)
    tracker.begin(plan.record)
    if missing and tracker.view:
        serve = serve_command(tracker.address)
        started = f" (after {serve})" if serve else ""
        listener.message(f"live in a browser: {view_address(tracker.address, tracker.view)}{started}")
    for digest, record in recorded.items():
        tracker.log(cells[digest].row, record)
    _run_missing(plan, missing, recorded, out, listener, means, tracker)
    records = ledger.read_all(cells)
    rows = [cell.row for cell in plan.cells]
    tracker.close(rows, records)
    lacking = tracker.lacking(rows, records)
    remedy = f"may lack {lacking} of {len(records)} cells; send what is missing: {tracker.remedy}" if lacking else ""
    failures = sum(not record.ok for record in records.values())
    table = write_table(rows, records, out)
    return Outcome(table, tracker.address, len(rows), len(records), failures, plan.study.metric, remedy, tracker.view)


def _run_missing(
    plan: Plan,
    missing: Sequence[Cell],
    recorded: Mapping[str, CellRecord],
    out: Path,
    listener: Listener,
    means: Means,
    tracker: Tracker,
) -> None:
    """Send the missing cells to workers, in order, and log each as it ends."""
    if not missing:
        return
    workers = make_workers(plan.study, missing, out, means)
    keys = {cell.digest: key_of(cell) for cell in plan.cells}
    listener.costs(Costs.of(keys, recorded), [keys[cell.digest] for cell in missing], len(plan.study.lanes))
    queue, pool = Queue(missing), Pool(workers, out, listener.stopping)
    for cell, record in drive(queue.take, pool, listener):
        queue.ended(cell)
        tracker.log(cell.row, record)
    if rescored := pool.rescorer.recorded:
        listener.message(f"{rescored} of {len(missing)} cells were trained before: metrics computed from stored scores")


def forget_failed(cells: Iterable[str], ledger: Ledger) -> None:
    """Remove the records of failed cells, given by digest, so that they are run again."""
    for digest in cells:
        record = ledger.read(digest)
        if record is not None and not record.ok:  # another driver may have been faster
            ledger.forget(digest)


def drive(take: Take, pool: Pool, listener: Listener) -> Iterator[tuple[Cell, CellRecord]]:
    """Yield each cell with its record as it ends, until none is given or the user stops the study."""
    cells: dict[str, Cell] = {}

    def take_and_keep() -> Cell | None:
        cell = take()
        if cell is not None:
            cells[cell.digest] = cell
        return cell

    with _stopped_by_signal(pool):
        for record in pool.run(take_and_keep, listener.started):
            listener.ended(cells[record.cell], record)
            yield cells[record.cell], record


def make_workers(study: Study, cells: Sequence[Cell], out: Path, means: Means = Means()) -> Workers:
    """Return the workers that cells are sent to: processes of this machine, or a Dask cluster."""
    if means.cluster is not None:
        from study.run.cluster import DaskWorkers, data_paths, work_on_cluster

        work = functools.partial(work_on_cluster, out=out.resolve(), timeout_s=means.timeout_s)
        return DaskWorkers(means.cluster, work, data_paths(cells))
    lanes = size_lanes(study.lanes_asked, cells, Ledger(out))
    return LocalWorkers(lanes, functools.partial(run_and_record, out, timeout_s=means.timeout_s))


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


def make_folder(study: Study, out: Path, means: Means) -> None:
    """Make the output folder of a study, or say why it cannot be made; what the study's file says is written there."""
    refuse_other_study(study.name, out, share_cells=means.share_cells)
    try:
        OutFolder(out).ledger.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = unwritable(error, OutFolder(out).ledger / "a record")
        raise KnockoutError(f"the output folder cannot be made: {why}.", where=str(out)) from None
    sweep(out)
    write_owner(study.name, study.content, code_files(study), out)
