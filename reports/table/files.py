"""From a file to its rows and columns as they stand: parquet, or text as spreadsheets of any country save it."""

from __future__ import annotations

import codecs
import csv
import io
from pathlib import Path

import pandas as pd

from reports.errors import ReportError, listed, meant, nearest
from reports.table.blocks import FACTORS
from reports.words.metrics import learn
from reports.words.names import plain

SUFFIXES = (".csv", ".tsv", ".txt", ".parquet")
_TABLES = "a .csv, .tsv, .txt or .parquet file"


def read(source: Path) -> tuple[pd.DataFrame, bool]:
    """Read the table from CSV or parquet, every field of a CSV as text; and whether its numbers have decimal commas.

    Raises
    ------
    ReportError
        If there is no such file, or it is no table.
    """
    if not source.exists():
        raise ReportError(_not_there(source))
    if source.is_dir():
        raise ReportError(f"this is a folder; give {_TABLES}.")
    suffix = source.suffix.lower()
    if suffix not in SUFFIXES:
        unpack = "unpack it first, or " if suffix in (".gz", ".bz2", ".xz", ".zip", ".zst") else ""
        raise ReportError(f"not a table; {unpack}give {_TABLES}, or the folder of a study.")
    try:
        raw, decimal_commas = (_read_parquet(source), False) if suffix == ".parquet" else _read_text(source)
    except (ValueError, OSError) as error:
        raise ReportError(f"not a readable table: {error}") from error
    if raw.empty:
        raise ReportError("the table has no rows")
    return raw, decimal_commas


def _not_there(source: Path) -> str:
    """Name the table or study that lies beside and was probably meant; how a name ends makes no likeness."""
    folder = source.parent
    if not folder.is_dir():
        return f"no such file or folder; {folder} is not there either."
    beside = {p.name for p in folder.glob("*") if p.suffix.lower() in SUFFIXES and p.is_file()}
    for mark in ("plan.json", "search/search.json"):  # what the folder of a study holds
        beside |= {p.relative_to(folder).parts[0] for p in folder.glob(f"*/{mark}")}
    stem = nearest(source.stem, {Path(name).stem for name in beside})
    alike = sorted((name for name in beside if Path(name).stem == stem), key=_rank)
    hint = meant((nearest(source.name, alike) if source.suffix else None) or next(iter(alike), None))
    names = f"Beside it: {listed(sorted(beside))}." if beside else "No table or study lies beside it."
    return f"no such file or folder.{hint} {names}"


def _rank(name: str) -> tuple[int, str]:
    suffix = Path(name).suffix.lower()
    return (SUFFIXES.index(suffix) if suffix in SUFFIXES else -1), name


def _read_parquet(source: Path) -> pd.DataFrame:
    table = pd.read_parquet(source)
    learn(table.attrs.get("metrics", {}), "")
    FACTORS.extend(name for name in map(str, table.attrs.get("factors", ())) if name not in FACTORS)
    raw = table.reset_index(drop=True)
    raw.columns = [plain(str(name)) for name in raw.columns]
    _refuse_two_of_one_name(list(raw.columns))
    return raw


def _read_text(source: Path) -> tuple[pd.DataFrame, bool]:
    text = _decoded(source)
    header = next(iter(text.lstrip().splitlines()), "")
    separator = next((mark for mark in "\t,;" if mark in header), ",")
    try:
        records = [
            row for row in csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True, strict=True) if row
        ]
    except csv.Error as error:
        raise ReportError(f"not a readable table: {error}; is a quote not closed?") from None
    if not records:
        raise ReportError("the file is empty")
    names = [plain(name) for name in records[0]]
    _refuse_two_of_one_name(names, "row 1")
    if len(names) == 1:
        message = f"only one column, {names[0]!r}; part the columns of the file with commas, semicolons or tabs"
        raise ReportError(message)
    # names are text: '1.10', '0256' and 'NA' stay what they are; only an empty field is a missing one
    rows = [_fitted(row, len(names), place) for place, row in enumerate(records[1:], start=2)]
    columns = [name or f"Unnamed: {place}" for place, name in enumerate(names)]
    return pd.DataFrame(rows, columns=columns, dtype=object), separator != ","  # then a comma is a decimal one


def _fitted(row: list[str], width: int, place: int) -> list[str | None]:
    """Return the fields of a row, empty ones missing; spreadsheets leave out or add empty ones at its end."""
    if any(row[width:]):
        message = f"{len(row)} fields, but the header has {width}; put a field that holds a separator in quotes"
        raise ReportError(message, where=f"row {place}")
    return [field or None for field in row[:width]] + [None] * (width - len(row))


def _decoded(source: Path) -> str:
    content = source.read_bytes()
    try:
        wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise ReportError("the text of this file is not UTF-8; save it as 'CSV UTF-8', which every spreadsheet offers")
    return text


def _refuse_two_of_one_name(names: list[str], where: str = "") -> None:
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        message = f"{names.count(twice)} columns are called {twice!r}; rename or delete all but one"
        raise ReportError(message, where=where)
