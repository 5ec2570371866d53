"""Reads the folder that a search leaves, column by column, or names what is damaged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from reports.errors import ReportError
from reports.search.record import STATES, Objective, Search
from reports.words.names import plain

_SCALARS = ("study", "metric", "sampler", "pruner", "trials", "hours", "parallel", "seed", "repeats", "reference")
_LISTS = ("objectives", "datasets", "space", "importances")
_IMPORTANCE = ("objective", "parameter", "importance", "trials", "given")
_CONFIRMED = ("arm", "number", "role", "metric", "search", "validation", "test", "cells", "openings")
_PATH = ("step", "changed", "arm_digest", "metric", "validation", "test", "cells", "tried")
_TUNING = ("arm", "role", "budget", "trials", *STATES)


def csv(
    file: Path,
    needed: Sequence[str],
    *,
    key: str,
    counts: Sequence[str] = (),
    gaps: Sequence[str] = (),
    numbers: Sequence[str] = (),
) -> pd.DataFrame:
    """Read a table of a search as text: an empty field is missing, 'none' is the name of a level.

    Refused are rows that share their ``key``, ``counts`` that are none (``gaps`` may be empty), and other ``numbers``.
    """
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
    for column in counts:
        table[column] = whole(table, column, file).astype(int)
    for column in gaps:
        table[column] = whole(table, column, file, empty=True)
    for column in numbers:
        table[column] = floats(table, column, file)
    twice = table[key][table[key].duplicated()]
    if len(twice):
        raise ReportError(f"{key} {twice.iloc[0]} stands twice", where=str(file))
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


class SearchFiles(Protocol):
    """Where the files of a search lie."""

    @property
    def summary(self) -> Path:
        """What was searched and how (JSON)."""

    @property
    def trial_table(self) -> Path:
        """One row per finished trial (CSV)."""

    @property
    def confirmed(self) -> Path:
        """What arms scored in the search, and on fresh repeats (CSV)."""

    @property
    def path(self) -> Path:
        """What arms between the reference and the best one scored on fresh repeats (CSV)."""


def read_search(files: SearchFiles) -> Search | None:
    """Read a search; None where its summary is missing.

    Raises
    ------
    ReportError
        If a file is damaged or contradicts another, naming the file.
    """
    file = files.summary
    if not file.is_file():
        return None
    record = _json(file)
    objectives = tuple(_objective(entry, file) for entry in record["objectives"])
    if not objectives:
        raise ReportError("'objectives' is empty; a search has at least one.", where=str(file))
    trials = _trials(files.trial_table, [o.name for o in objectives])
    return Search(
        **{
            key: record[key] for key in ("study", "metric", "sampler", "pruner", "hours", "parallel", "seed", "repeats")
        },
        objectives=objectives,
        asked=record["trials"],
        exhausted=bool(record.get("exhausted", False)),
        datasets=tuple(map(str, record["datasets"])),
        reference=record["reference"],
        reference_digest=str(record.get("reference_digest", "")),
        storage=str(record.get("storage", "")),
        space=_rows(record["space"], ("name", "range"), "space", file),
        front=_front(record.get("pareto", []), trials, file),
        importances=_importances(record["importances"], file),
        trials=trials,
        confirmed=_confirmed(files.confirmed),
        path=_path(files.path),
    )


def read_tuning(file: Path) -> pd.DataFrame | None:
    """Read what the tuning of every arm was allowed and found; None where there is none.

    Raises
    ------
    ReportError
        If the file is damaged, naming it.
    """
    if not file.is_file():
        return None
    table = csv(file, _TUNING, key="arm", counts=("trials", *STATES), gaps=("budget",))
    table = table.reindex(columns=[*dict.fromkeys((*table, "score", "default", "settings", "trial_scores"))])
    table["score"], table["default"] = floats(table, "score", file), floats(table, "default", file)
    table["settings"] = table["settings"].fillna("")
    table["trial_scores"] = [_scores(text, file) for text in table["trial_scores"].fillna("")]
    return table


def _scores(text: str, file: Path) -> tuple[float, ...]:
    try:
        return tuple(map(float, text.split()))
    except ValueError:
        raise ReportError(f"trial_scores is {text!r}, not numbers parted by blanks", where=str(file)) from None


def _json(file: Path) -> dict[str, Any]:
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise ReportError(f"not readable JSON: {error}", where=str(file)) from error
    if not isinstance(record, dict):
        raise ReportError("not the record of a search: an object is expected.", where=str(file))
    missing = [key for key in (*_SCALARS, *_LISTS) if key not in record]
    if missing:
        raise ReportError(
            f"lacks {', '.join(map(repr, missing))}; run the search again to write it anew.", where=str(file)
        )
    for key in _LISTS:
        if not isinstance(record[key], list):
            raise ReportError(f"{key!r} is {record[key]!r}, not a list", where=str(file))
    for key in ("trials", "hours", "parallel", "seed", "repeats"):
        optional = key in ("trials", "hours") and record[key] is None
        if not optional and (isinstance(record[key], bool) or not isinstance(record[key], int | float)):
            raise ReportError(f"{key!r} is {record[key]!r}, not a number", where=str(file))
    return record


def _objective(entry: Any, file: Path) -> Objective:
    if not isinstance(entry, Mapping) or not {"name", "direction"} <= entry.keys():
        raise ReportError(f"objective {entry!r} lacks a name or a direction", where=str(file))
    if entry["direction"] not in ("maximize", "minimize"):
        raise ReportError.unknown("direction", entry["direction"], ("maximize", "minimize"), where=str(file))
    return Objective(str(entry["name"]), entry["direction"])


def _rows(entries: list[Any], columns: Sequence[str], what: str, file: Path) -> pd.DataFrame:
    for entry in entries:
        if not isinstance(entry, Mapping) or not set(columns) <= entry.keys():
            raise ReportError(f"an entry of {what!r} needs {', '.join(columns)}; got {entry!r}", where=str(file))
    return pd.DataFrame(entries, columns=list(columns))


def _importances(entries: list[Any], file: Path) -> pd.DataFrame:
    table = _rows(entries, _IMPORTANCE, "importances", file)
    table["given"] = table["given"].fillna("").astype(str)
    return table.assign(importance=floats(table, "importance", file, empty=False), trials=whole(table, "trials", file))


def _front(numbers: Any, trials: pd.DataFrame, file: Path) -> tuple[int, ...]:
    complete = set(trials.loc[trials["state"] == "complete", "number"])
    if not isinstance(numbers, list) or not set(map(str, numbers)) <= set(map(str, complete)):
        raise ReportError(f"'pareto' is {numbers!r}, not a list of complete trials of trials.csv", where=str(file))
    return tuple(numbers)


def _trials(file: Path, objectives: Sequence[str]) -> pd.DataFrame:
    columns = [f"objective:{name}" for name in objectives]
    needed = ("number", "state", "warm", "arm", "arm_digest", "cells", "seconds", *columns)
    table = csv(file, needed, key="number", counts=("number", "cells"), numbers=("seconds", *columns))
    for state in table["state"]:
        if state not in STATES:
            raise ReportError.unknown("state", state, STATES, where=str(file))
    if not table["warm"].isin(["True", "False"]).all():
        raise ReportError("column 'warm' holds something else than True and False", where=str(file))
    table["warm"] = table["warm"] == "True"
    unscored = (table["state"] == "complete") & table[columns].isna().any(axis=1)
    if unscored.any():
        raise ReportError(
            f"trial {table.loc[unscored, 'number'].iloc[0]} is complete and has no score", where=str(file)
        )
    table.loc[table["state"] == "failed", columns] = np.nan
    return table.sort_values("number", ignore_index=True)


def _path(file: Path) -> pd.DataFrame | None:
    if not file.is_file():
        return None
    table = csv(file, _PATH, key="step", counts=("step", "cells", "tried"), numbers=("validation", "test"))
    return table.sort_values("step", ignore_index=True)


def _confirmed(file: Path) -> pd.DataFrame | None:
    if not file.is_file():
        return None
    scores = ("search", "validation", "test")
    table = csv(file, _CONFIRMED, key="arm", counts=("cells", "openings"), gaps=("number",), numbers=scores)
    return table.assign(gap=table["search"] - table["validation"])
