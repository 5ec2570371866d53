"""Reads the tables that a search leaves, column by column, or names what is damaged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from reports.errors import ReportError
from reports.words.names import plain


def csv(file: Path, needed: Sequence[str]) -> pd.DataFrame:
    """Read a table of a search as text: an empty field is missing, 'none' is the name of a level."""
    if not file.is_file():
        raise ReportError("this file of the search is missing; run the search again to write it.", where=str(file))
    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False, na_values=[""]).map(plain, na_action="ignore")
    except (ValueError, OSError) as error:
        raise ReportError(f"not a readable table: {error}", where=str(file)) from error
    table = table.rename(columns=plain)
    missing = [column for column in needed if column not in table]
    if missing:
        raise ReportError(f"lacks the column {', '.join(map(repr, missing))}", where=str(file))
    return table


def floats(table: pd.DataFrame, column: str, file: Path, *, empty: bool = True) -> pd.Series:
    """Return a column of a search as finite numbers, empty fields as gaps where they may be."""
    numbers = pd.to_numeric(table[column], errors="coerce").astype(float)
    wrong = ~numbers.abs().lt(np.inf) & (table[column].notna() | (not empty))
    if wrong.any():
        text, row = table[column][wrong].iloc[0], int(np.flatnonzero(wrong)[0]) + 2
        raise ReportError(f"{column} is {text!r}, not a finite number", where=f"{file}, row {row}")
    return numbers


def whole(table: pd.DataFrame, column: str, file: Path, *, empty: bool = False) -> pd.Series:
    """Return a column of a search that holds counts."""
    numbers = floats(table, column, file, empty=empty)
    if (numbers.dropna() % 1 != 0).any() or (numbers < 0).any():
        raise ReportError(f"column {column!r} holds something else than counts", where=str(file))
    return numbers.astype("Int64")


def unique(table: pd.DataFrame, column: str, file: Path) -> None:
    """Refuse a table of a search in which a row stands twice."""
    twice = table[column][table[column].duplicated()]
    if len(twice):
        raise ReportError(f"{column} {twice.iloc[0]} stands twice", where=str(file))
