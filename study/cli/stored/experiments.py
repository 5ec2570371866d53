"""What the commands do with experiments that are stored: several side by side, or one out of an MLflow store."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from components.core.errors import KnockoutError, UnknownNameError
from reports.errors import ReportError
from reports.folder import put_beside, refuse_folder
from reports.options import Planned
from reports.stored.mlflow_reader import fetch_search, read_experiment
from reports.words.names import plain, plain_names
from reports.words.numbers import count
from study.actions.report import Request, as_read, report_search, report_table
from study.cli.display import LOADING, Terminal
from study.cli.stored.reporting import show_report
from study.spec.folder import OutFolder, SearchFolder
from study.spec.records import CellRow
from study.store.ledger import Ledger
from study.store.plan_file import read_plan, read_trial_rows
from study.store.table import tidy
from study.store.tracking.runs import PATH, SEARCH
from study.store.tracking.store_file import default_uri
from study.store.tracking.tracker import Tracker, send_path

TABLE = OutFolder(Path()).table.name
Plans = dict[str, tuple[Path, list[CellRow]]]  # by the name a study goes by beside the others
FETCHING = "reading the MLflow store"
SENDING = "sending cells to MLflow"
SAME = 1e-4  # scores of one cell, trained twice, differ by what parallel sums round
EXAMS = (("data_digest", ["dataset"]), ("split", ["dataset"]), ("split_digest", ["dataset", "repeat"]))


def compare(folders: Sequence[Path], out: Path, request: Request) -> None:
    """Report the arms of several studies in one table, ``<study>: <arm>``, on the cells that all of them planned.

    The first of them gives the reference, the metric, the margin and the level. The common table is written, too.
    """
    _refuse_alike(folders)
    _refuse_out(out)
    screen = Terminal()
    with screen.busy(LOADING):
        plans = [read_plan(folder) for folder in folders]
        planned = _named(folders, [plan.rows for plan in plans])
        shared = _shared(planned)
        frame = pd.concat([_cells(name, *planned[name], shared) for name in planned], ignore_index=True)
    for column, keys in EXAMS:
        _refuse_mixed(frame, column, keys)
    arms, twins = set(frame["arm"]), _twins(frame)
    reference = plain(request.options.reference or _reference(frame, next(iter(planned))))
    if reference not in arms:
        raise UnknownNameError.of("reference arm", reference, sorted(arms - set(twins)), where="--reference")
    _print_differences(screen, planned, shared, twins)
    options = replace(request.options, arm=None, reference=twins.get(reference, reference))
    request = replace(request, options=options).with_defaults(plans[0])
    distinct = frame[~frame["arm"].isin(twins)].drop(columns="study_name")
    awaited = {
        (f"{name}: {row.arm}", row.block, row.dataset, row.repeat)
        for name, (_, rows) in planned.items()
        for row in rows
        if (row.dataset, row.repeat) in shared and plain(f"{name}: {row.arm}") not in twins
    }
    _report(screen, distinct, out, ", ".join(map(str, folders)), request, Planned(as_read(awaited)))


def of_experiment(uri: str, experiment: str, out: Path | None, request: Request) -> None:
    """Report an experiment that lies in an MLflow store, and put its table beside the report.

    A search whose test is sealed is reported alone; one that was confirmed stands on the page of what confirmed it.
    """
    folder = out or Path(f"report-{Path(experiment).name}")
    _refuse_out(folder)
    screen = Terminal()
    with tempfile.TemporaryDirectory() as fetched:
        with screen.busy(FETCHING):
            search = fetch_search(uri, experiment, Path(fetched))
        files = SearchFolder(search.folder) if search and search.folder else None
        if search and search.trouble:
            screen.say(f"left out: {search.trouble}")
        if search and files and search.sealed:
            written = report_search(files, folder, (request.command,), screen, as_pdf=request.as_pdf)
            return show_report(screen.console, written)
        with screen.busy(FETCHING):
            stored = read_experiment(uri, experiment)
        request = request.with_defaults(stored)
        for sentence in stored.notes:
            screen.say(sentence)
        source = f"{uri}, experiment {experiment!r}"
        try:
            _report(screen, stored.frame, folder, source, request, search=files)
        except ReportError as error:
            raise _naming_runs(error, source, stored.runs) from None


def _naming_runs(error: ReportError, source: str, runs: Sequence[str]) -> ReportError:
    """Say of each row that an error names which run it is."""
    message = f"{error.where} {error.message}".replace(source, "")
    listed = re.findall(r"\brows? (\d+(?:(?:, | and )\d+)*)", message)
    rows = dict.fromkeys(int(number) for text in listed for number in re.findall(r"\d+", text))
    named = "; ".join([f"row {row} is run {runs[row - 2]}" for row in rows if 2 <= row < len(runs) + 2][:4])
    if "status must say so" in error.message:
        named += ". A run that failed ends as FAILED: mlflow.MlflowClient().set_terminated(run_id, 'FAILED')"
    return ReportError(f"{error.message.rstrip('.')}. {named}." if named else error.message, where=error.where)


def track(out: Path, uri: str | None) -> None:
    """Send what the ledger of a folder holds to MLflow, as far as the store lacks it; print how much that is."""
    if uri in (None, default_uri(out)) and out.is_dir() and not os.access(out, os.W_OK):
        raise KnockoutError(
            "the folder cannot be written, and its MLflow store lies in it. Name another store with --tracking-uri.",
            where=str(out),
        )
    folder, ledger, screen = OutFolder(out), Ledger(out), Terminal()
    trials = read_trial_rows(out)
    plan = read_plan(out) if folder.plan.exists() or not trials else None
    known = set()
    if trials:
        tracker = Tracker(trials[0].study, out, uri, stage=SEARCH, strict=True, say=screen.say)
        known |= _send(screen, tracker, trials, ledger, folder.search.tables)
    if plan is not None:
        tracker = Tracker(plan.rows[0].study, out, uri, strict=True, say=screen.say)
        with screen.busy(FETCHING):
            tracker.begin(plan)
        known |= _send(screen, tracker, plan.rows, ledger)
        path = Tracker(plan.rows[0].study, out, uri, stage=PATH, strict=True, say=screen.say)
        with screen.busy(SENDING):
            known |= send_path(folder.search, path, ledger)
    screen.say(f"MLflow:  {tracker.address} has {count(len(known), 'cell')} of {out}")
    if left := len(ledger.cells() - known):
        screen.say(f"{count(left, 'cell')} of the ledger left out: neither the last plan nor a trial has them.")


def _send(
    screen: Terminal, tracker: Tracker, rows: list[CellRow], ledger: Ledger, files: Sequence[Path] = ()
) -> set[str]:
    """Send recorded cells, and return their digests."""
    records = ledger.read_all(row.cell for row in rows)
    with screen.busy(SENDING):
        tracker.close(rows, records, files)
    return set(records)


def _report(
    screen: Terminal,
    frame: pd.DataFrame,
    out: Path,
    source: str,
    request: Request,
    planned: Planned | None = None,
    search: SearchFolder | None = None,
) -> None:
    """Report a table that no file holds yet, and put it beside the report once that is written."""
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / out.resolve().name / TABLE  # the page names a table by its folder and its file
        table.parent.mkdir(exist_ok=True)
        frame.to_parquet(table, index=False)
        try:
            report = report_table(table, out, request, screen, planned, search)
        except ReportError as error:
            raise ReportError(error.message, where=error.where.replace(str(table), source)) from None
        show_report(screen.console, report)
        put_beside(table, out)


def _refuse_alike(folders: Sequence[Path]) -> None:
    first: dict[Path, Path] = {}
    for folder in folders:
        if folder.is_file():
            raise KnockoutError("is a file; compare takes output folders of studies.", where=str(folder))
        other = first.setdefault(folder.resolve(), folder)
        if other is not folder:
            also = "" if str(other) == str(folder) else f" (also as {other})"
            raise KnockoutError(f"this study is named twice{also}; name different ones.", where=str(folder))
    if len(folders) < 2:
        raise KnockoutError("one study is not compared with itself; name two output folders or more.")


def _refuse_out(out: Path) -> None:
    """Refuse a folder of a report whose table would take the place of another that is no report's."""
    if OutFolder(out).is_study:
        raise KnockoutError(
            f"this is the output folder of a study, and {TABLE} in it is that study's own. Name another folder with "
            "--out.",
            where=str(out),
        )
    refuse_folder(out, beside=[TABLE])


