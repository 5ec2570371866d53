"""The commands on studies: plan, run, confirm, demo."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from rich.console import Console

from components.core.errors import KnockoutError
from reports.statistics.attainability import blocks_needed, smallest_p
from reports.words.metrics import ALPHA, metric_of
from reports.words.numbers import are, count
from study.cli.datasets import show_audit
from study.cli.display import LiveProgress, busy, duration, make_console, show_table
from study.cli.reporting import close, report_search
from study.plan.cost import estimate
from study.plan.plan import Plan, make_plan
from study.run.engine import Means, Outcome, run_plan
from study.spec.folder import OutFolder
from study.spec.machine import describe as describe_lanes
from study.store.ledger import Ledger
from study.store.owner import edits_of, refuse_other_study
from study.store.plan_file import add_command
from study.store.registration import question_of, write_registration
from study.study_file.study import Study, load_study

NO_FOLDER = Path(os.devnull)  # `plan` without --out: nothing is done
READING = "reading the data sets and setting their exams"
EXIT_INCOMPLETE = 3  # some cells failed or were not run; the report says which


@dataclass(frozen=True)
class Source:
    """A study as the command line names it: file or name, and what :func:`load_study` takes beside it."""

    study: str
    data: Path | None = None
    scale: str | None = None
    only: tuple[str, ...] = ()
    lanes: str | None = None

    def load(self) -> Study:
        """Read and validate the study."""
        return load_study(self.study, data=self.data, lanes=self.lanes, scale=self.scale, only=self.only)


def run(source: Source, out: Path, means: Means | None = None, *, command: str = "") -> int:
    """Run what is missing of a study and report; return the exit code."""
    study, means, console = source.load(), means or Means(), make_console()
    refuse_other_study(study.name, out, share_cells=means.share_cells)
    _show_edits(study, out, console)
    if study.search is not None:
        return _run_search(study, out, console, means, command)
    tuned = _tune(study, out, console, means)
    if tuned is None:
        console.print("stopped before every arm was tuned; run the same command again to go on")
        return EXIT_INCOMPLETE
    with busy(READING):
        planned = make_plan(tuned)
    outcome = run_planned(planned, out, console, means)
    close(outcome, out, console, command)
    return 0 if outcome.complete and not outcome.failed else EXIT_INCOMPLETE


def _tune(study: Study, out: Path, console: Console, means: Means) -> Study | None:
    if study.tune is None:
        return study
    from study.search.tune import tune

    with LiveProgress(console) as progress:
        return tune(study, out, progress, means)


def _run_search(study: Study, out: Path, console: Console, means: Means, command: str) -> int:
    """Run a search to its end and report; return the exit code."""
    from study.search.run import run_search

    with LiveProgress(console) as progress:
        search = run_search(study, out, progress, means)
    if not search.finished:
        console.print("stopped before any trial ended; run the same command again to go on")
        return EXIT_INCOMPLETE
    add_command(out, command)
    report_search(out, OutFolder(out).search.report, console)
    if not search.over:
        console.print("\nthe search is not over; run the same command again to go on")
        return EXIT_INCOMPLETE
    return 0


def confirm(
    searched: Study, study: Study, out: Path, means: Means, *, top: int, again: bool, command: str, path: bool = False
) -> int:
    """Retrain the best arms of a search on fresh repeats, open their test, and report; return the exit code.

    ``searched`` has all data sets of the search, ``study`` those on which to confirm; ``path`` trains the arms between
    the reference and the best one, too.
    """
    from study.search.confirm import best_trials, plan_confirmation, write_confirmed
    from study.search.path import run_path, write_path

    console = make_console()
    with busy(READING):
        search, planned = plan_confirmation(searched, study, out, top=top, again=again)
    outcome = run_planned(planned, out, console, means)
    write_confirmed(search, planned, out)
    if path and outcome.complete:
        with LiveProgress(console) as progress:
            steps = run_path(planned, best_trials(search, 1)[0].arm, out, progress, means)
        if steps is None:
            console.print("stopped on the path; run the same command again to go on")
            return EXIT_INCOMPLETE
        write_path(steps, planned, out, search.folder)
    close(outcome, out, console, command)
    return 0 if outcome.complete and not outcome.failed else EXIT_INCOMPLETE


def demo(out: Path, *, lanes: str | None = None) -> int:
    """Run the embedded study and report; return the exit code."""
    with resources.as_file(resources.files("study.cli") / "demo.yaml") as study_file:
        console = make_console()
        started = time.perf_counter()
        with busy(READING):
            planned = make_plan(load_study(study_file, lanes=lanes))
        console.print(
            f"{planned.study.name}: {count(len(planned.cells), 'cell')} on {describe_lanes(planned.study.lanes)}"
        )
        outcome = run_planned(planned, out, console, Means())
        console.print(f"The study took {duration(time.perf_counter() - started)}.\n")
        close(outcome, out, console, "knockout demo")
    return 0 if outcome.complete and not outcome.failed else EXIT_INCOMPLETE


def plan(source: Source, out: Path | None, *, cost: bool, share_cells: bool = False, register: bool = False) -> None:
    """Print what a study would run, what is done, what it costs and what it can prove; register it if asked to.

    Raises
    ------
    KnockoutError
        If it is to be registered and no folder is named, or another question is registered there.
    """
    if register and out is None:
        raise KnockoutError("the question is written into the output folder; name it with --out.", where="--register")
    console, study, out = make_console(), source.load(), out or NO_FOLDER
    refuse_other_study(study.name, out, share_cells=share_cells)
    _show_edits(study, out, console)
    if register:
        _register(study, out, console)
    if study.search is not None:
        return _plan_search(study, out, console)
    with busy(READING):
        planned, ledger = make_plan(study), Ledger(out)
    _show_arms(console, planned, ledger)
    for alias, arm in study.aliases.items():
        console.print(f"'{alias}' is the same model as '{arm}': trained once, counted once.")
    console.print(f"metric {study.metric}, {count(study.repeats, 'repeat')}, lanes: {describe_lanes(study.lanes)}\n")
    show_audit(console, planned.datasets, study.splits)
    for line in planned.notes:
        console.print(line, soft_wrap=True)
    console.print(_attainable(study, {d.block for d in planned.datasets}))
    if study.tune is not None:
        cells = count(study.tune.repeats * len(study.datasets), "cell")
        budget = count(study.tune.trials or 0, "trial")
        console.print(
            f"before that every trained arm is tuned: {budget} of {cells} each, on "
            f"repeats 0 to {study.tune.repeats - 1}; arms are compared on later ones"
        )
    missing = len(planned.missing(ledger))
    if cost and missing:
        with busy("timing an epoch of each arm on each data set (--no-cost leaves it out)"):
            cost_left = estimate(planned, ledger)
        lanes_n, lanes = len(study.lanes), count(len(study.lanes), "lane")
        console.print(
            f"{count(missing, 'cell')} to run: about {duration(cost_left.seconds / lanes_n)} on {lanes} "
            f"({duration(cost_left.at_most / lanes_n)} if no cell stops early)."
        )
        if cost_left.unknown:
            console.print(
                f"{count(cost_left.unknown, 'cell')} of programs of your own are not in it: a plan runs none of them; "
                "what they take is known once one cell of each has ended.",
                soft_wrap=True,
            )


def _register(study: Study, out: Path, console: Console) -> None:
    """Write what a study asks into its folder: of a search, what its confirmation asks."""
    asked = study
    if study.search is not None:
        asked = replace(study, first_repeat=study.repeats, repeats=study.search.confirm)
    with busy(READING):
        record = make_plan(asked).record
    question = question_of(record, out, margin=metric_of(record.metric).margin, alpha=ALPHA)
    if study.looks and study.looks[-1] >= len(question.blocks):
        message = f"a look comes before all {len(question.blocks)} blocks are in; got {list(study.looks)}."
        raise KnockoutError(message, where="looks")
    known = write_registration(question, out)
    path = OutFolder(out).registration
    console.print(f"registered on {known.date}, digest {known.digest[:12]}: {path.resolve()}", soft_wrap=True)
    if known.ended:
        console.print(f"{count(known.ended, 'cell')} of it had ended by then, and the report will say so.")


def _plan_search(study: Study, out: Path, console: Console) -> None:
    """Print what a search would vary, how far it is, and what a trial is."""
    from study.search.run import open_search, uncounted

    with busy(READING):
        search = open_search(study, out)
    spec, space = search.spec, search.space
    show_table(console, f"{study.name}: what varies", ["parameter", "range"], [[*d.values()] for d in space.describe()])
    arm = ", ".join(f"{factor}={level}" for factor, level in space.reference.levels().items() if level != "-")
    console.print(f"the rest stays as in the reference: {arm}", soft_wrap=True)
    sets = count(len(study.datasets), "data set")
    ends = count(spec.trials, "trial") if spec.trials else f"{spec.hours:g} h" if spec.hours else "the whole grid"
    warm = sum(trial.warm for trial in search.finished)
    pruner = spec.pruner if search.proposer.prunes else "none"
    console.print(
        f"{spec.sampler}, {ends}, {spec.parallel} in flight, pruner {pruner}; "
        f"a trial is judged by {', '.join(search.objectives)} on validation over "
        f"{count(len(search.reference_cells), 'cell')} ({sets} x {count(study.repeats, 'repeat')})",
        soft_wrap=True,
    )
    console.print(
        f"{count(search.proposed, 'trial')} proposed so far, {warm} more {are(warm)} in the ledger already (warm)"
    )
    for line in uncounted(search):
        console.print(line, soft_wrap=True)


def _show_edits(study: Study, out: Path, console: Console) -> None:
    """Print what the study file says that it did not say when the study was last run; cells that still fit are kept."""
    for line in edits_of(study.name, study.content, out):
        console.print(f"edited since the last run: {line}", markup=False, soft_wrap=True)


def run_planned(planned: Plan, out: Path, console: Console, means: Means) -> Outcome:
    """Run a plan with a progress display."""
    with LiveProgress(console) as progress:
        return run_plan(planned, out, progress, means)


def _show_arms(console: Console, plan: Plan, ledger: Ledger) -> None:
    records = ledger.read_all(cell.digest for cell in plan.cells)
    lines = []
    for arm in plan.study.arms:
        cells = [cell for cell in plan.cells if cell.arm is arm]
        acting = ", ".join(f"{f}={level}" for f, level in arm.levels().items() if level != "-" and f != "optimizer")
        done = sum(cell.digest in records for cell in cells)
        lines.append([arm.name, arm.role, acting, len(cells), done, len(cells) - done])
    title = f"{plan.study.name}: {count(len(plan.cells), 'cell')}, {len(records)} done"
    show_table(console, title, ["arm", "role", "parts", "cells", "done", "missing"], lines)


def _attainable(study: Study, blocks: set[str]) -> str:
    comparisons = sum(arm.role in ("arm", "baseline") for arm in study.arms)
    n = len(blocks)
    if not comparisons:
        return f"{count(n, 'independent block')}; only controls are compared with the reference: described, not tested."
    least = smallest_p(n)
    verdict = (
        "so this design can reach .05."
        if least < 0.05
        else f"so this design cannot reach .05; it would take {count(blocks_needed(), 'block')}."
    )
    return (
        f"{count(n, 'independent block')} ({', '.join(sorted(blocks))}), {count(comparisons, 'comparison')} with the "
        f"reference: the smallest adjusted p (max-T over whole blocks) is {least:.3g}, {verdict}"
    )
