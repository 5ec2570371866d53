"""Writes the report: one HTML page, the same in short as Markdown, tables as CSV and LaTeX, figures with numbers."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from reports.errors import ReportError
from reports.figures.analysed import pictures
from reports.figures.canvas import Picture, pdf
from reports.figures.search import search_pictures, tuning_pictures
from reports.figures.stored import edge_pictures, embedding_pictures, matching, training_pictures
from reports.findings.analysis import analyse
from reports.findings.controls.audit import audit, audit_refusals
from reports.findings.controls.topology import beyond_topology
from reports.findings.refusals import unread_refusals
from reports.findings.results import Analysis
from reports.folder import PAGE, SHORT, publish, refuse_folder
from reports.options import DEFAULTS, Provenance, ReportOptions
from reports.page.context import context, search_only
from reports.page.sections.conclusions import conclusion_exports
from reports.page.sections.contributions import contribution_exports
from reports.page.sections.controls import audit_exports, topology_exports
from reports.page.sections.search import search_exports
from reports.page.sections.tuning import tuning_exports
from reports.page.tables import Export, exports
from reports.search.reading import SearchFiles, read_search
from reports.search.record import Search, search_refusals, tuning_refusals
from reports.stored.cells import CellFiles, Curves, Embeddings, Predictions
from reports.table.table import Table
from reports.words.names import file_names, write_csv
from reports.words.numbers import count

UNKNOWN = Provenance()
File = TypeVar("File", Export, Picture)


@dataclass(frozen=True)
class Written:
    """A report that was written: its page, the sentences it opens with, its first table, and what was found.

    The page of a search whose test is sealed has neither table nor findings.
    """

    page: Path
    sentences: Sequence[str]
    verdicts: Mapping[str, Any] = field(default_factory=dict)
    analysis: Analysis | None = None


def build(table: Table, out: Path, options: ReportOptions = DEFAULTS, *, provenance: Provenance = UNKNOWN) -> Path:
    """Write what a study found to ``out``, whole or not at all, and return the page.

    Parameters
    ----------
    table
        The tidy table, see :func:`reports.table.table.load`.
    out
        Folder for ``report.html``, ``tables/`` and ``figures/``. What an earlier report wrote there is replaced or
        removed, everything else is left alone; see :mod:`reports.folder`.
    options
        Level and margin.
    provenance
        How the study and this report came to be, printed on the page.
    """
    return write(analyse(table, options), Path(out), provenance=provenance).page


def write(
    analysis: Analysis,
    out: Path,
    *,
    provenance: Provenance = UNKNOWN,
    search: Search | None = None,
    tuning: pd.DataFrame | None = None,
    predictions: Predictions | None = None,
    curves: Curves | None = None,
    embeddings: Embeddings | None = None,
    draw: Sequence[str] = (),
    as_pdf: bool = False,
) -> Written:
    """Write the report of an analysis that is there already, and return its page and what it opens with.

    Parameters
    ----------
    analysis
        What the study found.
    out, provenance
        As in :func:`build`.
    search
        The search whose arms the study confirmed, see :func:`reports.search.reading.read_search`.
    tuning
        What tuning every arm got before the comparison, see :func:`reports.search.reading.read_tuning`.
    predictions
        The edges that the cells of the study predicted, see :class:`reports.stored.cells.Predictions`.
    curves
        How its cells were trained, see :class:`reports.stored.cells.Curves`.
    embeddings
        What its models make of test pairs, see :class:`reports.stored.cells.Embeddings`.
    draw
        Data sets, as patterns, whose edges, training and pair vectors are drawn; of the first ones if none is named.
    as_pdf
        Whether figures are written as PDF, too, which takes as long as drawing them.

    Raises
    ------
    ReportError
        If the study has no such data set, or its cells left nothing to draw, or a file of somebody's own is in the way.
    """
    out, table = Path(out), "".join(analysis.provenance.get("table_sha256", ()))
    refuse_folder(out, table=table)
    datasets = matching(analysis, draw)
    if datasets and not (predictions or curves or embeddings):
        raise ReportError("nothing to draw: no predictions, training records or pair vectors lie here.", where="--draw")
    drawn, searched = pictures(analysis), search_pictures(search) if search else []
    searched += tuning_pictures(tuning, analysis.metric) if tuning is not None else []
    drawn += edge_pictures(analysis, predictions, datasets) if predictions else []
    drawn += training_pictures(analysis, curves, datasets) if curves else []
    drawn += embedding_pictures(analysis, embeddings, datasets) if embeddings else []
    audited, beyond = audit(analysis), beyond_topology(analysis, predictions.every_part if predictions else None)
    stored: list[CellFiles] = [files for files in (predictions, curves, embeddings) if files]
    unread = {path: reason for files in stored for path, reason in files.unread.items()}
    analysis = replace(analysis, refusals=(*analysis.refusals, *audit_refusals(audited), *unread_refusals(unread)))
    tables = [*exports(analysis), *conclusion_exports(analysis), *contribution_exports(analysis)]
    tables += [*audit_exports(audited), *topology_exports(beyond)]
    if search:
        analysis = replace(analysis, refusals=(*analysis.refusals, *search_refusals(search)))
        tables += search_exports(search)
    if tuning is not None:
        analysis = replace(analysis, refusals=(*analysis.refusals, *tuning_refusals(tuning)))
        tables += tuning_exports(tuning)
    tables = _named_apart(tables)
    drawn, searched = (_named_apart([replace(one, as_pdf=as_pdf) for one in files]) for files in (drawn, searched))
    content = context(analysis, drawn, audited, beyond, provenance, search=search, searched=searched, tuning=tuning)
    files = [*drawn, *searched]
    markdown = _render("report.md.j2", content)
    page = _publish(out, tables, files, content, markdown=markdown, paragraph=content["methods"], table=table)
    return Written(page, content["sentences"], content["verdicts"])


def build_search(files: SearchFiles, page_out: Path, *, provenance: Provenance = UNKNOWN, as_pdf: bool = False) -> Path:
    """Write the page of a search alone, before its test is opened, and return it.

    Parameters
    ----------
    files
        Where the files of the search lie.
    page_out
        Folder of the page, filled as by :func:`build`.
    provenance
        How the search and this page came to be, printed on it.
    as_pdf
        As in :func:`write`.

    Raises
    ------
    ReportError
        If there is no search, or a file of it is damaged, or a file of somebody's own is in the way.
    """
    refuse_folder(Path(page_out))
    search = read_search(files)
    if search is None:
        raise ReportError("no search has been run here.", where=str(files.summary))
    drawn = _named_apart([replace(one, as_pdf=as_pdf) for one in search_pictures(search)])
    content = search_only(search, drawn, provenance)
    tables = _named_apart(search_exports(search))
    return _publish(Path(page_out), tables, drawn, content, template="search_page.html.j2")


def _publish(
    out: Path,
    tables: Sequence[Export],
    drawn: Sequence[Picture],
    content: dict[str, Any],
    *,
    template: str = "report.html.j2",
    markdown: str = "",
    paragraph: dict[str, str] | None = None,
    table: str = "",
) -> Path:
    new = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(dir=out, prefix=".report-"))
    try:
        _tables(tables, stage / "tables")
        if paragraph is not None:
            _paragraph(paragraph, stage / "tables" / "methods")
        _figures(drawn, stage / "figures")
        if markdown:
            (stage / SHORT).write_text(markdown, encoding="utf-8")
        (stage / PAGE).write_text(_render(template, content), encoding="utf-8")
        publish(stage, out, table=table)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        if new and not any(out.iterdir()):
            out.rmdir()
    return out / PAGE


def _named_apart(files: Sequence[File]) -> list[File]:
    """Give every table, or every figure, the name of a file of its own."""
    return [replace(one, name=name) for one, name in zip(files, file_names(f.name for f in files), strict=True)]


def _tables(tables: Sequence[Export], folder: Path) -> None:
    folder.mkdir()
    for export in tables:
        if export.numbers.columns.empty:
            continue  # a file without a header is no table to any reader
        write_csv(export.numbers, folder / f"{export.name}.csv")
        if export.tex:
            (folder / f"{export.name}.tex").write_text(export.tex, encoding="utf-8")


def _paragraph(methods: dict[str, str], folder: Path) -> None:
    folder.mkdir()
    (folder / "methods.txt").write_text(methods["text"] + "\n", encoding="utf-8")
    (folder / "methods.tex").write_text(methods["latex"] + "\n", encoding="utf-8")


def _figures(drawn: Sequence[Picture], folder: Path) -> None:
    folder.mkdir()
    for picture in drawn:
        (folder / f"{picture.name}.svg").write_text(picture.svg, encoding="utf-8")
        if picture.as_pdf:
            (folder / f"{picture.name}.pdf").write_bytes(pdf(picture.drawing.figure))
        write_csv(picture.drawing.numbers, folder / f"{picture.name}.csv")


def _render(template: str, content: dict[str, Any]) -> str:
    return _templates(escaped=template.endswith(".html.j2")).get_template(template).render(content)


@cache
def _templates(*, escaped: bool) -> Environment:
    """Return the templates of pages, compiled once."""
    templates = Environment(
        loader=PackageLoader("reports"),
        autoescape=escaped,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["counted"] = count
    templates.filters["cell"] = lambda text: str(text).replace("|", "\\|")  # of a table in Markdown
    return templates
