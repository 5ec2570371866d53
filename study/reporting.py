"""What is said of a study that has run, or of any tidy table: its report, and the findings in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from components.errors import KnockoutError
from reports.build import write
from reports.findings.analysis import analyse
from reports.findings.results import Analysis
from reports.folder import digest, refuse_folder
from reports.options import ReportOptions
from reports.page.sentences.search import search_summary
from reports.page.sentences.summary import summary
from reports.provenance import Provenance
from reports.search.reading import read_search, read_tuning
from reports.stored.curves import read_curves
from reports.stored.embeddings import read_embeddings
from reports.stored.predictions import read_predictions
from reports.table.table import load
from reports.words.metrics import MARGIN
from reports.words.numbers import confidence, interval, signed
from study.display import make_console, show_table
from study.engine import Outcome
from study.history import commands_of, remember
from study.ledger import Ledger
from study.plan import PLAN, SEARCHED, TUNED, kind_of_plan, margin_of_plan, read_plan, results_of
from study.table import write_table
from study.versions import versions

__all__ = ["close", "made", "report"]


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
    if (source / SEARCHED / "search.json").exists() and not (source / PLAN).exists():
        from study import search_commands

        return search_commands.report(source, out or source / SEARCHED / "report", console, command)
    if source.is_dir():
        metric_of_study, rows = read_plan(source)
        results = results_of(rows, Ledger(source))
        if not results:
            raise KnockoutError("no cell has ended yet; there is nothing to report.", where=str(source))
        table_file = write_table(rows, results, source)
        metric, out = metric or metric_of_study, out or source / "report"
        margin = margin or margin_of_plan(source)
    else:
        table_file, out = source, out or Path(f"report-{source.stem}")
    refuse_folder(out, table=digest(table_file))
    options = ReportOptions(arm, block, dataset, metric, reference, alpha, margin or MARGIN)
    found = analyse(load(table_file, options), options)
    page = write(found, out, provenance=made((*commands_of(source), command)), draw=draw, **_beside(source))
    _show_findings(console, found)
    console.print(f"report: {page.resolve()}", soft_wrap=True)


def close(outcome: Outcome, out: Path, console: Console, command: str) -> None:
    """Write the report of what there is, and say where everything lies."""
    if not outcome.done:
        console.print("stopped before any cell ended; run the same command again to go on")
        return
    options = ReportOptions(metric=outcome.metric, margin=margin_of_plan(out) or MARGIN)
    found, beside = analyse(load(outcome.table, options), options), _beside(out)
    page = write(found, out / "report", provenance=made(remember(out, command)), **beside)
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


def made(commands: tuple[str, ...]) -> Provenance:
    """Say how a report came to be."""
    return Provenance(commands, versions()["git_commit"])


def _beside(out: Path) -> dict[str, Any]:
    """Return what the report of a study says beside its findings: its edges, how its arms were trained or searched."""
    if not out.is_dir():
        return {}
    kind = kind_of_plan(out)
    cells = {
        "predictions": read_predictions(out),
        "curves": read_curves(out),
        "embeddings": read_embeddings(out),
    }
    if kind == SEARCHED:
        return {**cells, "search": read_search(out / SEARCHED)}
    return {**cells, "tuning": read_tuning(out / TUNED / "tuning.csv")} if kind == TUNED else cells


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
