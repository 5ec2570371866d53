"""Runs a design or a search, or confirms one, and reports what there is; safe to stop and call again at any time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from study.actions.preview import READING, check_folder
from study.actions.screen import Screen
from study.actions.source import show_changes
from study.plan.plan import Plan, make_plan
from study.plan.silent import refuse_silent_arms
from study.run.engine import Means, drive, forget_failed, make_folder, make_workers
from study.run.listener import Listener
from study.run.pool import Pool, Queue
from study.spec.cell import Cell
from study.spec.folder import OutFolder
from study.spec.records import CellRecord
from study.store.ledger import Ledger
from study.store.owner import refuse_other_study
from study.store.plan_file import add_command, write_plan
from study.store.table import write_table
from study.store.time_left import Costs, key_of
from study.store.tracking.runs import PATH
from study.store.tracking.store_file import serve_command, view_address
from study.store.tracking.tracker import Tracker, send_path
from study.study_file.study import Study

if TYPE_CHECKING:  # what draws and tests is loaded when cells have ended
    from reports.build import Written


@dataclass(frozen=True)
class Outcome:
    """The outcome of a run."""

    table: Path  # path of the tidy table
    tracking_uri: str  # where MLflow holds the runs, as it may be shown
    # number of cells
    planned: int
    done: int
    failed: int
    remedy: str = ""  # how many cells MLflow lacks, and the command that sends them; empty if it has all
    view: str = ""  # path of MLflow's interface that compares the arms; empty if the store did not answer

    @property
    def complete(self) -> bool:
        """Whether every planned cell has a record."""
        return self.done == self.planned


@dataclass(frozen=True)
class Ended:
    """What a call came to."""

    report: Written | None = None  # the report that was written; None if there was nothing to report yet
    outcome: Outcome | None = None  # what became of the cells; None of a search
    # what is not done, for the user; empty if all is. Cells that are missing or failed are told by ``outcome``
    unfinished: str = ""

    @property
    def complete(self) -> bool:
        """Whether all was run and nothing failed."""
        ran = self.outcome is None or (self.outcome.complete and not self.outcome.failed)
        return not self.unfinished and ran


def run(study: Study, out: Path, screen: Screen, means: Means, *, command: str = "") -> Ended:
    """Run what is missing of a study and report."""
    check_folder(study, out, screen, share_cells=means.share_cells)
    if study.search is not None:
        return _run_search(study, out, screen, means, command)
    tuned: Study | None = study
    if study.tune is not None:
        from study.search.run import tune

        with screen.progress() as progress:
            tuned = tune(study, out, progress, means)
    if tuned is None:
        return Ended(unfinished="stopped before every arm was tuned")
    with screen.busy(READING):
        plan = make_plan(tuned)
    return run_planned(plan, out, screen, means, command)


def run_planned(plan: Plan, out: Path, screen: Screen, means: Means, command: str) -> Ended:
    """Run the missing cells of a plan and report."""
    with screen.progress() as progress:
        outcome = run_plan(plan, out, progress, means)
    return _report(outcome, out, screen, means, command)


def run_plan(plan: Plan, out: Path, listener: Listener, means: Means) -> Outcome:
    """Run the cells of a plan that the ledger lacks; safe to stop and call again at any time.

    Raises
    ------
    KnockoutError
        If ``out`` cannot be written, or two arms behave alike (see :mod:`study.plan.silent`).
    """
    refuse_other_study(plan.study.name, out, share_cells=means.share_cells)
    ledger, tracker = Ledger(out), Tracker(plan.study.name, out, means.tracking_uri, say=listener.message)
    cells = {cell.digest: cell for cell in plan.cells}
    before = ledger.read_all(cells)
    again = {digest for digest, record in before.items() if means.retry_failed and not record.ok}
    recorded = {digest: record for digest, record in before.items() if digest not in again}
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
    tracker.later(_begin_record, plan, recorded, tracker, listener)
    _run_missing(plan, missing, recorded, out, listener, means, tracker)
    tracker.flush()  # where no cell was missing; and one that was run once more, alone, ends last
    records = ledger.read_all(cells)
    rows = [cell.row for cell in plan.cells]
    tracker.close(rows, records)
    lacking = tracker.lacking(rows, records)
    remedy = f"may lack {lacking} of {len(records)} cells; send what is missing: {tracker.remedy}" if lacking else ""
    failures = sum(not record.ok for record in records.values())
    table = write_table(rows, records, out)
    return Outcome(table, tracker.address, len(rows), len(records), failures, remedy, tracker.view)


def _begin_record(plan: Plan, recorded: Mapping[str, CellRecord], tracker: Tracker, listener: Listener) -> None:
    """Begin MLflow's record of a plan with the cells that have ended, and say where the others can be watched."""
    tracker.begin(plan.record)
    if len(recorded) < len(plan.cells) and tracker.view:
        serve = serve_command(tracker.address)
        started = f" (after {serve})" if serve else ""
        listener.message(f"live in a browser: {view_address(tracker.address, tracker.view)}{started}")
    for cell in plan.cells:
        if cell.digest in recorded:
            tracker.log(cell.row, recorded[cell.digest])


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
    for cell, record in drive(queue.take, pool, listener, meanwhile=tracker.flush):
        queue.ended(cell)
        tracker.later(tracker.log, cell.row, record)
    if rescored := pool.rescorer.recorded:
        listener.message(f"{rescored} of {len(missing)} cells were trained before: metrics computed from stored scores")


def _report(outcome: Outcome, out: Path, screen: Screen, means: Means, command: str) -> Ended:
    if not outcome.done:
        return Ended(None, outcome, "stopped before any cell ended")
    from study.actions.report import report_run

    processes = 1 if means.cluster else means.drawing  # a client of a cluster has threads
    return Ended(report_run(out, command, screen, processes), outcome)


def _run_search(study: Study, out: Path, screen: Screen, means: Means, command: str) -> Ended:
    from study.search.run import run_search

    with screen.progress() as progress:
        search = run_search(study, out, progress, means)
    if not search.finished:
        return Ended(unfinished="stopped before any trial ended")
    from study.actions.report import report_search

    folder = OutFolder(out).search
    report = report_search(folder, folder.report, add_command(out, command), screen)
    return Ended(report, unfinished="" if search.over else "the search is not over")


def confirm(
    searched: Study,
    study: Study,
    out: Path,
    screen: Screen,
    means: Means,
    *,
    top: int = 1,
    again: bool = False,
    path: bool = False,
    command: str = "",
) -> Ended:
    """Retrain the ``top`` arms of a search on fresh repeats of the data sets of ``study``, open their test, and report.

    ``again`` opens it once more for other arms; ``path`` trains the arms between the reference and the best one, too.
    """
    from study.search.confirm import best_trials, plan_confirmation, write_confirmed
    from study.search.path import run_path, write_path

    show_changes(searched, out, screen)
    with screen.busy(READING):
        search, plan = plan_confirmation(searched, study, out, top=top, again=again)
    with screen.progress() as progress:
        outcome = run_plan(plan, out, progress, means)
    write_confirmed(search, plan, out)
    tracker = Tracker(plan.study.name, out, means.tracking_uri, stage=PATH, say=screen.say)
    if path and outcome.complete:
        with screen.progress() as progress:
            steps = run_path(plan, best_trials(search, 1)[0].arm, out, progress, means, tracker)
        if steps is None:
            return Ended(None, outcome, "stopped on the path")
        write_path(steps, plan, out, search.folder)
        send_path(search.folder, tracker, Ledger(out))
    tracker.send(search.folder.tables)
    return _report(outcome, out, screen, means, command)
