"""What the commands do with a study that searches: run it, plan it, confirm what it found."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from reports.build import build_search
from reports.page.sentences.search import search_summary
from reports.search.reading import read_search
from study.commands import EXIT_INCOMPLETE, run_planned
from study.config import Study
from study.display import LiveProgress, make_console, show_table
from study.engine import Means
from study.history import commands_of, remember
from study.plan import SEARCHED
from study.reporting import close, made
from study.searches import confirmation, make_search, run_search, write_confirmed

__all__ = ["confirm", "plan", "report", "search"]


def search(study: Study, out: Path, means: Means, *, command: str) -> int:
    """Run a search to its end and report; return the exit code."""
    console = make_console()
    with LiveProgress(console) as progress:
        found = run_search(study, out, progress, means)
    if not found.finished:
        console.print("stopped before any trial ended; run the same command again to go on")
        return EXIT_INCOMPLETE
    remember(out, command)
    report(out, out / SEARCHED / "report", console)
    if not found.over:
        console.print("\nthe search is not over; run the same command again to go on")
        return EXIT_INCOMPLETE
    return 0


def confirm(study: Study, out: Path, means: Means, *, top: int, again: bool, command: str) -> int:
    """Retrain the best arms of a search on fresh repeats, open their test, and report; return the exit code."""
    console = make_console()
    found, planned = confirmation(study, out, top=top, again=again)
    outcome = run_planned(planned, out, console, means)
    write_confirmed(found, planned, out)
    close(outcome, out, console, command)
    return 0 if outcome.complete and not outcome.failed else EXIT_INCOMPLETE


def plan(study: Study, out: Path) -> None:
    """Print what a search would vary, how far it is, and what a trial is."""
    console = make_console()
    found = make_search(study, out)
    spec, space = found.spec, found.space
    show_table(console, f"{study.name}: what varies", ["parameter", "range"], [[*d.values()] for d in space.describe()])
    arm = ", ".join(f"{factor}={level}" for factor, level in space.reference.levels().items() if level != "-")
    console.print(f"the rest stays as in the reference: {arm}", soft_wrap=True)
    ends = f"{spec.trials} trials" if spec.trials else f"{spec.hours:g} h" if spec.hours else "the whole grid"
    warm = sum(trial.warm for trial in found.finished)
    pruner = spec.pruner if found.proposer.prunes else "none"
    console.print(
        f"{spec.sampler}, {ends}, {spec.parallel} in flight, pruner {pruner}; "
        f"a trial is judged by {', '.join(found.objectives)} on validation over {len(found.of_reference)} cells "
        f"({len(study.datasets)} data sets x {study.repeats} repeats)",
        soft_wrap=True,
    )
    console.print(f"{found.proposed} trials proposed so far, {warm} more are in the ledger already (warm)")
    if found.forgotten:
        console.print(f"{found.forgotten} trials were scored with other data, repeats or code; the search starts anew")


def report(out: Path, page_out: Path, console: Console, command: str = "") -> None:
    """Write the page of a search alone, its test sealed, and print what it says."""
    how = made((*commands_of(out), command))
    page, found = build_search(out, page_out, provenance=how), read_search(out / SEARCHED)
    if found is None:  # build_search has refused a folder without one
        return
    for sentence in search_summary(found):
        console.print(sentence, soft_wrap=True)
    console.print(f"\nreport:  {page.resolve()}", soft_wrap=True)
    console.print(f"trials:  {(out / SEARCHED / 'trials.csv').resolve()}", soft_wrap=True)
    console.print(f"Optuna:  optuna-dashboard {found.storage}", soft_wrap=True)
