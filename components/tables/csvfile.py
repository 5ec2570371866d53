"""Tables of text, with file and row in every error: commas, tabs, semicolons or blanks, plain or gzip.

The standard library's reader guesses no types: genes called NA, NAN or SEPT7 keep their names.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.core.errors import KnockoutError, suggestion
from components.tables.files import content_of

if TYPE_CHECKING:  # pandas takes 80 MB, and most workers do without
    import pandas as pd

_FORMULA = re.compile(r"'*[=+\-@＝＋－＠]")  # a spreadsheet runs text that begins so
csv.field_size_limit(1 << 26)  # the list of targets of a regulon is one value, longer than the 2^17 of the library
SNIFFED = 1 << 22  # characters that are looked at for the separator


@dataclass(frozen=True)
class Column:
    """One column of a file's table: each value ``[rows]`` as written, and its 1-based line ``[rows]`` for messages."""

    path: Path
    name: str
    lines: tuple[int, ...]
    values: tuple[str, ...]

    def where(self, row: int) -> str:
        """Return "file, row n, column c" of a value, rows counted as in the file."""
        return f"{self.path}, row {self.lines[row]}, column {self.name!r}"


@dataclass(frozen=True)
class Table:
    """A small table: its header and its rows as text."""

    path: Path
    header: tuple[str, ...]
    lines: tuple[int, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def columns(self) -> tuple[Column, ...]:
        """Its columns, in order."""
        values = zip(*self.rows, strict=True) if self.rows else ((),) * len(self.header)
        return tuple(Column(self.path, title, self.lines, of) for title, of in zip(self.header, values, strict=True))

    def column(self, name: str) -> Column:
        """Return the first column of this name, in any case.

        Raises
        ------
        KnockoutError
            If there is none.
        """
        for column in self.columns:
            if column.name.lower() == name.lower():
                return column
        given = ", ".join(map(repr, self.header))
        message = f"no column {name!r}. Columns given: {given}.{suggestion(name, self.header)}"
        raise KnockoutError(message, where=f"{self.path}, row 1")


def read_table(path: Path) -> Table:
    """Read a table whose first row names the columns.

    Raises
    ------
    KnockoutError
        For a missing, empty, ragged or wrongly encoded file.
    """
    (_, header), *rows = rows_of(path)
    return Table(path, tuple(header), tuple(line for line, _ in rows), tuple(tuple(row) for _, row in rows))


def rows_of(
    path: Path, expected: str = "a header row and data below it", text: str | None = None
) -> Iterator[tuple[int, list[str]]]:
    """Yield 1-based line and values of each row, the header first, without blank lines and blanks around values.

    A header that is one name shorter than the first row, as R writes it beside its row names, is completed. ``text``
    is that of the file, where it was read before.

    Raises
    ------
    KnockoutError
        For a missing, empty, ragged or wrongly encoded file; ``expected`` is said of an empty one.
    """
    rows = _split_rows(table_text(path) if text is None else text, path)
    header, first = next(rows, None), next(rows, None)
    if header is None:
        raise KnockoutError(f"the file is empty; expected {expected}.", where=str(path))
    if first is not None and len(first[1]) == len(header[1]) + 1 and header[1][0] and first[1][-1]:
        header[1].insert(0, "")
    width = len(header[1])
    for line, row in itertools.chain([header], [] if first is None else [first], rows):
        if len(row) != width:
            message = f"{len(row)} values, but the header has {width} columns. First value: {row[0]!r}."
            raise KnockoutError(message, where=f"{path}, row {line}")
        yield line, row


def _split_rows(text: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    separator = separator_of(text)
    source: Iterable[str] = io.StringIO(text, newline="")
    if separator == " ":
        source = (" ".join(line.split()) + "\n" for line in source)
    reader = csv.reader(source, delimiter=separator, strict=True)
    try:
        for row in reader:
            values = [value.strip() for value in row]
            if values not in ([], [""]):
                yield reader.line_num, values
    except csv.Error as error:
        raise KnockoutError(f"not readable as CSV: {error}.", where=f"{path}, row {reader.line_num}") from None


def read_frame(text: str, separator: str, **options: Any) -> pd.DataFrame:
    """Return the text of a table as pandas reads it, with genes called NA or NAN; ``options`` are those of read_csv."""
    import pandas as pd

    blanks = r"\s+" if separator == " " else separator
    return pd.read_csv(io.StringIO(text), sep=blanks, keep_default_na=False, **options)


def separator_of(text: str) -> str:
    """Return what separates the columns of a table: commas, tabs, semicolons or, failing those, blanks.

    That which cuts the first two rows alike, or else the header into most columns.
    """
    head = text[:SNIFFED]
    widths = {separator: _widths(head, separator) for separator in (",", "\t", ";")}
    alike = {separator: width[0] > 1 and len(set(width)) == 1 for separator, width in widths.items()}
    best = max(widths, key=lambda separator: (alike[separator], widths[separator][0]))
    if widths[best][0] > 1:
        return best
    blanks = [len(line.split()) for line in head.splitlines() if line.strip()][:2]
    return " " if len(blanks) == 2 and blanks[1] > 1 and blanks[1] - blanks[0] in (0, 1) else best


def _widths(text: str, separator: str) -> list[int]:
    """Return the number of columns of the first two rows that are not blank."""
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        return [len(row) for row in itertools.islice(filter(None, rows), 2)] or [0]
    except csv.Error:
        return [0]


def text_of(path: Path) -> str:
    """Return the text of a file, each letter in its composed Unicode form (NFC), so that one name is one text.

    Raises
    ------
    KnockoutError
        For a file that cannot be read or is not UTF-8.
    """
    raw = content_of(path)
    if b"\x00" in raw[:SNIFFED] and not raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        message = "the file holds zero bytes, as UTF-16 without its mark does; save the file as UTF-8."
        raise KnockoutError(message, where=str(path))
    encoding = "utf-16" if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return unicodedata.normalize("NFC", raw.decode(encoding))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = f"byte {raw[error.start]:#04x} is not UTF-8; save the file as UTF-8."
        raise KnockoutError(message, where=f"{path}, row {line}") from None


def table_text(path: Path) -> str:
    """Return the text of a table without the comments that it begins with; blank lines keep the places of the others.

    Databases begin their tables with lines of ``#``. The last of these is the header, as in ``#node1 node2``, if it has
    as many columns as the row below it, and more than one.

    Raises
    ------
    KnockoutError
        As :func:`text_of`.
    """
    text = text_of(path)
    if not text.lstrip().startswith("#"):
        return text
    lines = text.splitlines(keepends=True)
    first = next((place for place, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
    header = max(place for place in range(first) if lines[place].startswith("#"))
    title, below = lines[header].lstrip("#").lstrip(" "), "".join(lines[first : first + 1])
    headed = any(title.count(separator) == below.count(separator) > 0 for separator in (",", "\t", ";"))
    return "\n" * header + (title if headed else "\n") + "".join(lines[header + 1 :])


def is_number(text: str) -> bool:
    """Return whether a text is a number to Python."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def one_name(name: object) -> str:
    """Return a name without blanks around it and in its composed Unicode form (NFC)."""
    return unicodedata.normalize("NFC", str(name)).strip()


def for_spreadsheets(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table to be written as CSV: a name that a spreadsheet would run as a formula gets a quote before it.

    Numbers stay. Reports, which import nothing from here, have the same in ``reports.words.names.write_csv``.
    """
    return table.map(_quoted).rename(columns=_quoted)


def _quoted(value: object) -> object:
    formula = isinstance(value, str) and _FORMULA.match(value) and not is_number(value)
    return f"'{value}" if formula else value
