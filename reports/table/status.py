"""What became of a cell, as tables write it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import pandas as pd

from reports.errors import ReportError


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


def statuses(raw: pd.DataFrame, source: Path) -> pd.Series:
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
        where = f"{source}, row {wrong['row'].iloc[0]}"
        raise ReportError.unknown("status", str(wrong["status"].iloc[0]), _WRITTEN, where=where)
    return written
