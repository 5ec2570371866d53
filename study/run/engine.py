"""What runs of designs and of searches share: the output folder, the workers, the loop over cells that end."""

from __future__ import annotations

import functools
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from components.core.errors import KnockoutError, unwritable
from study.run.lane_sizing import size_lanes
from study.run.listener import Listener
from study.run.pool import Pool, Recorded, Take, run_and_record
from study.run.workers import LocalWorkers, Workers
from study.spec.cell import Cell
from study.spec.folder import OutFolder
from study.store.drivers import sweep
from study.store.ledger import Ledger
from study.store.owner import refuse_other_study, write_owner
from study.study_file.study import Study

HEARD_S = 1.0  # within which a first Ctrl-C is answered, whatever the driver waits for


@dataclass(frozen=True)
class Means:
    """How a study is run, as the command line names it."""

    tracking_uri: str | None = None  # MLflow store; None for the one in the output folder
    storage: str | None = None  # Optuna storage of a search; None for a journal file in the output folder
    cluster: str | None = None  # address of a Dask scheduler; None for this machine
    retry_failed: bool = False  # whether cells that failed are run again
    share_cells: bool = False  # whether the output folder may belong to another study, whose finished cells count
    timeout_s: float | None = None  # seconds that a cell may take; None: any
    drawing: int = 1  # processes that draw the report at a time: forks, which a process with threads may not have


def forget_failed(cells: Iterable[str], ledger: Ledger) -> None:
    """Remove the records of failed cells, given by digest, so that they are run again."""
    for digest in cells:
        record = ledger.read(digest)
        if record is not None and not record.ok:  # another driver may have been faster
            ledger.forget(digest)


def drive(
    take: Take, pool: Pool, listener: Listener, meanwhile: Callable[[], None] = lambda: None
) -> Iterator[Recorded]:
    """Yield each cell with its record as it ends, until none is given or the user stops the study."""
    with _stopped_by_signal(pool):
        for cell, record in pool.run(take, listener.started, meanwhile):
            listener.ended(cell, record)
            yield cell, record


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
        pool.stopping.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    over = threading.Event()
    threading.Thread(target=_announce_stop, args=(pool, over), daemon=True).start()
    try:
        yield
    finally:
        over.set()
        for number, handler in before.items():
            signal.signal(number, handler)


def _announce_stop(pool: Pool, over: threading.Event) -> None:
    """Say that a study is being stopped where its pool cannot: it waits for a server that does not answer."""
    while not over.wait(HEARD_S):
        pool.announce_stop()


def make_folder(study: Study, out: Path, means: Means) -> None:
    """Make the output folder of a study, or say why it cannot be made; what the study's file says is written there."""
    refuse_other_study(study.name, out, share_cells=means.share_cells)
    try:
        OutFolder(out).ledger.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = unwritable(error, OutFolder(out).ledger / "a record")
        raise KnockoutError(f"the output folder cannot be made: {why}.", where=str(out)) from None
    sweep(out)
    write_owner(study.name, study.content, study.code_files(), out)
