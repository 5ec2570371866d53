"""Tables with one column per arm, or per data set: recognised, and the line that mends them shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from reports.errors import ReportError, listed
from reports.words.metrics import METRICS, PRIMARY, canonical_metric

_DECIMAL_COMMA = r"^\s*([+-]?\d*),(\d+(?:[eE][+-]?\d+)?)\s*$"


def to_numbers(column: pd.Series, *, decimal_commas: bool = False) -> pd.Series:
    """Return a column as numbers, empty where a field is none."""
    # pandas' own `decimal` gives up where a field says NA
    points = column.replace(_DECIMAL_COMMA, r"\1.\2", regex=True) if decimal_commas else column
    return pd.to_numeric(points, errors="coerce").astype(float)


def numeric(column: pd.Series) -> bool:
    """Whether a column of the table holds numbers; a failed run among them may be a word."""
    flags = pd.api.types.is_bool_dtype(column)
    return not flags and bool(to_numbers(column.dropna(), decimal_commas=True).notna().mean() >= 0.5)


def refuse_side_by_side(raw: pd.DataFrame, what: str, name: str, is_other: Callable[[str], bool], source: Path) -> None:
    """Refuse arms or data sets that stand side by side, in a table that names none.

    Parameters
    ----------
    raw
        The table as its owner wrote it.
    what
        What no column of it names.
    name
        What such a column is called, and the option that names it.
    kept
        Whether a column says something else, in which case it stays what it is.
    source
        File of the table.
    """
    columns = [str(c) for c in raw.columns]
    index = [c for c in columns if c.startswith("Unnamed: ")]  # of rows, saved with them: it names nothing
    spread = [c for c in columns if not is_other(c) and c not in index]
    rest = [c for c in columns if c not in spread]
    known = any(canonical_metric(c) in METRICS for c in columns)
    if known or len(spread) < 2 or rest == index or not all(numeric(raw[c]) for c in spread):
        return
    keys = repr(rest[0] if len(rest) == 1 else rest)
    option = "block" if name == "dataset" else name
    raise ReportError(
        f"no column names the {what}; say which one does with --{option}. If the columns {_and(spread)} are one {what} "
        "each, make them rows with pandas, and name the metric that they hold: "
        f"df.melt({keys}, var_name={name!r}, value_name={PRIMARY!r}).",
        where=str(source),
    )


def _and(names: Sequence[str]) -> str:
    return listed(names) if len(names) > 12 else f"{', '.join(names[:-1])} and {names[-1]}"
