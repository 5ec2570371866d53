"""CSV files as text, with file and row in every error.

The standard library's reader guesses no types: genes called NA, NAN or SEPT7 keep their names.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from components.core.errors import KnockoutError, suggestion

_FORMULA = re.compile(r"'*[=+\-@＝＋－＠]")  # a spreadsheet runs text that begins so


@dataclass(frozen=True)
class Column:
    """One column of a table, with the line of each value for error messages.

    Attributes
    ----------
    path
        File of the table.
    name
        Header of the column.
    lines
        ``[rows]`` 1-based line of each value in the file.
    values
        ``[rows]`` values as written.
    """

    path: Path
    name: str
    lines: tuple[int, ...]
    values: tuple[str, ...]

    def where(self, row: int) -> str:
        """Return "file, row n, column c" of a value, rows counted as in the file."""
        return f"{self.path}, row {self.lines[row]}, column {self.name!r}"


@dataclass(frozen=True)
class Table:
    """A small CSV file: its header and its rows as text."""

    path: Path
    header: tuple[str, ...]
    lines: tuple[int, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, *names: str) -> Column:
        """Return the first column that has one of these names, in any case.

        Raises
        ------
        KnockoutError
            If there is none.
        """
        lower = {name.lower() for name in names}
        for place, title in enumerate(self.header):
            if title.lower() in lower:
                return Column(self.path, title, self.lines, tuple(row[place] for row in self.rows))
        hint = next(filter(None, (suggestion(name, self.header) for name in names)), "")
        raise KnockoutError(
            f"no column {' or '.join(map(repr, names))}. Columns given: {', '.join(map(repr, self.header))}.{hint}",
            where=f"{self.path}, row 1",
        )


def read_table(path: Path) -> Table:
    """Read a CSV file whose first row names the columns.

    Raises
    ------
    KnockoutError
        For a missing, empty, ragged or wrongly encoded file.
    """
    lines, rows = [], []
    for line, row in rows_of(path):
        lines.append(line)
        rows.append(tuple(row))
    return Table(path, rows[0], tuple(lines[1:]), tuple(rows[1:]))


def rows_of(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield 1-based line and values of each row, the header first, without blank lines.

    Raises
    ------
    KnockoutError
        For a missing, empty, ragged or wrongly encoded file.
    """
    reader = csv.reader(io.StringIO(_text_of(path), newline=""), strict=True)
    width = 0
    try:
        for row in reader:
            if not row:
                continue
            if not width:
                width = len(row)
                _refuse_other_separator(row, path)
            if len(row) != width:
                message = f"{len(row)} values, but the header has {width} columns. First value: {row[0]!r}."
                raise KnockoutError(message, where=f"{path}, row {reader.line_num}")
            yield reader.line_num, row
    except csv.Error as error:
        raise KnockoutError(f"not readable as CSV: {error}.", where=f"{path}, row {reader.line_num}") from None
    if not width:
        raise KnockoutError("the file is empty; expected a header row and data below it.", where=str(path))


def _text_of(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise KnockoutError("no such file." + sibling_suggestion(path), where=str(path)) from None
    except OSError as error:
        raise KnockoutError(f"cannot be read: {error.strerror}.", where=str(path)) from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = f"byte {raw[error.start]:#04x} is not UTF-8; save the file as UTF-8."
        raise KnockoutError(message, where=f"{path}, row {line}") from None


def _refuse_other_separator(header: Sequence[str], path: Path) -> None:
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and separator in header[0]:
            message = f"columns are separated by {name}; expected commas."
            raise KnockoutError(message, where=f"{path}, row 1")


def sibling_suggestion(path: Path) -> str:
    """Return " Did you mean 'x'?" for the file in the same folder whose name is nearest, or nothing."""
    return suggestion(path.name, sorted(p.name for p in path.parent.iterdir())) if path.parent.is_dir() else ""


def for_spreadsheets(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table to be written as CSV: a name that a spreadsheet would run as a formula gets a quote before it.

    Numbers stay. Reports, which import nothing from here, have the same in ``reports.words.names.write_csv``.
    """
    return table.map(_quoted).rename(columns=_quoted)


def _quoted(value: object) -> object:
    if not isinstance(value, str) or not _FORMULA.match(value):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value
