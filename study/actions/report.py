"""Writes the report of a study, of a search, or of any tidy table."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from components.core.errors import KnockoutError
from reports.build import Written, build_search, write
from reports.findings.analysis import analyse
from reports.folder import digest, refuse_folder
from reports.options import DEFAULTS, Planned, Provenance, Registration, ReportOptions
from reports.page.sections.search import search_summary
from reports.page.sentences.planned import planned_lines
from reports.search.reading import read_search, read_tuning
from reports.stored.cells import Curves, Embeddings, Predictions
from reports.stored.mlflow_reader import Experiment
from reports.table.table import load
from reports.words.metrics import ALPHA, canonical_metric
from reports.words.names import plain
from reports.words.numbers import joined
from study.actions.screen import Screen
from study.spec.files import UnwritableError
from study.spec.folder import OutFolder, SearchFolder
from study.spec.machine import versions
from study.spec.records import CellRecord, PlanKind, PlanRecord
from study.store.ledger import Ledger
from study.store.plan_file import add_command, read_commands, read_plan
from study.store.registration import read_registration
from study.store.table import write_table

WRITING = "computing the statistics and drawing the report"


@dataclass(frozen=True)
class Request:
    """A report as a user asks for it."""

    options: ReportOptions = DEFAULTS  # columns, metric, reference and margin
    alpha: float | None = None  # level of the tests; None: the study's own, or what reports take for that
    draw: tuple[str, ...] = ()  # patterns of data sets whose edges, training and pairs are drawn
    command: str = ""  # the command as it was typed
    as_pdf: bool = False  # whether figures are written as PDF, too
    processes: int = 1  # that draw at a time

    def with_defaults(self, study: PlanRecord | Experiment) -> Request:
        """Return the request with a study's metric, margin and level where it names none."""
        metric, margin = self.options.metric or study.metric, self.options.margin or study.margin
        options = replace(self.options, metric=metric, margin=margin)
        return replace(self, options=options, alpha=self.alpha or study.alpha)


def report(source: Path, out: Path | None, request: Request, screen: Screen) -> Written:
    """Write the report of a study's folder, or of any tidy table; the table in a study's folder has the study's plan.

    Raises
    ------
    KnockoutError
        If no cell has ended, or an option cannot act.
    ReportError
        If the table cannot be analysed, or the report cannot be written.
    """
    folder = OutFolder(source)
    if sealed(source):
        _refuse_sealed(request, folder)
        commands = (*read_commands(source), request.command)
        return report_search(folder.search, out or folder.search.report, commands, screen, as_pdf=request.as_pdf)
    if not source.is_dir():
        return report_table(source, out or Path(f"report-{source.stem}"), request, screen, _plan_of(source), None)
    plan, records = ended_cells(source)
    page_out = out or folder.report
    with tempfile.TemporaryDirectory() as aside:
        table = _write_table(plan, records, source, Path(aside) if out else None)
        refuse_folder(page_out, table=digest(table))
        provenance = provenance_of((*read_commands(source), request.command))
        return report_study(source, plan, table, page_out, request, provenance, screen)


def report_table(
    table: Path, out: Path, request: Request, screen: Screen, planned: Planned | None, search: SearchFolder | None
) -> Written:
    """Write the report of a table; ``planned`` says what was to be measured, ``search`` whose arms it confirms."""
    refuse_folder(out, table=digest(table))
    with screen.busy(WRITING):
        beside = {"search": read_search(search)} if search else {}
        return _write(table, out, request, provenance_of((request.command,)), planned, beside)


def report_study(
    study: Path, plan: PlanRecord, table: Path, out: Path, request: Request, provenance: Provenance, screen: Screen
) -> Written:
    """Write the report of a study's table, with what the study stored beside it."""
    with screen.busy(WRITING):
        beside = _stored_beside(study, plan, table) | {"draw": request.draw}
        return _write(table, out, request.with_defaults(plan), provenance, planned_of(study, plan), beside)


def report_run(out: Path, command: str, screen: Screen, processes: int = 1) -> Written:
    """Write the report of what a run left in ``out``, and write down the command that ran it."""
    folder, provenance = OutFolder(out), provenance_of(add_command(out, command))
    request = Request(processes=processes)
    return report_study(out, read_plan(out), folder.table, folder.report, request, provenance, screen)


def ended_cells(source: Path) -> tuple[PlanRecord, dict[str, CellRecord]]:
    """Return the plan of a study and the records of the cells that have ended; refuse a study without any."""
    plan = read_plan(source)
    records = Ledger(source).read_all(row.cell for row in plan.rows)
    if not records:
        raise KnockoutError(
            "no cell has ended yet; `knockout run` goes on, `knockout status` says how far.", where=str(source)
        )
    return plan, records


def sealed(source: Path) -> bool:
    """Return whether a folder holds a search whose test was never opened."""
    folder = OutFolder(source)
    return folder.search.summary.exists() and not folder.plan.exists()


