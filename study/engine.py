"""Runs a planned study: what is missing goes to the pool, what ends goes to MLflow and into the table."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Protocol

from components.errors import KnockoutError
from study.cells import Cell, Result
from study.ledger import Ledger
from study.plan import Plan, Row, results_of
from study.pool import Pool
from study.probe import refuse_silent_arms
from study.table import write_table
from study.tracking import Tracker

__all__ = ["Listener", "Outcome", "run_plan"]


class Listener(Protocol):
    """What is told of a running study: the progress display, or nobody."""

    def planned(self, done: int, missing: int) -> None:
        """Hear how many cells are recorded and how many will be run."""

    def started(self, cell: Cell) -> None:
        """Hear that a cell was sent to a worker."""

    def ended(self, cell: Cell, result: Result) -> None:
        """Hear what became of a cell."""

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
    """

    table: Path
    tracking_uri: str
    planned: int
    done: int
    failed: int

    @property
    def complete(self) -> bool:
        """Whether every planned cell has a record."""
        return self.done == self.planned


def run_plan(
    plan: Plan, out: Path, listener: Listener, *, tracking_uri: str | None = None, retry_failed: bool = False
) -> Outcome:
    """Run the cells of a plan that the ledger lacks; safe to stop and call again at any time.

    Raises
    ------
    KnockoutError
        If ``out`` cannot be written, or two arms behave alike (see :mod:`study.probe`).
    """
    ledger, tracker = Ledger(out), Tracker(plan.study.name, out, tracking_uri)
    again = {cell.digest for cell in plan.failed(ledger)} if retry_failed else set()
    recorded = {cell: done for cell, done in results_of(plan.rows, ledger).items() if cell not in again}
    missing = [cell for cell in plan.cells if cell.digest not in recorded]
    listener.planned(len(plan.cells) - len(missing), len(missing))
    if missing:
        refuse_silent_arms(plan.study.arms, plan.study.budget)
    if tracking_uri is not None:
        tracker.reach()
    _make_folder(out)  # nothing is written, and no record forgotten, before the study is known to be sound
    for digest in again:
        ledger.forget(digest)
    plan.save(out)
    rows = {row.cell: row for row in plan.rows}
    for digest, result in recorded.items():
        tracker.log(rows[digest], result)
    _run_cells(missing, Pool(plan.study.lanes, out, listener.stopping), tracker, rows, listener)
    results = results_of(plan.rows, ledger)
    tracker.close(plan.rows, results)
    failed = sum(result.status != "ok" for result in results.values())
    return Outcome(write_table(plan.rows, results, out), tracker.uri, len(plan.rows), len(results), failed)


def _run_cells(cells: list[Cell], pool: Pool, tracker: Tracker, rows: dict[str, Row], listener: Listener) -> None:
    by_digest = {cell.digest: cell for cell in cells}
    with _stopped_by_signal(pool):
        for result in pool.run(cells, listener.started):
            if result.status == "stopped":
                continue
            listener.ended(by_digest[result.cell], result)
            tracker.log(rows[result.cell], result)


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


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "ledger").mkdir(exist_ok=True)
    except OSError as error:
        raise KnockoutError(f"the output folder cannot be made: {error.strerror}.", where=str(out)) from None
