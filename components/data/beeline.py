"""Brings published data sets to this machine, each file checked by its git blob id.

The collection ``beeline`` is that of Pratapa et al. 2020 (BEELINE, Nat. Methods 17, 147) as Chen & Liu 2022 (GENELink)
lay it out. ``beeline_files.csv`` lists the files of one commit of GENELink's repository.
"""

from __future__ import annotations

import csv
import hashlib
import re
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from urllib.parse import quote

import pooch
import requests
from requests.exceptions import HTTPError, RequestException

from components.core.errors import KnockoutError, UnknownNameError, unwritable
from components.data.readers import FILES
from components.tables.files import as_size

COLLECTIONS = ("beeline",)
SOURCE = "https://raw.githubusercontent.com/zpliulab/GENELink/4eb816af27f5fe0cb26f9230286401801b251129"
NOTICE = (
    "BEELINE data from https://github.com/zpliulab/GENELink, commit 4eb816a. Its README states the MIT licence (there "
    "is no LICENSE file); the original data keep their own terms (Pratapa et al. 2020 and the studies it draws on)."
)
PAUSES = (1.0, 4.0)  # seconds before each retry
TIMEOUT = 30  # seconds without a byte
MOST_BYTES = 100 << 20  # of a file: several times the largest that is published
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


def check_source(collection: str, source: str) -> None:
    """Refuse a collection that is unknown, and an address that no file can be downloaded from."""
    if collection.lower() not in COLLECTIONS:
        raise UnknownNameError.of("collection", collection, COLLECTIONS, where="knockout data fetch")
    if not re.match(r"https?://[^/]", source):
        raise KnockoutError(f"{source!r} is no http:// or https:// address; the default is {SOURCE}.", where="--source")


def default_folder() -> Path:
    """Return where data sets are put unless a folder is named: in the user's cache."""
    return Path(pooch.os_cache("knockout")) / "beeline"


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
        match = PATH.fullmatch(path)
        if not match or not re.fullmatch("[0-9a-f]{40}", blob):
            allowed = (
                "'Dataset/Benchmark Dataset/<network> Dataset/<cell>/TFs+<n>/<file>' and a git blob id of 40 digits"
            )
            message = f"{path!r}, {blob!r} is refused; expected {allowed}."
            raise KnockoutError(message, where=f"list of files, line {line}")
        files.append(RemoteFile(path, blob, **match.groupdict()))
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
    choices = {"network": networks, "cell": cells, "genes": genes}
    names_of = {key: _known(key, choice, [getattr(file, key) for file in files]) for key, choice in choices.items()}
    chosen = tuple(file for file in files if all(getattr(file, key) in names for key, names in names_of.items()))
    for key, choice in choices.items():
        for name in names_of[key] if choice else ():
            if all(getattr(file, key) != name for file in chosen):
                others = [f"--{k} {n}" for k, names in choices.items() if k != key and names for n in names_of[k]]
                there = dict.fromkeys(file.folder for file in files if getattr(file, key) == name)
                message = f"{name!r} has no folder with {' '.join(others)}; it has {', '.join(there)}."
                raise KnockoutError(message, where=f"--{key}")
    return tuple(sorted(chosen, key=lambda file: [names.index(getattr(file, key)) for key, names in names_of.items()]))


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
        raise KnockoutError(f"the file cannot be written: {unwritable(error, path)}.", where=str(path)) from error
    message = f"{fault}, at the last of {1 + len(PAUSES)} tries; expected git blob {file.blob}."
    raise KnockoutError(f"{message} Files fetched before stay; run the same command again to go on.", where=url)


def blob_id(path: Path) -> str:
    """Return the id that git gives a file's content."""
    header = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: header).hexdigest()


def _known(key: str, names: Iterable[str], existing: Iterable[str]) -> tuple[str, ...]:
    """Return the names as they are written in the list; all for none."""
    by_lower = {name.lower(): name for name in existing}
    for name in names:
        if name.lower() not in by_lower:
            raise UnknownNameError.of(key, name, by_lower.values(), where=f"--{key}")
    return tuple(by_lower[name.lower()] for name in names) or tuple(by_lower.values())


def _attempt(url: str, path: Path, blob: str) -> str:
    """Download a file and put it in its place if it is the right one; return what went wrong, if anything."""
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    size = 0
    try:
        with part.open("wb") as file, requests.get(url, stream=True, timeout=TIMEOUT) as response:
            response.raise_for_status()
            for block in response.iter_content(1 << 16):
                size += len(block)
                if size > MOST_BYTES:
                    raise KnockoutError(
                        f"more than {as_size(MOST_BYTES)} came, and no published file is that large; the download was "
                        "ended. Is --source a copy of the GENELink repository?",
                        where=url,
                    )
                file.write(block)
        received = blob_id(part)
        if received != blob:
            return f"another content came, git blob {received} ({size} bytes)"
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
    """Return the innermost message of an error that requests wraps in layers."""
    inner = error.args[0] if error.args else error
    inner = getattr(inner, "reason", None) or inner
    words = next((word for word in getattr(inner, "args", ()) if isinstance(word, str)), str(inner))
    text = " ".join(words.split())
    return re.sub(r"^HTTPS?Connection(Pool)?\([^)]*\): ", "", text) or type(error).__name__
