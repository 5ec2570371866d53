"""Brings published data sets to this machine, each file checked by its git blob id.

The collection ``beeline`` is that of Pratapa et al. 2020 (BEELINE, Nat. Methods 17, 147) as Chen & Liu 2022 (GENELink)
lay it out. ``beeline_files.csv`` lists the files of one commit of GENELink's repository.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import re
import shlex
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from urllib.parse import quote

import pooch
from requests.exceptions import HTTPError, RequestException
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from components.core.errors import KnockoutError, UnknownNameError
from components.data.readers import FILES
from study.cli.display import make_console

__all__ = ["SOURCE", "RemoteFile", "blob_id", "choose", "download", "fetch", "listed"]

COLLECTIONS = ("beeline",)
SOURCE = "https://raw.githubusercontent.com/zpliulab/GENELink/4eb816af27f5fe0cb26f9230286401801b251129"
NOTICE = (
    "BEELINE data from https://github.com/zpliulab/GENELink, commit 4eb816a. Its README states the MIT licence (there "
    "is no LICENSE file); the original data keep their own terms (Pratapa et al. 2020 and the studies it draws on)."
)
PAUSES = (1.0, 4.0)  # seconds before each retry
TIMEOUT = 30  # seconds without a byte
PASSING = (408, 425, 429)  # of the client's errors, those that another try may mend
PATH = re.compile(
    r"Dataset/Benchmark Dataset/(?P<network>[A-Za-z][A-Za-z-]*) Dataset/(?P<cell>[A-Za-z][A-Za-z0-9-]*)/"
    r"TFs\+(?P<genes>[0-9]+)/(?P<name>" + "|".join(map(re.escape, FILES)) + ")"
)


@dataclass(frozen=True)
class RemoteFile:
    """One file of the repository: where it lies there, its git blob id, and which data set it belongs to."""

    path: str
    blob: str
    network: str
    cell: str
    genes: str
    name: str

    @property
    def folder(self) -> str:
        """The data set's folder here, as studies write it."""
        return f"{self.network}/{self.cell}/TFs+{self.genes}"


def fetch(
    collection: str = "beeline",
    *,
    networks: Sequence[str] = (),
    cells: Sequence[str] = (),
    genes: Sequence[str] = (),
    to: Path | None = None,
    source: str = SOURCE,
    files: Sequence[RemoteFile] | None = None,
    console: Console | None = None,
) -> Path:
    """Bring the chosen data sets into a folder; what is there already is checked and kept.

    Parameters
    ----------
    collection
        ``beeline``.
    networks, cells, genes
        Which to bring, upper or lower case; empty for all. ``genes`` is the n of ``TFs+<n>``.
    to
        Folder; None for ``beeline`` in the user's cache.
    source
        Address of a copy of the repository.
    files
        What the repository holds; None for the list that ships with knockout.
    console
        Where progress is shown.

    Returns
    -------
    Path
        The folder, for ``knockout run --data``.

    Raises
    ------
    KnockoutError
        If a choice is unknown or a file cannot be brought. Files brought before stay.
    """
    if collection.lower() not in COLLECTIONS:
        raise UnknownNameError.of("collection", collection, COLLECTIONS, where="knockout data fetch")
    if not re.match(r"https?://[^/]", source):
        raise KnockoutError(f"{source!r} is no http:// or https:// address; the default is {SOURCE}.", where="--source")
    wanted = choose(listed() if files is None else files, networks, cells, genes)
    folder = Path(pooch.os_cache("knockout")) / "beeline" if to is None else Path(to).expanduser()
    console = console or make_console()
    console.print(NOTICE, soft_wrap=True)
    _bring_all(wanted, folder, source, console)
    first = shlex.quote(str(folder / wanted[0].network / wanted[0].cell))
    console.print(f"data: {folder.resolve()}", soft_wrap=True)
    console.print(f"next: knockout data check {first}", soft_wrap=True)
    return folder


def listed(text: str | None = None) -> tuple[RemoteFile, ...]:
    """Read a list of files (CSV: path, git_blob_sha1); None for the one that ships with knockout.

    Raises
    ------
    KnockoutError
        If a path is none of GENELink's: it could lead out of the folder.
    """
    if text is None:
        text = (resources.files("components.data") / "beeline_files.csv").read_text(encoding="utf-8")
    files = []
    for line, row in enumerate(csv.reader(text.splitlines()[1:]), start=2):
        path, blob = row if len(row) == 2 else (",".join(row), "")
        found = PATH.fullmatch(path)
        if not found or not re.fullmatch("[0-9a-f]{40}", blob):
            allowed = (
                "'Dataset/Benchmark Dataset/<network> Dataset/<cell>/TFs+<n>/<file>' and a git blob id of 40 digits"
            )
            message = f"{path!r}, {blob!r} is refused; expected {allowed}."
            raise KnockoutError(message, where=f"list of files, line {line}")
        files.append(RemoteFile(path, blob, **found.groupdict()))
    return tuple(files)


