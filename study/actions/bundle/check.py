"""Checks a bundle: every digest, the registration, and the report, which is made again from the table in it."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from components.core.errors import KnockoutError
from reports.errors import ReportError
from reports.options import Provenance
from reports.words.numbers import count
from study.actions.bundle.archive import read_archive, write_files
from study.actions.bundle.compare import difference_of_tables, difference_of_texts
from study.actions.bundle.pack import FOLDER, MANIFEST, STUDY, TABLE, Manifest, datasets_of, derive, digests
from study.actions.screen import Screen
from study.spec.folder import OutFolder
from study.spec.records import parse_record
from study.store.plan_file import read_plan
from study.store.registration import read_registration
from study.study_file.yaml_file import parse_yaml

CHECKING = "making the report of the bundle again from its table"
Step = Callable[[Path, Manifest], Iterator["Finding"]]  # of the unpacked folder
_KEYS = ["arm_digest", "data_digest", "code_digest", "repeat"]  # of a cell, in the table and in the plan
_VERSION = re.compile(r"\D[^\d]* [\w.+!-]{1,80}")  # a library and its version
_QUESTION = ("metric", "margin", "alpha", "looks")


@dataclass(frozen=True)
class Finding:
    """One thing that was compared: what it is, whether it agrees, and what was read or computed."""

    what: str
    agrees: bool
    detail: str


@dataclass(frozen=True)
class Checked:
    """What a check found."""

    # name of the study; SHA-256 of the archive, which tells it from another that agrees with itself
    study: str
    digest: str
    findings: tuple[Finding, ...]  # what was compared

    @property
    def agrees(self) -> bool:
        """Whether everything agrees."""
        return all(finding.agrees for finding in self.findings)


def check(path: Path, screen: Screen) -> Checked:
    """Check a bundle against itself; what it cannot show is that nobody made all of it anew.

    Raises
    ------
    KnockoutError
        If it is no bundle, is damaged, or is made to harm.
    """
    files = read_archive(path)
    if MANIFEST not in files:
        raise KnockoutError(f"no bundle of knockout: there is no {MANIFEST}.", where=str(path))
    manifest = parse_record(files[MANIFEST], Manifest, Path(f"{path}/{MANIFEST}"))
    findings = list(_members(files, manifest))
    inputs = {name: content for name, content in files.items() if name != MANIFEST and not name.startswith("report/")}
    with screen.busy(CHECKING), tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / FOLDER
        write_files(inputs, folder)
        steps: dict[str, Step] = {**STEPS, "report": partial(_report, files=files)}
        for name, step in steps.items():
            try:
                findings += list(step(folder, manifest))
            except (KnockoutError, ReportError) as error:
                findings.append(Finding(name, False, str(error).replace(f"{folder}/", "")))
            except Exception as error:  # nobody vouches for what lies in there: what breaks on it does not agree
                why = f"{type(error).__name__}: {''.join(str(error).splitlines()[:1])}"
                findings.append(Finding(name, False, f"cannot be made of what lies here: {why}"))
    return Checked(manifest.study, hashlib.sha256(path.read_bytes()).hexdigest(), tuple(findings))


def _members(files: dict[str, bytes], manifest: Manifest) -> Iterator[Finding]:
    computed = digests(files)
    for name in sorted({*computed, *manifest.members}):
        known, now = manifest.members.get(name), computed.get(name)
        if known != now:
            why = "not in the archive" if now is None else "not in the manifest" if known is None else "was changed"
            yield Finding(name, False, f"{why}: its digest is {now or '-'}, in the manifest {known or '-'}")
    if computed == manifest.members:
        yield Finding("digests", True, f"{count(len(computed), 'file')} are as the manifest has them")


def _registration(folder: Path, manifest: Manifest) -> Iterator[Finding]:
    path = OutFolder(folder).registration
    if not path.is_file():
        yield Finding("registration", True, "none: the question was not registered")
        return
    parse_yaml(path.read_text(encoding="utf-8", errors="replace"), Path(path.name))  # refuses what unfolds without end
    record = read_registration(folder)
    assert record is not None
    sound = record.computed == record.digest
    message = f"registered on {record.date}, digest {record.digest[:12]}"
    yield Finding("registration", sound, message if sound else f"{message} does not fit what it says: it was edited")


def _plan(folder: Path, manifest: Manifest) -> Iterator[Finding]:
    if not OutFolder(folder).plan.exists():
        yield Finding("plan", manifest.cells == 0, "none: the test of the search is sealed")
        return
    rows = read_plan(folder).rows
    same = manifest.datasets == datasets_of(rows) and manifest.cells == len(rows) and manifest.study == rows[0].study
    sets = count(len(manifest.datasets), "data set")
    text = f"{count(len(rows), 'cell')} on {sets}"
    yield Finding("plan", same, text if same else f"{text}; the manifest has other cells, data sets or data digests")


def _table(folder: Path, manifest: Manifest) -> Iterator[Finding]:
    if not OutFolder(folder).plan.exists():
        return
    try:
        table = pd.read_csv(folder / TABLE, dtype=str, usecols=["cell", *_KEYS])[["cell", *_KEYS]].drop_duplicates()
    except (ValueError, OSError) as error:
        raise KnockoutError(f"not readable: {error}", where=TABLE) from None
    planned = {row.cell: tuple(str(getattr(row, key)) for key in _KEYS) for row in read_plan(folder).rows}
    wrong = [cell for cell, *keys in table.itertuples(index=False, name=None) if planned.get(cell) != tuple(keys)]
    if wrong:
        yield Finding("table", False, f"{count(len(wrong), 'cell')} of the table are not as planned, e.g. {wrong[0]}")
    elif table["cell"].duplicated().any() or len(table) != manifest.ended:
        yield Finding("table", False, f"{count(len(table), 'cell')} in the table, {manifest.ended} in the manifest")
    else:
        detail = f"{len(table)} of {count(len(planned), 'planned cell')} have ended, each as planned"
        yield Finding("table", True, detail)


def _study(folder: Path, manifest: Manifest) -> Iterator[Finding]:
    path = folder / STUDY
    if not path.is_file():
        yield Finding("study", False, f"there is no {STUDY}")
        return
    values = parse_yaml(path.read_text(encoding="utf-8", errors="replace"), Path(STUDY)).values  # noqa: PD011
    unlike = [] if values.get("name") == manifest.study else ["name"]
    if OutFolder(folder).plan.exists():
        plan = read_plan(folder)
        unlike += [key for key in _QUESTION if (values.get(key) or None) != (getattr(plan, key) or None)]
    message = f"{', '.join(unlike)} not as in the plan" if unlike else "asks what the plan asks"
    yield Finding("study", not unlike, message)


STEPS = {"registration": _registration, "plan": _plan, "table": _table, "study": _study}


def _report(folder: Path, manifest: Manifest, files: dict[str, bytes]) -> Iterator[Finding]:
    git_commit = manifest.versions.get("git_commit", "")
    derived, here = derive(folder, git_commit), Provenance((), git_commit).versions
    known = _as_versions(manifest.libraries, here)
    packed = {name: content for name, content in files.items() if name.startswith("report/")}
    exact = 0
    for name in sorted({*packed, *derived}):
        if name not in packed or name not in derived:
            where = "derived from the table, and not in the bundle" if name in derived else "not derived from the table"
            yield Finding(name, False, where)
        elif packed[name] == derived[name]:
            exact += 1
        else:
            yield _compared(name, packed[name], derived[name], (*known, *here), same_versions=known == here)
    if exact:
        yield Finding("report", True, f"{count(exact, 'file')} derived from the table, byte by byte")
    if known != here:
        others = ", ".join(f"{then} (here {now})" for then, now in zip(known, here, strict=True) if then != now)
        yield Finding("versions", True, f"the report was made with {others}")


def _as_versions(packages: Sequence[str], here: Sequence[str]) -> list[str]:
    """Return the libraries that a manifest lists; refuse what is none, for they are struck out of the pages."""
    names = [known.rpartition(" ")[0] for known in here]
    if [one.rpartition(" ")[0] for one in packages] != names or not all(_VERSION.fullmatch(one) for one in packages):
        raise KnockoutError(f"its libraries are not those of a report: {', '.join(names)}.", where=MANIFEST)
    return list(packages)


def _compared(name: str, packed: bytes, derived: bytes, apart: tuple[str, ...], *, same_versions: bool) -> Finding:
    if name.endswith(".csv"):
        unlike = difference_of_tables(packed, derived)
        return Finding(name, not unlike, unlike or "derived from the table, but for last digits")
    if unlike := difference_of_texts(packed, derived, apart):
        return Finding(name, False, unlike)
    if same_versions:
        return Finding(name, False, "says what is derived from the table, but its pictures differ")
    return Finding(name, True, "says what is derived from the table; pictures of other versions are not compared")
