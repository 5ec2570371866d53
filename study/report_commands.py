"""What the commands do with experiments that are stored: several side by side, or one out of an MLflow store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from components.errors import KnockoutError, UnknownNameError
from reports.stored.mlflow_reader import read_experiment
from study import commands
from study.display import make_console
from study.files import write_atomically
from study.ledger import Ledger
from study.plan import Row, margin_of_plan, read_plan, results_of
from study.table import TABLE, tidy

__all__ = ["compare", "of_experiment"]

Planned = dict[str, tuple[Path, list[Row]]]  # by the name a study goes by beside the others


def compare(folders: Sequence[Path], out: Path, *, metric: str | None, reference: str | None, **how: Any) -> None:
    """Report the arms of several studies in one table, on the cells that all of them planned.

    Parameters
    ----------
    folders
        Output folders of studies, the first of which gives the reference, the metric and the margin.
    out
        Folder of the report; the common table is written there, too.
    metric, reference
        As ``knockout report`` takes them; an arm is named ``<study>: <arm>``.
    how
        Passed on to :func:`study.commands.report`.

    Raises
    ------
    KnockoutError
        If the studies share no cell, or saw different data or different splits.
    """
    if len(folders) < 2:
        raise KnockoutError("one study is not compared with itself; name two output folders or more.")
    plans = [read_plan(folder) for folder in folders]
    planned = _named(folders, [rows for _, rows in plans])
    shared = _shared(planned)
    frame = pd.concat([_cells(name, *planned[name], shared) for name in planned], ignore_index=True)
    for column, keys in (("data_digest", ["dataset"]), ("split", ["dataset"]), ("split_digest", ["dataset", "repeat"])):
        _refuse_mixed(frame, column, keys)
    reference = reference or _reference(frame, next(iter(planned)))
    if reference not in set(frame["arm"]):
        raise UnknownNameError.of("reference arm", reference, sorted(set(frame["arm"])), where="--reference")
    left = sum(len(rows) for _, rows in planned.values()) - _kept(planned, shared)
    if left:
        make_console().print(f"{left} cells are left out: not every study planned their data set and repeat.")
    how["margin"] = how.get("margin") or margin_of_plan(folders[0])
    table = _write(frame.drop(columns="study_name"), out)
    commands.report(table, out, metric=metric or plans[0][0], reference=reference, arm=None, **how)


def of_experiment(uri: str, experiment: str, out: Path | None, **how: Any) -> None:
    """Report a study that lies in an MLflow store; its table is written beside the report."""
    frame = read_experiment(uri, experiment)
    folder = out or Path(f"report-{Path(experiment).name}")
    commands.report(_write(frame, folder), folder, **how)


def _write(frame: pd.DataFrame, out: Path) -> Path:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KnockoutError(f"this folder cannot be made: {error.strerror}.", where=str(out)) from None
    write_atomically(out / TABLE, lambda temporary: frame.to_parquet(temporary, index=False))
    return out / TABLE


def _named(folders: Sequence[Path], plans: Sequence[list[Row]]) -> Planned:
    """Name every study apart: by its own name, and by its folder where that is not enough."""
    names = [rows[0].study for rows in plans]
    if len(set(names)) < len(names):
        names = [f"{name} ({folder.resolve().name})" for name, folder in zip(names, folders, strict=True)]
    if len(set(names)) < len(names):
        names = [f"{rows[0].study} ({folder})" for rows, folder in zip(plans, folders, strict=True)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise KnockoutError(f"{twice!r} is named twice.")
    return {name: (folder, rows) for name, folder, rows in zip(names, folders, plans, strict=True)}


def _shared(planned: Planned) -> set[tuple[str, int]]:
    """Return the data sets and repeats that every study planned: a repeat one never planned is not missing."""
    cells = {name: {(row.dataset, row.repeat) for row in rows} for name, (_, rows) in planned.items()}
    shared = set.intersection(*cells.values())
    if not shared:
        told = "; ".join(f"{name} has {', '.join(sorted({d for d, _ in seen}))}" for name, seen in cells.items())
        raise KnockoutError(f"these studies share no data set and repeat: {told}.")
    return shared


def _kept(planned: Planned, shared: set[tuple[str, int]]) -> int:
    return sum((row.dataset, row.repeat) in shared for _, rows in planned.values() for row in rows)


def _cells(name: str, folder: Path, rows: list[Row], shared: set[tuple[str, int]]) -> pd.DataFrame:
    kept = [row for row in rows if (row.dataset, row.repeat) in shared]
    frame = tidy(kept, results_of(kept, Ledger(folder)))
    if frame.empty:
        raise KnockoutError("no cell that the other studies share has ended yet.", where=str(folder))
    return frame.assign(arm=name + ": " + frame["arm"], study_name=name)


def _refuse_mixed(frame: pd.DataFrame, column: str, keys: list[str]) -> None:
    """Refuse studies that sat different exams, and name two that did."""
    known = frame[frame[column].ne("")]  # a cell that failed early has no digest of its split
    for where, cells in known.groupby(keys):
        seen = cells.drop_duplicates(column)
        if len(seen) > 1:
            one, other = seen.iloc[0], seen.iloc[1]
            place = " repeat ".join(map(str, where)) if isinstance(where, tuple) else str(where)
            what = "data" if column == "data_digest" else "splits"
            raise KnockoutError(
                f"mixed digests: {one['study_name']} and {other['study_name']} saw different {what} ({column} "
                f"{one[column]} and {other[column]}), so their differences are not the arms'. Run one of them again "
                "on what the other saw.",
                where=place,
            )


def _reference(frame: pd.DataFrame, first: str) -> str:
    named = frame.loc[(frame["study_name"] == first) & (frame["role"] == "reference"), "arm"].unique()
    if not len(named):
        arms = ", ".join(sorted(set(frame["arm"])))
        raise KnockoutError(f"{first} has no finished reference arm; name one with --reference: {arms}.")
    return str(named[0])