def _twins(frame: pd.DataFrame) -> dict[str, str]:
    """Find arms that ran the same cells in an earlier study, too: tests of one against the other would cost power."""
    keys = ["arm_digest", "cell", "part", "metric", "status"]
    by_cells: dict[tuple[Any, ...], tuple[str, pd.Series]] = {}
    twins: dict[str, str] = {}
    for arm, rows in frame.groupby("arm", sort=False):
        ordered = rows.sort_values(keys)
        cells = tuple(ordered[keys].itertuples(index=False, name=None))
        first, scores = by_cells.setdefault(cells, (str(arm), ordered["value"]))
        if first != arm and np.allclose(ordered["value"], scores, rtol=SAME, atol=SAME, equal_nan=True):
            twins[str(arm)] = first
    return twins


def _print_differences(
    screen: Terminal, planned: Plans, shared: set[tuple[str, int]], twins: Mapping[str, str]
) -> None:
    left = sum((row.dataset, row.repeat) not in shared for _, rows in planned.values() for row in rows)
    if left:
        screen.say(f"{count(left, 'cell')} left out: not every study planned their data set and repeat.")
    for arm, first in twins.items():
        screen.say(f"{arm!r} is {first!r}: the same cells, with scores within {SAME:g}. The first counts.")


def _named(folders: Sequence[Path], plans: Sequence[list[CellRow]]) -> Plans:
    """Name every study apart: by its own name, and by its folder where that is not enough."""
    names = [rows[0].study for rows in plans]
    if len(set(names)) < len(names):
        names = [f"{name} ({folder.resolve().name})" for name, folder in zip(names, folders, strict=True)]
    if len(set(names)) < len(names):
        names = [f"{rows[0].study} ({folder})" for rows, folder in zip(plans, folders, strict=True)]
    return {name: (folder, rows) for name, folder, rows in zip(names, folders, plans, strict=True)}


