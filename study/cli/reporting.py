"""What is said of a study that has run, or of any tidy table: its report, and the findings in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from components.core.errors import KnockoutError
from reports.analysis import analyse
from reports.build import build_search, write
from reports.folder import digest, refuse_folder
from reports.made import Made
from reports.page.sentences import summary
from reports.results import Analysis
from reports.search.record import read_search, read_tuning
from reports.search.sentences import search_summary
from reports.statistics.equivalence import MARGIN
from reports.stored.curves import read_curves
from reports.stored.embeddings import read_embeddings
from reports.stored.predictions import read_predictions
from reports.tables import load
from reports.wording import confidence, interval, signed
from study.cli.display import make_console, show_table
from study.run.engine import Outcome
from study.spec.folder import OutFolder
from study.spec.records import PlanKind
from study.spec.versions import versions
from study.store.ledger import Ledger
from study.store.plan_file import add_command, read_commands, read_plan
from study.store.table import write_table


def report(
    source: Path,
    out: Path | None,
    *,
    arm: str | None,
    block: Sequence[str] | None,
    dataset: Sequence[str] | None,
    metric: str | None,
    reference: str | None,
    alpha: float,
    margin: float | None,
    command: str,
    draw: Sequence[str] = (),
) -> None:
    """Write the report of a study's folder or of any tidy table, and print what it finds."""
    console = make_console()
    folder = OutFolder(source)
    if folder.search.summary.exists() and not folder.plan.exists():
        return report_search(source, out or folder.search.report, console, command)
    if source.is_dir():
        plan = read_plan(source)
        records = Ledger(source).read_all(row.cell for row in plan.rows)
        if not records:
            raise KnockoutError("no cell has ended yet; there is nothing to report.", where=str(source))
        table_file = write_table(plan.rows, records, source)
        metric, out, margin = metric or plan.metric, out or folder.report, margin or plan.margin
    else:
        table_file, out = source, out or Path(f"report-{source.stem}")
    refuse_folder(out, table=digest(table_file))
    table = load(table_file, arm=arm, block=block, dataset=dataset, metric=metric, reference=reference)
    found = analyse(table, alpha=alpha, margin=margin or MARGIN)
    page = write(found, out, made=made((*read_commands(source), command)), draw=draw, **_beside(source))
    _show_findings(console, found)
    console.print(f"report: {page.resolve()}", soft_wrap=True)


def report_search(out: Path, page_out: Path, console: Console, command: str = "") -> None:
    """Write the page of a search alone, its test sealed, and print what it says."""
    folder = OutFolder(out).search
    how = made((*read_commands(out), command))
    page, search = build_search(out, page_out, made=how), read_search(folder.root)
    if search is None:  # build_search has refused a folder without one
        return
    for sentence in search_summary(search):
        console.print(sentence, soft_wrap=True)
    console.print(f"\nreport:  {page.resolve()}", soft_wrap=True)
    console.print(f"trials:  {folder.trial_table.resolve()}", soft_wrap=True)
    console.print(f"Optuna:  optuna-dashboard {search.storage}", soft_wrap=True)


def close(outcome: Outcome, out: Path, console: Console, command: str) -> None:
    """Write the report of what there is, and say where everything lies."""
    if not outcome.done:
        console.print("stopped before any cell ended; run the same command again to go on")
        return
    table = load(outcome.table, metric=outcome.metric)
    found, beside = analyse(table, margin=read_plan(out).margin or MARGIN), _beside(out)
    page = write(found, OutFolder(out).report, made=made(add_command(out, command)), **beside)
    for sentence in [*summary(found), *(search_summary(beside["search"]) if beside.get("search") else ())]:
        console.print(sentence, soft_wrap=True)
    if not outcome.complete:
        console.print(
            f"\n{outcome.planned - outcome.done} of {outcome.planned} cells are missing; "
            "run the same command again to go on."
        )
    if outcome.failed:
        console.print(
            f"\n{outcome.failed} cells failed: knockout status {out} says why; --retry-failed runs them again."
        )
    console.print(f"\nreport:  {page.resolve()}", soft_wrap=True)
    console.print(f"table:   {outcome.table.resolve()}", soft_wrap=True)
    console.print(f"MLflow:  mlflow ui --backend-store-uri {outcome.tracking_uri}", soft_wrap=True)


def made(commands: tuple[str, ...]) -> Made:
    """Say how a report came to be."""
    return Made(commands, versions()["git_commit"])


def _beside(out: Path) -> dict[str, Any]:
    """Return what the report of a study says beside its findings: its edges, how its arms were trained or searched."""
    if not out.is_dir():
        return {}
    kind, folder = read_plan(out).kind, OutFolder(out)
    cells = {
        "predictions": read_predictions(out),
        "curves": read_curves(out),
        "embeddings": read_embeddings(out),
    }
    if kind is PlanKind.SEARCH:
        return {**cells, "search": read_search(folder.search.root)}
    return {**cells, "tuning": read_tuning(folder.tuning_table)} if kind is PlanKind.TUNED else cells


def _show_findings(console: Console, found: Analysis) -> None:
    for sentence in summary(found):
        console.print(sentence, soft_wrap=True)
    console.print()
    for overall in (g for g in found.globals if g.metric == found.metric):
        test = overall.test
        console.print(
            f"{overall.metric}: Friedman chi2 = {test.chi2:.2f} over {test.blocks} blocks and {test.arms} arms, "
            f"p = {test.p:.3g} ({test.method}); Kendall's W = {test.kendalls_w:.3f}\n"
        )
    lines = [
        [
            f"{f.arm} - {f.against}",
            f"{signed(f.effect.mean, 4)} {interval(f.effect)}" if f.effect else "-",
            signed(f.effect.cohens_d) if f.effect else "-",
            f"{f.test.statistic:g}" if f.test else "-",
            f"{f.test.p:.2g}" if f.test else "-",
            f"{f.p_weaker:.2g}" if f.p_weaker is not None else "-",
            f.verdict,
        ]
        for f in found.findings
        if f.metric == found.metric
    ]
    if lines:
        columns = [
            "pair",
            f"difference [{confidence(found.alpha)} t interval]",
            "Cohen's d",
            "W",
            "p",
            "Holm p",
            "verdict",
        ]
        show_table(console, f"{found.metric}: paired over blocks", columns, lines)
    for refusal in found.refusals:
        console.print(f"{refusal.weight}: {refusal.subject}: {refusal.message}", soft_wrap=True)
