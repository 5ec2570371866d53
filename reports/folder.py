"""The folder of a report: which files in it an earlier report wrote, and how a new one takes their place."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from reports.errors import ReportError

PAGE, SHORT, PARTS = "report.html", "report.md", ("tables", "figures")
LIST, LOCK = ".report.json", ".report.lock"  # file to the SHA-256 it was written with; kept while files change
WAIT_S = 30.0  # files are renamed in less than a second: whoever holds the lock for longer is suspended
_MEND = "Move it, or name another folder with --out."


def refuse_folder(out: Path, *, table: str = "", beside: Iterable[str] = ()) -> None:
    """Refuse a folder that the report cannot take, before anything is computed.

    Parameters
    ----------
    out
        Folder of the report.
    table
        SHA-256 of the table that the report is made of: it is not replaced, whoever wrote it.
    beside
        Files that are written beside the report.

    Raises
    ------
    ReportError
        If the folder cannot be made or written to, or what has the name of a file of the report is somebody's own.
    """
    _refuse_unwritable(out)
    _refuse_files(out, PARTS)
    read = [name for name in _listed(out) if table and digest(out / name) == table and "/" in name]
    _refuse(out, [PAGE, SHORT, *beside, *read], table)


def publish(stage: Path, out: Path, *, table: str = "") -> None:
    """Put the staged files of a report in the place of those that an earlier one wrote; all others stay.

    Raises
    ------
    ReportError
        If a file that no report wrote has the name of a new one, or another process does not give the folder back;
        nothing is changed then.
    """
    new = _files(stage, (*PARTS, PAGE, SHORT))
    with _held(out):
        listed, wrote = _listed(out), _wrote(out)
        stale = [name for name in _files(out, PARTS) if name in listed and name not in new and wrote(name)]
        stale = [name for name in stale if digest(out / name) != table]
        _take(out, new, table)
        for name in stale:
            (out / name).unlink(missing_ok=True)
            with suppress(OSError):  # a folder that holds more than a report put there stays
                (out / name).parent.rmdir()
        for part in PARTS:
            (out / part).mkdir(exist_ok=True)
        beside = {name for name in listed if "/" not in name}
        _remember(out, {name: known for name, known in _listed(out).items() if name in {*new, *beside}})


def put_beside(file: Path, out: Path) -> None:
    """Put the table of a report beside its page, in the place of one that an earlier report put there.

    Raises
    ------
    ReportError
        If a file that no report wrote has its name, or another process does not give the folder back.
    """
    # first into the folder, for a file is renamed within one file system only
    with _held(out), tempfile.TemporaryDirectory(dir=out, prefix=".report-") as stage:
        _take(out, {file.name: Path(shutil.copy(file, stage))})


def digest(path: Path) -> str:
    """Return the SHA-256 of a file of a report; nothing for what is no readable file."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


@contextmanager
def _held(out: Path) -> Iterator[None]:
    """Hold the lock of a folder, which says who holds it; refuse one that another process does not give back."""
    file = out / LOCK
    try:
        with FileLock(file, timeout=WAIT_S):
            with suppress(OSError):  # a full disk
                file.write_text(f"process {os.getpid()} on {platform.node()}", encoding="utf-8")
            yield
    except Timeout:
        owner = file.read_text(encoding="utf-8", errors="replace").strip() or "another process"
        raise ReportError(
            f"{owner} has been writing a report here for {WAIT_S:.0f} s; is it suspended? Resume or end it, or name "
            "another folder with --out.",
            where=str(out),
        ) from None


def _take(out: Path, new: Mapping[str, Path], table: str = "") -> None:
    """Move files to their names, the page last: whoever sees it new finds its tables and figures beside it."""
    _refuse_files(out, (folder.as_posix() for name in new for folder in reversed(Path(name).parents)))
    _refuse(out, new, table)
    listed = _listed(out)
    written = {name: digest(file) for name, file in new.items()}
    before = {name: digest(out / name) for name in new}
    # either state of a file is a report's own while they are moved, so that a kill leaves nothing that looks foreign
    _remember(out, listed | {name: [before[name], written[name]] for name in new})
    try:
        for name in sorted(new, key=lambda name: name == PAGE):
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            new[name].replace(out / name)
    except OSError as error:
        raise _unwritable(out, error) from None
    _remember(out, listed | {name: [written[name]] for name in new})


def _refuse_unwritable(out: Path) -> None:
    """Make the folder and what is missing above it, or a file in it, and leave nothing of that."""
    missing = [path for path in (out, *out.parents) if not os.path.lexists(path)]
    try:
        for path in reversed(missing):
            path.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except NotADirectoryError:
        file = next(path for path in (out, *out.parents) if os.path.lexists(path))
        raise ReportError("this is a file; a report is written to a folder.", where=str(file)) from None
    except OSError as error:
        raise _unwritable(out, error) from None
    finally:
        for path in missing:
            with suppress(OSError):
                path.rmdir()


def _refuse(out: Path, names: Iterable[str], table: str) -> None:
    wrote = _wrote(out)
    for name in names:
        if not os.path.lexists(out / name):
            continue
        if table and digest(out / name) == table:
            what = "the report is made of this table, and would replace it: an earlier report wrote it."
        elif not wrote(name):
            kind = "folder" if (out / name).is_dir() else "file"
            what = f"this {kind} was not written by an earlier report, or was changed since."
        else:
            continue
        raise ReportError(f"{what} {_MEND}", where=str(out / name))


def _refuse_files(out: Path, folders: Iterable[str]) -> None:
    for name in folders:
        if os.path.lexists(out / name) and not (out / name).is_dir():
            raise ReportError(f"this is a file; a report has a folder of that name. {_MEND}", where=str(out / name))


def _wrote(out: Path) -> Callable[[str], bool]:
    """Return whether an earlier report wrote a file of the folder and nobody changed it since."""
    listed = _listed(out)
    return lambda name: digest(out / name) in set(listed.get(name, ())) - {""}


def _listed(out: Path) -> dict[str, list[str]]:
    try:
        files = json.loads((out / LIST).read_text(encoding="utf-8"))["files"]
        return {name: [*map(str, known)] for name, known in files.items()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        raise ReportError(
            f"the list of what an earlier report wrote here cannot be read ({error!r}); delete it, or name another "
            "folder with --out.",
            where=str(out / LIST),
        ) from None


def _remember(out: Path, files: Mapping[str, list[str]]) -> None:
    text = json.dumps({"files": {name: files[name] for name in sorted(files)}}, indent=1) + "\n"
    handle, name = tempfile.mkstemp(dir=out, prefix=LIST)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(name).chmod(0o644)  # as readable as the report beside it: others of the lab may renew it
    Path(name).replace(out / LIST)


def _files(folder: Path, parts: Iterable[str]) -> dict[str, Path]:
    paths = [path for part in parts for path in (folder / part, *sorted((folder / part).rglob("*")))]
    return {path.relative_to(folder).as_posix(): path for path in paths if path.is_file()}


def _unwritable(out: Path, error: OSError) -> ReportError:
    why = error.strerror or str(error)
    return ReportError(f"the report cannot be written here: {why}. Name another folder with --out.", where=str(out))
