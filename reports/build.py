"""Writes the report of a study: one HTML page, tables as CSV and LaTeX, figures with their numbers."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from reports.analysis import analyse
from reports.exports import exports, file_name
from reports.page import Picture, context, pictures
from reports.results import Analysis
from reports.tables import Table

__all__ = ["build", "write"]


def build(table: Table, out: Path, *, alpha: float = 0.05, command: str = "") -> Path:
    """Write what a study found to ``out``, whole or not at all, and return the page.

    Parameters
    ----------
    table
        The tidy table, see :func:`reports.tables.load`.
    out
        Folder for ``report.html``, ``tables/`` and ``figures/``; the last two are replaced as a whole,
        everything else in the folder is left alone.
    alpha
        Level of every family of tests.
    command
        What was typed to make this report, printed on the page.
    """
    return write(analyse(table, alpha=alpha), Path(out), command=command)


def write(analysis: Analysis, out: Path, *, command: str = "") -> Path:
    """Write the report of a study that is analysed already; otherwise as :func:`build`."""
    out.mkdir(parents=True, exist_ok=True)
    drawn = pictures(analysis)
    stage = Path(tempfile.mkdtemp(dir=out, prefix=".report-"))
    try:
        _tables(analysis, stage / "tables")
        _figures(drawn, stage / "figures")
        page = _render(analysis, drawn, command)
        (stage / "report.html").write_text(page, encoding="utf-8")
        # the page goes last: whoever sees it new finds its tables and figures beside it
        for name in ("tables", "figures", "report.html"):
            _replace(stage / name, out / name, stage / f"old-{name}")
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return out / "report.html"


def _replace(new: Path, target: Path, aside: Path) -> None:
    if target.is_dir():
        target.rename(aside)
    new.replace(target)


def _tables(analysis: Analysis, folder: Path) -> None:
    folder.mkdir()
    for export in exports(analysis):
        export.numbers.to_csv(folder / f"{export.name}.csv", index=False)
        if export.tex:
            (folder / f"{export.name}.tex").write_text(export.tex, encoding="utf-8")


def _figures(drawn: list[Picture], folder: Path) -> None:
    folder.mkdir()
    for picture in drawn:
        name = file_name(picture["name"])
        (folder / f"{name}.svg").write_text(picture["svg"], encoding="utf-8")
        picture["numbers"].to_csv(folder / f"{name}.csv", index=False)


def _render(analysis: Analysis, drawn: list[Picture], command: str) -> str:
    pages = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return pages.get_template("report.html.j2").render(context(analysis, drawn, command))
