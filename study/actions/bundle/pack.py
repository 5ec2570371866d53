"""Packs what a reviewer needs of a study: what was asked, what came out, what it was computed with. No data.

The report in it is made of its table and records alone, so that anybody can make it again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from components.core.errors import KnockoutError, redact
from components.tables.csvfile import for_spreadsheets
from reports.build import build_search
from reports.folder import LIST, LOCK
from reports.options import Provenance
from study.actions.bundle.archive import write_archive, write_files
from study.actions.report import Request, ended_cells, report_study, sealed
from study.actions.screen import Screen
from study.spec.files import write_first
from study.spec.folder import OutFolder
from study.spec.machine import versions
from study.spec.records import CellRecord, CellRow, OwnersRecord, PlanRecord, Record, SearchRecord, read_record
from study.store.plan_file import read_commands, read_plan
from study.store.table import tidy
from study.study_file.yaml_file import study_text

FOLDER = "bundle"  # as a page names the folder of its table
TABLE = "cells.csv"
PARTS = ("report.html", "report.md", "tables")
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
    plan, records = (None, {}) if sealed(out) else ended_cells(out)
    rows, search = plan.rows if plan else [], read_record(OutFolder(out).search.summary, SearchRecord)
    study = rows[0].study if rows else search.study if search else ""
    files = _inputs(out, study, plan, records, search)
    with screen.busy("writing the report of the bundle from its table"), tempfile.TemporaryDirectory() as temporary:
        stage = Path(temporary) / FOLDER
        write_files(files, stage)
        files |= derive(stage, versions()["git_commit"])
        manifest = Manifest(
            study=study,
            cells=len(rows),
            ended=len(records),
            datasets=datasets_of(rows),
            versions=versions(),
            libraries=Provenance((), versions()["git_commit"]).versions,
            members=digests(files),
        )
        files[MANIFEST] = (json.dumps(manifest.model_dump(mode="json"), indent=1, sort_keys=True) + "\n").encode()
        archive = Path(temporary) / "bundle.zip"
        write_archive(files, archive)
        content = archive.read_bytes()
    if not write_first(to, lambda path: path.write_bytes(content)) and to.read_bytes() != content:
        raise KnockoutError("another file is there already; name a new one with --to, or remove it.", where=str(to))
    return Packed(to, hashlib.sha256(content).hexdigest(), tuple(sorted(files)))


def _inputs(
    out: Path, study: str, plan: PlanRecord | None, records: dict[str, CellRecord], search: SearchRecord | None
) -> dict[str, bytes]:
    """Return what the report is made of, and what else a reviewer reads: study, commands, environment."""
    folder, of_search = OutFolder(out), OutFolder(out).search
    optional = [of_search.trial_table, of_search.confirmed, of_search.path, of_search.openings]
    files: dict[str, str] = {}
    if plan is not None:
        optional += [folder.registration, folder.tuning_table]
        table = tidy(plan.rows, records)
        table["reason"] = table["reason"].map(redact)
        files[folder.plan.name] = plan.text()
        files[TABLE] = for_spreadsheets(table).to_csv(index=False, lineterminator="\n")
    if search is not None:  # its storage may have a password
        redacted = search.model_copy(update={"storage": redact(search.storage, search.storage)})
        files[of_search.summary.relative_to(out).as_posix()] = redacted.text()
    owners = read_record(folder.owners, OwnersRecord)
    if owners and study in owners.studies:
        files[STUDY] = study_text(study, owners.studies[study])
    files[folder.commands.name] = "".join(f"{line}\n" for line in read_commands(out))
    # no addresses of packages, which may hold a token
    packages = {f"{package.metadata['Name']}=={package.version}" for package in distributions()}
    files[ENVIRONMENT] = "".join(f"{package}\n" for package in sorted(packages, key=str.casefold))
    stored = {path.relative_to(out).as_posix(): path.read_bytes() for path in optional if path.is_file()}
    return stored | {name: text.encode() for name, text in files.items()}


def derive(folder: Path, git_commit: str) -> dict[str, bytes]:
    """Return the files of the report of an unpacked bundle by their names in it; nothing in ``folder`` is changed.

    The name of ``folder`` is :data:`FOLDER`; ``git_commit`` is that of the checkout that packed it.
    """
    out, page_out = OutFolder(folder), folder.parent / "derived"
    shutil.rmtree(page_out, ignore_errors=True)
    provenance = Provenance(read_commands(folder), git_commit)
    if out.plan.exists():
        report_study(folder, read_plan(folder), folder / TABLE, page_out, Request(), provenance, Screen())
    else:
        build_search(out.search, page_out, provenance=provenance)
    paths = [path for path in sorted(page_out.rglob("*")) if path.is_file() and path.name not in (LIST, LOCK)]
    names = {path.relative_to(page_out).as_posix(): path for path in paths}
    return {f"report/{name}": path.read_bytes() for name, path in names.items() if name.split("/")[0] in PARTS}
