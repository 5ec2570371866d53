"""Writes a zip archive whose bytes depend on its content alone, and unpacks one that nobody trusts."""

from __future__ import annotations

import re
import stat
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from components.core.errors import KnockoutError
from components.tables.files import as_size

MOST_MEMBERS, MOST_BYTES = 5_000, 1 << 30  # of an archive, unpacked
_BLOCK, _LEVEL = 1 << 20, 6
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that zip knows
_FORBIDDEN = re.compile(r'[\x00-\x1f\\:*?"<>|]')  # in a name, on some system
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, UnicodeDecodeError)


def write_archive(files: Mapping[str, bytes], path: Path) -> None:
    """Write files into an archive, in the order of their names, without times, owners or modes."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in sorted(files):
            member = zipfile.ZipInfo(name, _EPOCH)
            member.create_system, member.external_attr = 3, 0o644 << 16
            archive.writestr(member, files[name], zipfile.ZIP_DEFLATED, _LEVEL)


def write_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files into a folder, by names that :func:`read_archive` lets pass."""
    folder.mkdir()
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def read_archive(path: Path) -> dict[str, bytes]:
    """Return the content of every file of an archive by its name; nothing is written.

    Raises
    ------
    KnockoutError
        If it is no zip archive, or damaged; if a name leads out of a folder, is a link or stands twice; if it holds
        more files or bytes than a study does.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _refuse_names(members, path)
            return _read(archive, members, path)
    except FileNotFoundError:
        raise KnockoutError("there is no such archive.", where=str(path)) from None
    except IsADirectoryError:
        raise KnockoutError(
            "this is a folder; give the archive that `knockout bundle` wrote.", where=str(path)
        ) from None
    except _DAMAGED as error:
        raise KnockoutError(f"no zip archive, or a damaged one: {error}.", where=str(path)) from None
    except OSError as error:
        raise KnockoutError(f"it cannot be read: {error.strerror or error}.", where=str(path)) from None


def _read(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], path: Path) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    left = MOST_BYTES
    for member in members:
        content = bytearray()
        with archive.open(member) as file:  # what it declares to hold may be a lie: bytes are counted as they come
            while block := file.read(_BLOCK):
                content += block
                if len(content) > left:
                    raise KnockoutError(f"it unpacks to more than {as_size(MOST_BYTES)}.", where=str(path))
        left -= len(content)
        files[member.filename] = bytes(content)
    return files


def _refuse_names(members: list[zipfile.ZipInfo], path: Path) -> None:
    if len(members) > MOST_MEMBERS:
        raise KnockoutError(f"it holds {len(members):,} files, more than {MOST_MEMBERS:,}.", where=str(path))
    if sum(member.file_size for member in members) > MOST_BYTES:
        raise KnockoutError(f"it unpacks to more than {as_size(MOST_BYTES)}.", where=str(path))
    seen: set[str] = set()
    for member in members:
        if fault := _fault(member):
            raise KnockoutError(f"{member.orig_filename!r} {fault}.", where=str(path))
        name = member.orig_filename.casefold()
        above = {str(parent) for parent in PurePosixPath(name).parents}
        if name in seen or above & seen or any(other.startswith(f"{name}/") for other in seen):
            raise KnockoutError(f"{member.orig_filename!r} stands twice, or is a file and a folder.", where=str(path))
        seen.add(name)


def _fault(member: zipfile.ZipInfo) -> str:
    """Return why a file is not unpacked; empty where it may be."""
    name, parts = member.orig_filename, PurePosixPath(member.orig_filename).parts
    if not parts or name.startswith("/") or ".." in parts or name != "/".join(parts) or _FORBIDDEN.search(name):
        return "leads out of the archive, or is no name of a file"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "is a link"
    return "is encrypted" if member.flag_bits & 0x1 else ""
