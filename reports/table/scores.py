"""The scores as numbers: failures, gaps and scales are told apart, and what is none of them refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reports.errors import ReportError
from reports.table.side_by_side import to_numbers
from reports.table.status import FAILED, Status
from reports.words.metrics import METRICS, metric_of

_ROUNDING = 1e-9  # what an exact 1 may come out as after a sum


def scored(
    frame: pd.DataFrame, column: pd.Series, name: str, stated: pd.Series, source: Path, *, decimal_commas: bool
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
        raise ReportError(f"{name} {_what_is_wrong(column.iloc[at])}", where=f"{source}, row {frame['row'].iloc[at]}")
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


def on_scale(rows: pd.DataFrame, source: Path) -> pd.DataFrame:
    """Refuse scores that their metric cannot have, and metrics of which less is better."""
    for name, first in rows.drop_duplicates("metric").set_index("metric")["row"].items():
        if not metric_of(str(name)).higher_is_better:
            raise ReportError(
                f"of metric {name!r} a lower value is better, but every sentence of a report takes a higher one as "
                f"better. Give its negative in its place, named 'minus_{name}', or leave it out.",
                where=f"{source}, row {first}",
            )
    values = rows["value"].copy()
    for metric in METRICS.values():
        (low, high), mine = metric.bounds, rows["metric"] == metric.name
        outside = rows[mine & ((values < low - _ROUNDING) | (values > high + _ROUNDING))]
        if len(outside):
            raise _off_scale(metric.name, low, high, outside.iloc[0], source)
        values = values.mask(mine, values.clip(low, high))
    return rows.assign(value=values)


def _off_scale(metric: str, low: float, high: float, row: pd.Series, source: Path) -> ReportError:
    allowed = f"lies between {low:g} and {high:g}" if high < np.inf else f"is never below {low:g}"
    hint = " (in percent? divide by 100)" if row["value"] > high else ""
    return ReportError(f"{metric} is {row['value']}, but it {allowed}{hint}", where=f"{source}, row {row['row']}")
