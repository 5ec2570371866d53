"""Packs what a reviewer needs of a study: what was asked, what came out, what it was computed with. No data."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from components.core.errors import KnockoutError, redact
from components.tables.csvfile import for_spreadsheets
from reports.options import Provenance
from study.actions.bundle.archive import write_archive, write_files
from study.actions.bundle.derive import FOLDER, TABLE, derive
from study.actions.bundle.manifest import MANIFEST, Manifest, datasets_of, digests
from study.actions.report import sealed
from study.actions.screen import Screen
from study.spec.files import write_first
from study.spec.folder import OutFolder
from study.spec.records import CellRecord, OwnersRecord, PlanRecord, SearchRecord, read_record
from study.spec.versions import versions
from study.store.ledger import Ledger
from study.store.plan_file import read_commands, read_plan
from study.store.table import tidy
from study.study_file.yaml_file import study_text

PACKING = "writing the report of the bundle from its table"
STUDY, ENVIRONMENT = "study.yaml", "environment.txt"


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
    files = {_name(path, out): path.read_bytes() for path in _searched(out) if path.is_file()}
    record = read_record(search.summary, SearchRecord)
    if record is not None:  # its storage may have a password
        shown = record.model_copy(update={"storage": redact(record.storage, record.storage)})
        files[_name(search.summary, out)] = shown.text().encode()
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


def _searched(out: Path) -> tuple[Path, ...]:
    search = OutFolder(out).search
    return search.trial_table, search.confirmed, search.path, search.openings


def _name(path: Path, out: Path) -> str:
    return path.relative_to(out).as_posix()


def _environment() -> str:
    """Return the installed packages and their versions: no addresses, which may hold a token."""
    names = {f"{package.metadata['Name']}=={package.version}" for package in distributions()}
    return "".join(f"{name}\n" for name in sorted(names, key=str.casefold))
