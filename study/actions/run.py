"""Runs a design or a search, or confirms one, and reports what there is; safe to stop and call again at any time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from study.actions.preview import READING, check_folder
from study.actions.screen import Screen
from study.actions.source import show_changes
from study.plan.plan import Plan, make_plan
from study.run.engine import Means, Outcome, run_plan
from study.spec.folder import OutFolder
from study.store.ledger import Ledger
from study.store.plan_file import add_command
from study.store.tracking.runs import PATH
from study.store.tracking.tracker import Tracker
from study.store.tracking.walked import send_path
from study.study_file.study import Study

if TYPE_CHECKING:  # what draws and tests is loaded when cells have ended
    from study.actions.report import Report


@dataclass(frozen=True)
class Ended:
    """What a call came to.

    Attributes
    ----------
    report
        The report that was written; None if there was nothing to report yet.
    outcome
        What became of the cells; None of a search.
    unfinished
        What is not done, for the user; empty if all is. Cells that are missing or failed are told by ``outcome``.
    """

    report: Report | None = None
    outcome: Outcome | None = None
    unfinished: str = ""

    @property
    def complete(self) -> bool:
        """Whether all was run and nothing failed."""
        ran = self.outcome is None or (self.outcome.complete and not self.outcome.failed)
        return not self.unfinished and ran


def run(study: Study, out: Path, screen: Screen, means: Means, *, command: str = "") -> Ended:
    """Run what is missing of a study and report.

    Parameters
    ----------
    study
        The validated study.
    out
        Output folder.
    screen
        Shows what goes on.
    means
        How it is run.
    command
        What was typed, for the report.
    """
    check_folder(study, out, screen, share_cells=means.share_cells)
    if study.search is not None:
        return _run_search(study, out, screen, means, command)
    tuned = _tune(study, out, screen, means)
    if tuned is None:
        return Ended(unfinished="stopped before every arm was tuned")
    with screen.busy(READING):
        plan = make_plan(tuned)
    return run_planned(plan, out, screen, means, command)


def run_planned(plan: Plan, out: Path, screen: Screen, means: Means, command: str) -> Ended:
    """Run the missing cells of a plan and report."""
    return _report(_run_cells(plan, out, screen, means), out, screen, command)


def _run_cells(plan: Plan, out: Path, screen: Screen, means: Means) -> Outcome:
    with screen.progress() as progress:
        return run_plan(plan, out, progress, means)


def _report(outcome: Outcome, out: Path, screen: Screen, command: str) -> Ended:
    if not outcome.done:
        return Ended(None, outcome, "stopped before any cell ended")
    from study.actions.report import Request, report_run

    return Ended(report_run(outcome, out, Request(command=command), screen), outcome)


def _tune(study: Study, out: Path, screen: Screen, means: Means) -> Study | None:
    if study.tune is None:
        return study
    from study.search.tune import tune

    with screen.progress() as progress:
        return tune(study, out, progress, means)


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
    """Retrain the best arms of a search on fresh repeats, open their test, and report.

    Parameters
    ----------
    searched, study
        The study with all data sets of the search, and with those on which to confirm.
    out, screen, means, command
        As in :func:`run`.
    top
        How many of the best arms.
    again
        Whether the test may be opened once more for other arms.
    path
        Whether the arms between the reference and the best one are trained, too.
    """
    from study.search.confirm import best_trials, plan_confirmation, write_confirmed
    from study.search.path import run_path, write_path

    show_changes(searched, out, screen)
    with screen.busy(READING):
        search, plan = plan_confirmation(searched, study, out, top=top, again=again)
    outcome = _run_cells(plan, out, screen, means)
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
    return _report(outcome, out, screen, command)
