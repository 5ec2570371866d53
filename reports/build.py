"""Writes the report: one HTML page, the same in short as Markdown, tables as CSV and LaTeX, figures with numbers."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from reports.errors import ReportError
from reports.figures.analysed import pictures
from reports.figures.canvas import Picture, pdf
from reports.figures.search import search_pictures, tuning_pictures
from reports.figures.stored import edge_pictures, embedding_pictures, matching, training_pictures
from reports.findings.controls.audit import audit, audit_refusals
from reports.findings.controls.topology import beyond_topology
from reports.findings.refusals import unread_refusals
from reports.findings.results import Analysis
from reports.folder import PAGE, SHORT, publish, refuse_folder
from reports.options import Provenance
from reports.page.context import context, search_only
from reports.page.sections.conclusions import conclusion_exports
from reports.page.sections.contributions import contribution_exports
from reports.page.sections.controls import control_exports
from reports.page.sections.search import search_exports
from reports.page.sections.tuning import tuning_exports
from reports.page.tables import Export, exports
from reports.search.reading import SearchFiles, read_search
from reports.search.record import Search, search_refusals, tuning_refusals
from reports.side_by_side import side_by_side
from reports.stored.cells import CellFiles, Curves, Embeddings, Predictions
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
    processes: int = 1,
) -> Written:
    """Write what a study found to ``out``, whole or not at all, and return the page and what it opens with.

    Parameters
    ----------
    analysis
        What the study found, see :func:`reports.findings.analysis.analyse`.
    out
        Folder for ``report.html``, ``tables/`` and ``figures/``. What an earlier report wrote there is replaced or
        removed, everything else is left alone; see :mod:`reports.folder`.
    provenance
        How the study and this report came to be, printed on the page.
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
    processes
        How many draw at a time, see :func:`reports.side_by_side.side_by_side`; one where figures are written as PDF.

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
    searched = search_pictures(search) if search else []
    searched += tuning_pictures(tuning, analysis.metric) if tuning is not None else []
    none: list[Picture] = []
    parts: list[Callable[[], Any]] = [  # the longest first
        lambda: embedding_pictures(analysis, embeddings, datasets) if embeddings else none,
        lambda: pictures(analysis),
        lambda: edge_pictures(analysis, predictions, datasets) if predictions else none,
        lambda: beyond_topology(analysis, predictions.every_part if predictions else None),
        lambda: training_pictures(analysis, curves, datasets) if curves else none,
    ]
    stored = [files for files in (predictions, curves, embeddings) if files]
    outcomes = side_by_side([partial(_with_unread, part, stored) for part in parts], 1 if as_pdf else processes)
    (embedded, analysed, edges, beyond, trained), unread = zip(*outcomes, strict=True)
    drawn, audited = [*analysed, *edges, *trained, *embedded], audit(analysis)
    lost = {path: why for kind in zip(*unread, strict=True) for of in kind for path, why in of.items()}
    refusals = [*analysis.refusals, *audit_refusals(audited), *unread_refusals(lost)]
    refusals += search_refusals(search) if search else []
    refusals += tuning_refusals(tuning) if tuning is not None else []
    analysis = replace(analysis, refusals=tuple(refusals))
    tables = [*exports(analysis), *conclusion_exports(analysis), *contribution_exports(analysis)]
    tables += control_exports(audited, beyond)
    tables += search_exports(search) if search else []
    tables += tuning_exports(tuning) if tuning is not None else []
    drawn, searched = (_named_apart([replace(one, as_pdf=as_pdf) for one in files]) for files in (drawn, searched))
    content = context(analysis, drawn, audited, beyond, provenance, search=search, searched=searched, tuning=tuning)
    page = _publish(out, tables, [*drawn, *searched], content, "report.html.j2", table=table)
    return Written(page, content["sentences"], content["verdicts"])


def _with_unread(part: Callable[[], Any], stored: Sequence[CellFiles]) -> tuple[Any, list[dict[str, str]]]:
    """Return what a part of a report is, and of each kind of stored files why some could not be read, by path."""
    return part(), [files.unread for files in stored]


def build_search(files: SearchFiles, page_out: Path, *, provenance: Provenance = UNKNOWN, as_pdf: bool = False) -> Path:
    """Write the page of a search alone, before its test is opened, and return it.

    Parameters
    ----------
    files
        Where the files of the search lie.
    page_out
        Folder of the page, filled as by :func:`write`.
    provenance
        How the search and this page came to be, printed on it.
    as_pdf
        As in :func:`write`.

    Raises
    ------
    ReportError
        If there is no search, or a file of it is damaged, or a file of somebody's own is in the way.
    """
    refuse_folder(page_out)
    search = read_search(files)
    if search is None:
        raise ReportError("no search has been run here.", where=str(files.summary))
    drawn = _named_apart([replace(one, as_pdf=as_pdf) for one in search_pictures(search)])
    content = search_only(search, drawn, provenance)
    return _publish(page_out, search_exports(search), drawn, content, "search_page.html.j2")


def _publish(
    out: Path,
    tables: Sequence[Export],
    drawn: Sequence[Picture],
    content: dict[str, Any],
    template: str,
    table: str = "",
) -> Path:
    new = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(dir=out, prefix=".report-"))
    try:
        _tables(tables, stage / "tables")
        _figures(drawn, stage / "figures")
        if "methods" in content:  # of a study, not of a search alone
            (stage / "tables" / "methods").mkdir()
            for kind, text in (("txt", content["methods"]["text"]), ("tex", content["methods"]["latex"])):
                (stage / "tables" / "methods" / f"methods.{kind}").write_text(f"{text}\n", encoding="utf-8")
            (stage / SHORT).write_text(_render("report.md.j2", content), encoding="utf-8")
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
    for export in _named_apart(tables):
        if export.numbers.columns.empty:
            continue  # a file without a header is no table to any reader
        write_csv(export.numbers, folder / f"{export.name}.csv")
        if export.tex:
            (folder / f"{export.name}.tex").write_text(export.tex, encoding="utf-8")


def _figures(drawn: Sequence[Picture], folder: Path) -> None:
    folder.mkdir()
    for picture in drawn:
        (folder / f"{picture.name}.svg").write_text(picture.svg, encoding="utf-8")
        if picture.as_pdf:
            (folder / f"{picture.name}.pdf").write_bytes(pdf(picture.drawing.figure))
        write_csv(picture.drawing.numbers, folder / f"{picture.name}.csv")


def _render(template: str, content: dict[str, Any]) -> str:
    return _templates().get_template(template).render(content)


@cache
def _templates() -> Environment:
    """Return the templates of pages, compiled once."""
    templates = Environment(
        loader=PackageLoader("reports"),
        autoescape=select_autoescape(["html.j2"]),  # Markdown is no markup
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["counted"] = count
    templates.filters["cell"] = lambda text: str(text).replace("|", "\\|")  # of a table in Markdown
    return templates