def choose(
    files: Iterable[RemoteFile], networks: Sequence[str] = (), cells: Sequence[str] = (), genes: Sequence[str] = ()
) -> tuple[RemoteFile, ...]:
    """Keep the files of some networks, cell types and gene selections, in the order asked for, in any case of letters.

    Raises
    ------
    KnockoutError
        If a name is unknown, or nothing is left of one that was asked for.
    """
    files = tuple(files)
    asked = {"network": networks, "cell": cells, "genes": genes}
    kept = {key: _known(key, given, [getattr(file, key) for file in files]) for key, given in asked.items()}
    chosen = tuple(file for file in files if all(getattr(file, key) in names for key, names in kept.items()))
    for key, given in asked.items():
        for name in kept[key] if given else ():
            if all(getattr(file, key) != name for file in chosen):
                others = [f"--{k} {n}" for k, names in asked.items() if k != key and names for n in kept[k]]
                there = dict.fromkeys(file.folder for file in files if getattr(file, key) == name)
                message = f"{name!r} has no folder with {' '.join(others)}; it has {', '.join(there)}."
                raise KnockoutError(message, where=f"--{key}")
    return tuple(sorted(chosen, key=lambda file: [names.index(getattr(file, key)) for key, names in kept.items()]))


def download(file: RemoteFile, to: Path, source: str = SOURCE) -> bool:
    """Bring one file unless it is there; return whether it had to be brought.

    It is written under another name beside its place and moved there once its content is known to be right.

    Raises
    ------
    KnockoutError
        With the address, what was expected and what came, if it did not come in three tries.
    """
    path = to / file.folder / file.name
    url = f"{source.rstrip('/')}/{quote(file.path)}"
    fault = ""
    try:
        if path.is_file() and blob_id(path) == file.blob:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        for pause in (0.0, *PAUSES):
            time.sleep(pause)
            fault = _attempt(url, path, file.blob)
            if not fault:
                return True
    except OSError as error:  # a full disk, a folder that may not be written
        raise KnockoutError(f"the file cannot be written: {error.strerror or error}.", where=str(path)) from error
    message = f"{fault}, at the last of {1 + len(PAUSES)} tries; expected git blob {file.blob}."
    raise KnockoutError(f"{message} Files fetched before stay; run the same command again to go on.", where=url)


def blob_id(path: Path) -> str:
    """Return the id that git gives a file's content."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _known(key: str, given: Iterable[str], existing: Iterable[str]) -> tuple[str, ...]:
    """Return the names as they are written in the list; all for none."""
    by_lower = {name.lower(): name for name in existing}
    for name in given:
        if name.lower() not in by_lower:
            raise UnknownNameError.of(key, name, by_lower.values(), where=f"--{key}")
    return tuple(by_lower[name.lower()] for name in given) or tuple(by_lower.values())


def _bring_all(files: Sequence[RemoteFile], to: Path, source: str, console: Console) -> None:
    """Download folder after folder: one line for each, and a bar on a terminal."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("files", total=len(files))
        for folder, group in itertools.groupby(files, key=lambda file: file.folder):
            brought = []
            for file in group:
                progress.update(task, description=f"{folder}/{file.name}")
                brought.append(download(file, to, source))
                progress.advance(task)
            counts = {"fetched": sum(brought), "there already": len(brought) - sum(brought)}
            said = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
            console.print(f"{folder}: {said}", soft_wrap=True)


def _attempt(url: str, path: Path, blob: str) -> str:
    """Download a file and put it in its place if it is the right one; return what went wrong, if anything."""
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    get: Callable[..., object] = pooch.HTTPDownloader(chunk_size=1 << 16, timeout=TIMEOUT)
    try:
        get(url, str(part), None)
        came = blob_id(part)
        if came != blob:
            return f"another content came, git blob {came} ({part.stat().st_size} bytes)"
        part.replace(path)
        return ""
    except HTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        answer = str(error).partition(" for url")[0]
        if 400 <= status < 500 and status not in PASSING:
            raise KnockoutError(f"the server answers: {answer}; expected git blob {blob}.", where=url) from error
        return f"the server answers: {answer}"
    except RequestException as error:
        return f"the download failed: {_cause(error)}"
    finally:
        part.unlink(missing_ok=True)


def _cause(error: RequestException) -> str:
    """Say in a few words what requests wraps in layers."""
    inner = error.args[0] if error.args else error
    inner = getattr(inner, "reason", None) or inner
    said = next((word for word in getattr(inner, "args", ()) if isinstance(word, str)), str(inner))
    text = " ".join(said.split())
    return re.sub(r"^HTTPS?Connection(Pool)?\([^)]*\): ", "", text) or type(error).__name__