def _write_table(plan: PlanRecord, records: Mapping[str, CellRecord], source: Path, aside: Path | None) -> Path:
    """Write the table of a study into its folder, or aside where that cannot be written and the page goes elsewhere."""
    try:
        return write_table(plan.rows, records, source)
    except UnwritableError as error:
        if aside is None:
            raise KnockoutError(f"{error.message} Name another folder with --out.", where=error.where) from None
        return write_table(plan.rows, records, aside / source.resolve().name)  # the page names a table by its folder


def _plan_of(table: Path) -> Planned | None:
    """Return the plan of the study whose own table this is: half-way it is no more of a result than its folder is."""
    folder = OutFolder(table.parent)
    own = table.name == folder.table.name and folder.plan.exists()
    return planned_of(table.parent, read_plan(table.parent)) if own else None


def _write(
    table: Path, out: Path, request: Request, provenance: Provenance, planned: Planned | None, beside: dict[str, Any]
) -> Written:
    """Analyse a table and write its report, with what lies beside it."""
    options = replace(request.options, alpha=request.alpha or ALPHA)
    with threadpool_limits(1):  # on arrays this small threads only wait, spinning
        analysis = analyse(replace(load(table, options), planned=planned), options)
        written = write(
            analysis, out, provenance=provenance, as_pdf=request.as_pdf, processes=request.processes, **beside
        )
    searched = search_summary(beside["search"]) if beside.get("search") else ()
    return replace(written, sentences=(*planned_lines(analysis), *written.sentences, *searched), analysis=analysis)


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
    values = {"arm": options.arm, "block": options.block, "dataset": options.dataset, "margin": options.margin}
    values |= {"alpha": request.alpha, "draw": request.draw}
    flags = [f"--{name}" for name, value in values.items() if value]
    if flags:
        raise KnockoutError(
            f"the test of this search is sealed, so its page compares no arms and {joined(flags, 6)} cannot act. Leave "
            "it out, or run knockout confirm first.",
            where=flags[0],
        )


def report_search(
    folder: SearchFolder, page_out: Path, commands: tuple[str, ...], screen: Screen, *, as_pdf: bool = False
) -> Written:
    """Write the page of a search alone, its test sealed."""
    with screen.busy(WRITING):
        page = build_search(folder, page_out, provenance=provenance_of(commands), as_pdf=as_pdf)
        search = read_search(folder)
    assert search is not None  # build_search has refused a folder without one
    return Written(page, tuple(search_summary(search)))


def provenance_of(commands: tuple[str, ...]) -> Provenance:
    """Return how a report was made."""
    return Provenance(commands, versions()["git_commit"])


def planned_of(out: Path, plan: PlanRecord) -> Planned:
    """Return what the study of a folder set out to measure: as registered, and as it was last run."""
    rows = plan.rows
    cells = {(row.arm, row.block, row.dataset, row.repeat) for row in rows}
    try:
        record = read_registration(out)
    except KnockoutError as error:
        return Planned(as_read(cells), Registration(broken=str(error)))
    file = OutFolder(out).registration.name
    if record is None:
        gone = f"{file}, digest {plan.registered[:12]}, was there when cells were first run, and is gone."
        return Planned(as_read(cells), Registration(broken=gone) if plan.registered else None)
    arms = {row.arm for row in rows} & set(record.arms)  # what was registered and removed is a deviation, not awaited
    sets = record.datasets.items()
    cells |= {(arm, of["block"], name, repeat) for arm in arms for name, of in sets for repeat in record.repeats}
    broken = ""
    if record.computed != record.digest:
        broken = f"{file} was edited after {record.date}: its digest does not fit what it says."
    elif plan.registered not in ("", record.digest):
        broken = f"{file} was replaced: when cells were first run, it had the digest {plan.registered[:12]}."
    content = {**record.question, "reference": plain(record.reference)}
    for names in ("arms", "datasets"):
        content[names] = {plain(name): known for name, known in content[names].items()}
    return Planned(as_read(cells), Registration(record.date, record.digest, record.ended, broken, content))


def as_read(cells: set[tuple[str, str, str, int]]) -> frozenset[tuple[str, str, str, int]]:
    """Return cells with names as tables are read."""
    return frozenset((plain(arm), plain(block), plain(dataset), repeat) for arm, block, dataset, repeat in cells)


def _stored_beside(out: Path, plan: PlanRecord, table: Path) -> dict[str, Any]:
    """Return what a study stored beside its table: predictions, curves, embeddings, its search or tuning."""
    kind, folder = plan.kind, OutFolder(out)
    cells = {
        "predictions": Predictions.beside(table, folder.predictions_folder),
        "curves": Curves.beside(table, folder.ledger),
        "embeddings": Embeddings.beside(table, folder.embeddings_folder),
    }
    if kind is PlanKind.SEARCH:
        return {**cells, "search": read_search(folder.search)}
    return {**cells, "tuning": read_tuning(folder.tuning_table)} if kind is PlanKind.TUNED else cells
