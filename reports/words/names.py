"""Names of arms, data sets and metrics are text: how they are read, and written to files without loss."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

_FORMULA = re.compile(r"'*[=+\-@＝＋－＠]")  # a spreadsheet runs text that begins so
_DIGITS = re.compile(r"([0-9]{1,18})")
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML cannot hold it
_LONGEST = 100  # characters of a file name; file systems allow 255 bytes with the folder's additions


def plain(name: str) -> str:
    """Return a name as it is compared: one Unicode form (NFC), no spaces around, no quote of :func:`write_csv`."""
    name = unicodedata.normalize("NFC", name).strip()
    return name[1:] if name.startswith("'") and _FORMULA.match(name) else name


def plain_names(column: pd.Series) -> pd.Series:
    """Return the names in a column as they are compared, see :func:`plain`; missing ones stay missing."""
    return column.astype(object).map(lambda name: plain(str(name)), na_action="ignore")


def unprintable(name: str) -> bool:
    """Whether a name holds a control character, which no page or figure can show."""
    return _UNPRINTABLE.search(name) is not None


def in_order(name: str) -> list[tuple[int, str]]:
    """Return what sorts names as people do: 'layer 2' before 'layer 10', '1.9' before '1.10'."""
    return [(int(part), "") if place % 2 else (0, part) for place, part in enumerate(_DIGITS.split(name.lower()))]


def alike(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return the pairs of names that differ in capitals or spaces only, which a reader takes for one."""
    first: dict[str, str] = {}
    pairs = [(first.setdefault(" ".join(name.split()).casefold(), name), name) for name in dict.fromkeys(names)]
    return [(one, other) for one, other in pairs if one != other]


def file_name(text: str) -> str:
    """Return a name as a safe part of a file name; what is long or not ASCII is told apart by a digest."""
    safe = re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_")
    return safe if safe and len(safe) <= _LONGEST and text.isascii() else _with_digest(safe, text)


def file_names(names: Iterable[str]) -> list[str]:
    """Return a file name for each name, no two of which are one file, even on a disk that ignores capitals."""
    out: dict[str, str] = {}
    for name in names:
        safe = file_name(name)
        safe = _with_digest(safe, name) if safe.casefold() in out else safe
        out[safe.casefold()] = safe
    return [*out.values()]


def _with_digest(safe: str, text: str) -> str:
    return f"{safe[:_LONGEST]}_{hashlib.sha256(text.encode()).hexdigest()[:8]}".lstrip("_")


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table for spreadsheets: a name that one would run as a formula gets a quote before it, numbers stay.

    :func:`plain` takes the quote away again.
    """
    texts = frame.apply(lambda column: column if pd.api.types.is_numeric_dtype(column) else column.map(_quoted))
    texts.rename(columns=_quoted).to_csv(path, index=False)


def _quoted(value: object) -> object:
    if not isinstance(value, str) or not _FORMULA.match(value):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value  # a number


def brief(name: str, *, words: int = 4, letters: int = 40) -> str:
    """Return a name as a sentence can hold it: its first words, '…' in place of what follows."""
    cut = " ".join(name.split()[:words])[:letters]
    return name if len(cut) == len(name) else f"{cut.rstrip()}…"