def _shared(planned: Plans) -> set[tuple[str, int]]:
    """Return the data sets and repeats that every study planned: a repeat one never planned is not missing."""
    cells = {name: {(row.dataset, row.repeat) for row in rows} for name, (_, rows) in planned.items()}
    shared = set.intersection(*cells.values())
    if not shared:
        lists = "; ".join(f"{name} has {', '.join(sorted({d for d, _ in own}))}" for name, own in cells.items())
        raise KnockoutError(f"these studies share no data set and repeat: {lists}.")
    return shared


def _cells(name: str, folder: Path, rows: list[CellRow], shared: set[tuple[str, int]]) -> pd.DataFrame:
    common = [row for row in rows if (row.dataset, row.repeat) in shared]
    frame = tidy(common, Ledger(folder).read_all(row.cell for row in common))
    if frame.empty:
        raise KnockoutError("no cell that the other studies share has ended yet.", where=str(folder))
    return frame.assign(arm=plain_names(name + ": " + frame["arm"]), study_name=name)


def _refuse_mixed(frame: pd.DataFrame, column: str, keys: list[str]) -> None:
    """Refuse studies that sat different exams, and name two that did."""
    known = frame[frame[column].ne("")]  # a cell that failed early has no digest of its split
    for where, cells in known.groupby(keys):
        distinct = cells.drop_duplicates(column)
        if len(distinct) > 1:
            one, other = distinct.iloc[0], distinct.iloc[1]
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
