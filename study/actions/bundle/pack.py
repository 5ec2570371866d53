"""Packs what a reviewer needs of a study: what was asked, what came out, what it was computed with. No data.

The report in it is made of its table and records alone, so that anybody can make it again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import distributions
from pathlib import Path

from components.core.errors import KnockoutError, redact
from components.tables.csvfile import for_spreadsheets
from reports.build import build_search, write
from reports.findings.analysis import analyse
from reports.folder import LIST, LOCK
from reports.options import DEFAULTS, Provenance
from reports.search.reading import read_search, read_tuning
from reports.table.table import load
from study.actions.bundle.archive import write_archive, write_files
from study.actions.report import Request, planned_of, sealed
from study.actions.screen import Screen
from study.spec.files import write_first
from study.spec.folder import OutFolder
from study.spec.machine import versions
from study.spec.records import (
    CellRecord,
    CellRow,
    OwnersRecord,
    PlanKind,
    PlanRecord,
    Record,
    SearchRecord,
    read_record,
)
from study.store.ledger import Ledger
from study.store.plan_file import read_commands, read_plan
from study.store.table import tidy
from study.study_file.yaml_file import study_text

FOLDER = "bundle"  # as a page names the folder of its table
TABLE = "cells.csv"
PARTS = ("report.html", "report.md", "tables")
PACKING = "writing the report of the bundle from its table"
MANIFEST, STUDY, ENVIRONMENT = "manifest.json", "study.yaml", "environment.txt"


class Manifest(Record):
    """The first file of a bundle."""

    study: str  # name of the study
    # number of planned cells and of those that have ended; 0 of a search whose test is sealed
    cells: int
    ended: int
    datasets: dict[str, dict[str, str]]  # block, network, exam and data digest of every data set by name
    # what the bundle was packed with, and what its report was computed with
    versions: dict[str, str]
    libraries: list[str]
    members: dict[str, str]  # SHA-256 of every other file by name


def digests(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return the SHA-256 of every file but the manifest, by name."""
    return {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files) if name != MANIFEST}


def datasets_of(rows: Sequence[CellRow]) -> dict[str, dict[str, str]]:
    """Return what planned cells say of their data sets, by name."""
    return {
        row.dataset: {"block": row.block, "network": row.network, "split": row.split, "data": row.data_digest}
        for row in rows
    }


@dataclass(frozen=True)
class Packed:
    """A bundle that was written: its path, its SHA-256, and the names of its files."""

    path: Path
    digest: str
    members: tuple[str, ...]


def bundle(out: Path, to: Path, screen: Screen) -> Packed:
    """Pack the study of an output folder into one archive; the same study gives the same bytes.

    Raises
    ------
    KnockoutError
        If the folder holds no study of which a cell has ended, or another file has the name.
    """
    if to.suffix.lower() != ".zip":
        raise KnockoutError(f"a bundle is a zip archive; name it {to.with_suffix('.zip').name}.", where=str(to))
    plan, records = (None, {}) if sealed(out) else _ended(out)
    files = _common(out, plan) | ({} if plan is None else _design(out, plan, records))
    with screen.busy(PACKING), tempfile.TemporaryDirectory() as temporary:
        stage = Path(temporary) / FOLDER
        write_files(files, stage)
        files |= derive(stage, versions()["git_commit"])
        files[MANIFEST] = _manifest(plan, records, files).encode()
        archive = Path(temporary) / "bundle.zip"
        write_archive(files, archive)
        content = archive.read_bytes()
    if not write_first(to, lambda path: path.write_bytes(content)) and to.read_bytes() != content:
        raise KnockoutError("another file is there already; name a new one with --to, or remove it.", where=str(to))
    return Packed(to, hashlib.sha256(content).hexdigest(), tuple(sorted(files)))


def _ended(out: Path) -> tuple[PlanRecord, dict[str, CellRecord]]:
    """Return the plan of a study whose test is open, and the records of the cells that have ended."""
    plan = read_plan(out)
    records = Ledger(out).read_all(row.cell for row in plan.rows)
    if not records:
        raise KnockoutError("no cell has ended yet; there is nothing to bundle.", where=str(out))
    return plan, records


def _design(out: Path, plan: PlanRecord, records: dict[str, CellRecord]) -> dict[str, bytes]:
    """Return the plan, the tidy table, and what was registered and tuned."""
    folder, table = OutFolder(out), tidy(plan.rows, records)
    table["reason"] = table["reason"].map(redact)
    text = for_spreadsheets(table).to_csv(index=False, lineterminator="\n")
    files = {folder.plan.name: plan.text().encode(), TABLE: text.encode()}
    optional = (folder.registration, folder.tuning_table)
    return files | {_name(path, out): path.read_bytes() for path in optional if path.is_file()}


def _common(out: Path, plan: PlanRecord | None) -> dict[str, bytes]:
    """Return what every bundle has: the study, its commands, its environment, its search."""
    folder, search = OutFolder(out), OutFolder(out).search
    searched = (search.trial_table, search.confirmed, search.path, search.openings)
    files = {_name(path, out): path.read_bytes() for path in searched if path.is_file()}
    record = read_record(search.summary, SearchRecord)
    if record is not None:  # its storage may have a password
        redacted = record.model_copy(update={"storage": redact(record.storage, record.storage)})
        files[_name(search.summary, out)] = redacted.text().encode()
    name = plan.rows[0].study if plan else record.study if record else ""
    owners = read_record(folder.owners, OwnersRecord)
    if owners and name in owners.studies:
        files[STUDY] = study_text(name, owners.studies[name]).encode()
    files[folder.commands.name] = "".join(f"{line}\n" for line in read_commands(out)).encode()
    return files | {ENVIRONMENT: _environment().encode()}


def _manifest(plan: PlanRecord | None, records: dict[str, CellRecord], files: dict[str, bytes]) -> str:
    rows = plan.rows if plan else []
    manifest = Manifest(
        study=rows[0].study if rows else SearchRecord.model_validate_json(files["search/search.json"]).study,
        cells=len(rows),
        ended=len(records),
        datasets=datasets_of(rows),
        versions=versions(),
        libraries=Provenance((), versions()["git_commit"]).versions,
        members=digests(files),
    )
    return json.dumps(manifest.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"


def _name(path: Path, out: Path) -> str:
    return path.relative_to(out).as_posix()


def _environment() -> str:
    """Return the installed packages and their versions: no addresses, which may hold a token."""
    names = {f"{package.metadata['Name']}=={package.version}" for package in distributions()}
    return "".join(f"{name}\n" for name in sorted(names, key=str.casefold))


def derive(folder: Path, git_commit: str) -> dict[str, bytes]:
    """Return the files of the report of an unpacked bundle by their names in it; nothing in ``folder`` is changed.

    The name of ``folder`` is :data:`FOLDER`; ``git_commit`` is that of the checkout that packed it.
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
