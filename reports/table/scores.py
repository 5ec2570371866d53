"""What became of a cell, and its scores as numbers: failures, gaps and scales are told apart, all else is refused."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd

from reports.errors import ReportError
from reports.words.metrics import METRICS, metric_of

_DECIMAL_COMMA = r"^\s*([+-]?\d*),(\d+(?:[eE][+-]?\d+)?)\s*$"
_ROUNDING = 1e-9  # what an exact 1 may come out as after a sum


class Status(StrEnum):
    """What became of a cell."""

    OK = "ok"
    OOM = "oom"
    DIVERGED = "diverged"
    TIMEOUT = "timeout"
    ERROR = "error"
    KILLED = "killed"
    DAMAGED = "damaged"  # its record cannot be read
    UNDEFINED = "undefined"  # finished, on an exam that does not define the metric; no table writes it


FAILED = (Status.OOM, Status.DIVERGED, Status.TIMEOUT, Status.ERROR, Status.KILLED, Status.DAMAGED)
# what the arm itself brought about counts as the worst of its block; the rest is missing, as if it had not been run
WORST = (Status.OOM, Status.DIVERGED, Status.UNDEFINED)
_WRITTEN = (Status.OK, *FAILED)
_SYNONYMS = {
    "": Status.OK.value,
    **dict.fromkeys(("finished", "success", "succeeded", "completed", "complete", "done"), Status.OK.value),
    **dict.fromkeys(("failed", "failure", "fail", "crashed"), Status.ERROR.value),
}


def statuses(raw: pd.DataFrame) -> pd.Series:
    """Return the status of every row: ``ok`` where the field or the column is missing, or how the cell failed.

    Raises
    ------
    ReportError
        If a status is none of these.
    """
    if "status" not in raw:
        return pd.Series(Status.OK.value, index=raw.index)
    written = raw["status"].fillna("").astype(str).str.strip().str.casefold().replace(_SYNONYMS)
    wrong = raw[~written.isin(_WRITTEN)]
    if len(wrong):
        first = wrong.iloc[0]
        raise ReportError.unknown("status", str(first["status"]), _WRITTEN, where=f"row {first['row']}")
    return written


def to_numbers(column: pd.Series, *, decimal_commas: bool = False) -> pd.Series:
    """Return a column as numbers, empty where a field is none."""
    # pandas' own `decimal` gives up where a field says NA
    points = column.replace(_DECIMAL_COMMA, r"\1.\2", regex=True) if decimal_commas else column
    return pd.to_numeric(points, errors="coerce").astype(float)


def numeric(column: pd.Series) -> bool:
    """Whether a column of the table holds numbers; a failed run among them may be a word."""
    flags = pd.api.types.is_bool_dtype(column)
    return not flags and bool(to_numbers(column.dropna(), decimal_commas=True).notna().mean() >= 0.5)


def scored(
    frame: pd.DataFrame, column: pd.Series, name: str, stated: pd.Series, *, decimal_commas: bool
) -> pd.DataFrame:
    """Put the scores of one column beside the cells they belong to.

    A metric can be undefined on a finished cell (no TF with both classes): an empty score of a cell that is
    ``stated`` to have finished is such a gap, not a typing error.
    """
    empty = column.isna() | column.astype(str).str.strip().str.casefold().isin(("nan", "na"))
    gap = stated & frame["status"].eq(Status.OK) & empty
    frame = frame.assign(
        status=frame["status"].mask(gap, Status.UNDEFINED.value),
        reason=frame["reason"].mask(gap, "the metric is undefined on this cell"),
    )
    failed = frame["status"] != Status.OK
    numbers = to_numbers(column, decimal_commas=decimal_commas)
    wrong = ~numbers.abs().lt(np.inf) & ~failed
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        raise ReportError(f"{name} {_what_is_wrong(column.iloc[at])}", where=f"row {frame['row'].iloc[at]}")
    return frame.assign(value=numbers.where(~failed))


def _what_is_wrong(value: Any) -> str:
    failed = f"a failed run needs a column 'status' that says so ({', '.join(FAILED)})"
    if pd.isna(value):
        return f"is empty; {failed}"
    value = value.item() if isinstance(value, np.generic) else value
    written = str(value).strip()
    if written.endswith("%"):
        return f"is {value!r}; write plain numbers without a percent sign (93 % is 0.93)"
    if re.fullmatch(r"[+-]?\d*,\d+", written):
        return f"is {value!r}; write it with a decimal point, or part the columns of the whole file with semicolons"
    return f"is {value!r}, not a finite number; {failed}"


def on_scale(rows: pd.DataFrame) -> pd.DataFrame:
    """Refuse scores that their metric cannot have, and metrics of which less is better."""
    for name, first in rows.drop_duplicates("metric").set_index("metric")["row"].items():
        if not metric_of(str(name)).higher_is_better:
            raise ReportError(
                f"of metric {name!r} a lower value is better, but every sentence of a report takes a higher one as "
                f"better. Give its negative in its place, named 'minus_{name}', or leave it out.",
                where=f"row {first}",
            )
    values = rows["value"].copy()
    for metric in METRICS.values():
        (low, high), mine = metric.bounds, rows["metric"] == metric.name
        outside = rows[mine & ((values < low - _ROUNDING) | (values > high + _ROUNDING))]
        if len(outside):
            row = outside.iloc[0]
            allowed = f"lies between {low:g} and {high:g}" if high < np.inf else f"is never below {low:g}"
            hint = " (in percent? divide by 100)" if row["value"] > high else ""
            message = f"{metric.name} is {row['value']}, but it {allowed}{hint}"
            raise ReportError(message, where=f"row {row['row']}")
        values = values.mask(mine, values.clip(low, high))
    return rows.assign(value=values)
