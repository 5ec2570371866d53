"""Writes the report of a study or of any tidy table, and prints its findings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from components.core.errors import KnockoutError, redact
from reports.build import Written, build_search, write
from reports.findings.analysis import analyse
from reports.findings.results import Analysis
from reports.folder import digest, refuse_folder
from reports.options import DEFAULTS, Planned, Registration, ReportOptions
from reports.page.sentences.planned import planned_lines
from reports.page.sentences.search import search_summary
from reports.provenance import Provenance
from reports.search.reading import read_search, read_tuning
from reports.search.record import Search
from reports.stored.curves import read_curves
from reports.stored.embeddings import read_embeddings
from reports.stored.predictions import read_predictions
from reports.table.table import load
from reports.words.metrics import canonical_metric
from reports.words.names import plain
from reports.words.numbers import are, confidence, count, joined
from study.cli.display import busy, make_console, show_table
from study.run.engine import Outcome
from study.spec.folder import OutFolder, SearchFolder
from study.spec.records import PlanKind, PlanRecord
from study.spec.versions import versions
from study.store.ledger import Ledger
from study.store.plan_file import add_command, read_commands, read_plan
from study.store.registration import read_registration
from study.store.table import write_table

WRITING = "computing the statistics and drawing the report"


@dataclass(frozen=True)
class Request:
    """A report as the command line asks for it.

    Attributes
    ----------
    options
        Columns, metric, reference and margin.
    alpha
        Level of the tests; None: the study's own, or what reports take for that.
    draw
        Patterns of data sets whose edges, training and pairs are drawn.
    command
        The command as it was typed.
    """

    options: ReportOptions = DEFAULTS
    alpha: float | None = None
    draw: tuple[str, ...] = ()
    command: str = ""

    def with_defaults(self, metric: str | None, margin: float | None, alpha: float | None = None) -> Request:
        """Return the request with a study's metric, margin and level where it names none."""
        options = replace(self.options, metric=self.options.metric or metric, margin=self.options.margin or margin)
        return replace(self, options=options, alpha=self.alpha or alpha)

    @property
    def complete_options(self) -> ReportOptions:
        """The options with the level in place."""
        return replace(self.options, alpha=self.alpha or self.options.alpha)


def report(source: Path, out: Path | None, request: Request) -> None:
    """Write the report of a study's folder or of any tidy table, and print its findings."""
    console = make_console()
    folder = OutFolder(source)
    if folder.search.summary.exists() and not folder.plan.exists():
        _refuse_sealed(request, folder)
        return report_search(source, out or folder.search.report, console, request.command)
    plan = read_plan(source) if source.is_dir() else None
    if plan is not None:
        records = Ledger(source).read_all(row.cell for row in plan.rows)
        if not records:
            raise KnockoutError("no cell has ended yet; there is nothing to report.", where=str(source))
        table_file, out = write_table(plan.rows, records, source), out or folder.report
        request = request.with_defaults(plan.metric, plan.margin, plan.alpha)
    else:
        table_file, out = source, out or Path(f"report-{source.stem}")
    refuse_folder(out, table=digest(table_file))
    options = request.complete_options
    provenance = provenance_of((*read_commands(source), request.command))
    with busy(WRITING):
        analysis = analyse(replace(load(table_file, options), planned=_planned(source, plan)), options)
        written = write(analysis, out, provenance=provenance, draw=request.draw, **_stored_beside(source, plan))
    _show_findings(console, analysis, written)
    console.print(f"report: {written.page.resolve()}", soft_wrap=True)


def _refuse_sealed(request: Request, folder: OutFolder) -> None:
    """Refuse options that cannot act on the page of a search whose test is sealed, for it compares no arms."""
    search, options = read_search(folder.search), request.options
    if search is None:
        return
    if options.metric is not None and canonical_metric(options.metric) != search.metric:
        raise KnockoutError(f"this search was judged by {search.metric}, not {options.metric!r}.", where="--metric")
    if options.reference is not None and plain(options.reference) != plain(search.reference):
        message = f"the reference of this search is {search.reference!r}, not {options.reference!r}."
        raise KnockoutError(message, where="--reference")
    asked = {"arm": options.arm, "block": options.block, "dataset": options.dataset, "margin": options.margin}
    asked |= {"alpha": request.alpha, "draw": request.draw}
    given = [f"--{name}" for name, value in asked.items() if value]
    if given:
        raise KnockoutError(
            f"the test of this search is sealed, so its page compares no arms and {joined(given, 6)} cannot act. Leave "
            "it out, or run knockout confirm first.",
            where=given[0],
        )


def report_search(out: Path, page_out: Path, console: Console, command: str = "") -> None:
    """Write the page of a search alone, its test sealed, and print what it says."""
    folder = OutFolder(out).search
    search = show_search(folder, page_out, (*read_commands(out), command), console)
    console.print(f"trials:  {folder.trial_table.resolve()}", soft_wrap=True)
    console.print(f"Optuna:  optuna-dashboard {redact(search.storage, search.storage)}", soft_wrap=True)


def show_search(folder: SearchFolder, page_out: Path, commands: tuple[str, ...], console: Console) -> Search:
    """Write the page of a search, print what it says, and return the search."""
    with busy(WRITING):
        page, search = build_search(folder, page_out, provenance=provenance_of(commands)), read_search(folder)
    assert search is not None  # build_search has refused a folder without one
    for sentence in search_summary(search):
        console.print(sentence, soft_wrap=True)
    console.print(f"\nreport:  {page.resolve()}", soft_wrap=True)
    return search


