"""Prints what a report says, and where everything lies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from components.core.errors import command, redact
from reports.build import Written
from reports.findings.results import Analysis
from reports.findings.summaries import standings
from reports.search.reading import read_search
from reports.words.numbers import are, confidence, count, number, signed
from study.actions import report as actions
from study.actions.report import Request
from study.cli.display import Terminal, show_table
from study.spec.folder import OutFolder
from study.store.tracking.store_file import serve_command, view_address

if TYPE_CHECKING:  # a report is written without what trains
    from study.actions.run import Ended, Outcome

MOST = 30  # rows of what each arm reached


def report(source: Path, out: Path | None, request: Request) -> None:
    """Write the report of a study's folder or of any tidy table, and print its findings."""
    screen = Terminal()
    written = actions.report(source, out, request, screen)
    show_report(screen.console, written)
    if written.analysis is None:
        _show_search(screen.console, source)


def show_report(console: Console, report: Written) -> None:
    """Print what a report found, and where its page lies."""
    console.print("\n".join(report.sentences), soft_wrap=True)
    table, analysis = report.verdicts, report.analysis
    if analysis is None:
        console.print()
    elif table["rows"]:
        level = f"{confidence(analysis.alpha)} interval"
        columns = [table["head"], table["unit"], level, "p", "verdict", "worst block"]
        keys = ("name", "difference", "interval", "p", "word", "worst")
        console.print()
        show_table(
            console,
            f"{analysis.metric}: paired over blocks",
            columns,
            [[row[key] for key in keys] for row in table["rows"]],
        )
    for refusal in analysis.refusals if analysis else ():
        console.print(f"{refusal.weight}: {refusal.subject}: {refusal.message}", soft_wrap=True)
    console.print(f"report:  {report.page.resolve()}", soft_wrap=True)


def show_end(console: Console, ended: Ended, out: Path) -> None:
    """Print what a call of run or confirm came to, and where everything lies."""
    if ended.report is not None:
        console.print("\n".join(ended.report.sentences), soft_wrap=True)
        if ended.report.analysis is not None:
            _show_standings(console, ended.report.analysis)
        if ended.outcome is not None:
            _show_outcome(console, ended.outcome, ended.report, out)
        else:
            console.print(f"\nreport:  {ended.report.page.resolve()}", soft_wrap=True)
            _show_search(console, out)
            if ended.unfinished:
                console.print()
    if ended.unfinished:
        console.print(f"{ended.unfinished}; run the same command again to go on")


def _show_standings(console: Console, analysis: Analysis) -> None:
    """Print what each arm reached beside the reference and the strongest control, be a test possible or not."""
    table = standings(analysis.scores, analysis.metric, analysis.reference)
    if table.empty:
        return
    roles = table["role"].replace("control", "strongest control")
    rows = [
        [arm, role, number(mean), "" if arm == analysis.reference else signed(difference)]
        for arm, role, mean, difference in zip(table["arm"], roles, table["mean"], table["difference"], strict=True)
    ]
    console.print()
    title = f"{analysis.metric} on the test, mean over {count(len(analysis.blocks), 'block')}"
    show_table(console, title, ["arm", "role", "score", "against the reference"], rows[:MOST])
    if len(rows) > MOST:
        console.print(f"{len(rows) - MOST} more in the report", soft_wrap=True)


def _show_search(console: Console, out: Path) -> None:
    folder = OutFolder(out).search
    search = read_search(folder)
    assert search is not None  # its page was just written
    console.print(f"trials:  {folder.trial_table.resolve()}", soft_wrap=True)
    console.print(f"Optuna:  optuna-dashboard {command(redact(search.storage, search.storage))}", soft_wrap=True)


def _show_outcome(console: Console, outcome: Outcome, report: Written, out: Path) -> None:
    if left := outcome.planned - outcome.done:
        console.print(
            f"\n{left} of {count(outcome.planned, 'cell')} {are(left)} missing; run the same command again to go on."
        )
    if outcome.failed:
        why = command("knockout", "status", out)
        console.print(f"\n{count(outcome.failed, 'cell')} failed: {why} says why; --retry-failed runs them again.")
    console.print(f"\nreport:  {report.page.resolve()}", soft_wrap=True)
    console.print(f"table:   {outcome.table.resolve()}", soft_wrap=True)
    address = outcome.tracking_uri
    mlflow = f"{address} {outcome.remedy}" if outcome.remedy else serve_command(address) or address
    console.print(f"MLflow:  {mlflow}", soft_wrap=True)
    if outcome.view and not outcome.remedy:
        console.print(f"compare: {view_address(address, outcome.view)}", soft_wrap=True, markup=False)
