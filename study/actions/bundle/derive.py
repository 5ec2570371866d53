"""The report of a bundle: made of its table and records alone, so that anybody can make it again."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from reports.build import build_search, write
from reports.findings.analysis import analyse
from reports.folder import LIST, LOCK
from reports.options import DEFAULTS, Provenance
from reports.search.reading import read_search, read_tuning
from reports.table.table import load
from study.actions.report import Request, planned_of
from study.spec.folder import OutFolder
from study.spec.records import PlanKind
from study.store.plan_file import read_commands, read_plan

FOLDER = "bundle"  # as a page names the folder of its table
TABLE = "cells.csv"
PARTS = ("report.html", "report.md", "tables")


def derive(folder: Path, git_commit: str) -> dict[str, bytes]:
    """Return the files of the report of an unpacked bundle by their names in it; nothing in ``folder`` is changed.

    Parameters
    ----------
    folder
        The files of the bundle but for its report; its name is :data:`FOLDER`.
    git_commit
        Of the checkout that packed it.
    """
    out, page_out = OutFolder(folder), folder.parent / "derived"
    shutil.rmtree(page_out, ignore_errors=True)
    provenance = Provenance(read_commands(folder), git_commit)
    if not out.plan.exists():
        build_search(out.search, page_out, provenance=provenance)
        return _files(page_out)
    plan = read_plan(folder)
    options = Request(DEFAULTS).with_defaults(plan.metric, plan.margin, plan.alpha).complete_options
    analysis = analyse(replace(load(folder / TABLE, options), planned=planned_of(folder, plan)), options)
    search = read_search(out.search) if plan.kind is PlanKind.SEARCH else None
    tuning = read_tuning(out.tuning_table) if plan.kind is PlanKind.TUNED else None
    write(analysis, page_out, provenance=provenance, search=search, tuning=tuning)
    return _files(page_out)


def _files(page_out: Path) -> dict[str, bytes]:
    paths = [path for path in sorted(page_out.rglob("*")) if path.is_file() and path.name not in (LIST, LOCK)]
    names = {path.relative_to(page_out).as_posix(): path for path in paths}
    return {f"report/{name}": path.read_bytes() for name, path in names.items() if name.split("/")[0] in PARTS}