def close(outcome: Outcome, out: Path, console: Console, command: str) -> None:
    """Write the report of what there is, and say where everything lies."""
    if not outcome.done:
        console.print("stopped before any cell ended; run the same command again to go on")
        return
    plan = read_plan(out)
    options = Request().with_defaults(outcome.metric, plan.margin, plan.alpha).complete_options
    with busy(WRITING):
        table, beside = replace(load(outcome.table, options), planned=_planned(out, plan)), _stored_beside(out, plan)
        analysis = analyse(table, options)
        written = write(analysis, OutFolder(out).report, provenance=provenance_of(add_command(out, command)), **beside)
    for sentence in [
        *planned_lines(analysis),
        *written.sentences,
        *(search_summary(beside["search"]) if beside.get("search") else ()),
    ]:
        console.print(sentence, soft_wrap=True)
    if left := outcome.planned - outcome.done:
        console.print(
            f"\n{left} of {count(outcome.planned, 'cell')} {are(left)} missing; run the same command again to go on."
        )
    if outcome.failed:
        console.print(
            f"\n{count(outcome.failed, 'cell')} failed: knockout status {out} says why; --retry-failed runs them again."
        )
    console.print(f"\nreport:  {written.page.resolve()}", soft_wrap=True)
    console.print(f"table:   {outcome.table.resolve()}", soft_wrap=True)
    console.print(f"MLflow:  {_mlflow(outcome)}", soft_wrap=True)
    if outcome.view and not outcome.remedy:
        server = outcome.tracking_uri if outcome.tracking_uri.startswith("http") else "http://127.0.0.1:5000"
        console.print(f"compare: {server.rstrip('/')}/{outcome.view}", soft_wrap=True, markup=False)


def _mlflow(outcome: Outcome) -> str:
    address = outcome.tracking_uri
    if outcome.remedy:
        return f"{address} {outcome.remedy}"
    return address if address.startswith("http") else f"mlflow ui --backend-store-uri {address}"


def provenance_of(commands: tuple[str, ...]) -> Provenance:
    """Return how a report was made."""
    return Provenance(commands, versions()["git_commit"])


def _planned(out: Path, plan: PlanRecord | None) -> Planned | None:
    """Return what the study of a folder set out to measure: as registered, and as it was last run; None for a table."""
    if plan is None:
        return None
    rows = plan.rows
    cells = {(row.arm, row.block, row.dataset, row.repeat) for row in rows}
    try:
        record = read_registration(out)
    except KnockoutError as error:
        return Planned(_as_read(cells), Registration(broken=str(error)))
    if record is None:
        return Planned(_as_read(cells))
    arms = {row.arm for row in rows} & set(record.arms)  # what was registered and removed is a deviation, not awaited
    sets = record.datasets.items()
    cells |= {(arm, of["block"], name, repeat) for arm in arms for name, of in sets for repeat in record.repeats}
    edited = f"{OutFolder(out).registration.name} was edited after {record.date}: its digest does not fit what it says."
    broken = "" if record.computed == record.digest else edited
    content = {**record.question, "arms": {plain(name): arm for name, arm in record.arms.items()}}
    content["datasets"] = {plain(name): dataset for name, dataset in record.datasets.items()}
    return Planned(
        _as_read(cells),
        Registration(
            record.date, record.digest, record.ended, broken, {**content, "reference": plain(record.reference)}
        ),
    )


def _as_read(cells: set[tuple[str, str, str, int]]) -> frozenset[tuple[str, str, str, int]]:
    """Return cells with names as tables are read."""
    return frozenset((plain(arm), plain(block), plain(dataset), repeat) for arm, block, dataset, repeat in cells)


def _stored_beside(out: Path, plan: PlanRecord | None) -> dict[str, Any]:
    """Return what a study stored beside its table: predictions, curves, embeddings, its search or tuning."""
    if plan is None:
        return {}
    kind, folder = plan.kind, OutFolder(out)
    cells = {
        "predictions": read_predictions(folder.table, folder.predictions_folder),
        "curves": read_curves(folder.table, folder.ledger),
        "embeddings": read_embeddings(folder.table, folder.embeddings_folder),
    }
    if kind is PlanKind.SEARCH:
        return {**cells, "search": read_search(folder.search)}
    return {**cells, "tuning": read_tuning(folder.tuning_table)} if kind is PlanKind.TUNED else cells


def _show_findings(console: Console, analysis: Analysis, written: Written) -> None:
    for sentence in [*planned_lines(analysis), *written.sentences]:
        console.print(sentence, soft_wrap=True)
    table, shown = written.verdicts, ("name", "difference", "interval", "p", "word", "worst")
    if table["rows"]:
        level = f"{confidence(analysis.alpha)} interval"
        columns = [table["head"], table["unit"], level, "p", "verdict", "worst block"]
        lines = [[row[key] for key in shown] for row in table["rows"]]
        console.print()
        show_table(console, f"{analysis.metric}: paired over blocks", columns, lines)
    for refusal in analysis.refusals:
        console.print(f"{refusal.weight}: {refusal.subject}: {refusal.message}", soft_wrap=True)
