"""What an output folder says of its study at this moment, read while others write; nothing is written here."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import pandas as pd

from components.core.errors import KnockoutError
from components.core.metrics import COSTS
from study.plan.plan import PLAN, Row, read_plan
from study.plan.time_left import costs_of, seconds_left
from study.store.claims import Claim, read_claims
from study.store.drivers import Driver, read_drivers
from study.store.ledger import Ledger

__all__ = ["Folder", "Record", "Snapshot", "Trials"]

T = TypeVar("T")


@dataclass(frozen=True)
class Record:
    """How a cell ended, without its curves and scores."""

    status: str
    reason: str
    seconds: float
    written: int | None  # time of change of its file, in nanoseconds


@dataclass(frozen=True)
class Trials:
    """How far a search is.

    Attributes
    ----------
    states
        Number of trials by state, warm ones aside.
    warm
        Number of trials that the ledger held before the search began.
    best
        The best complete trial by the first objective, on validation pairs, in words.
    allowed
        Trials that the search may propose; None if that is not known.
    over
        Whether its budget is spent, or its space.
    seconds_left
        On one lane; None if that is not known.
    """

    states: Counter[str]
    warm: int
    best: str
    allowed: int | None
    over: bool
    seconds_left: float | None


@dataclass(frozen=True)
class Snapshot:
    """What an output folder says of its study at one moment.

    Attributes
    ----------
    rows, records
        The planned cells, and how those that have a record ended, by digest.
    running, stale
        Claims of living and of dead drivers on cells without a record.
    drivers
        The living drivers.
    search
        The search, if there is one.
    tuned, tuning
        Number of finished trials of a tuned ablation, and its table of arms, once it is written.
    """

    rows: list[Row]
    records: dict[str, Record]
    running: list[Claim]
    stale: list[Claim]
    drivers: list[Driver]
    search: Trials | None
    tuned: int
    tuning: pd.DataFrame | None

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do, and nobody does anything."""
        begun = bool(self.rows) or self.search is not None
        ended = len(self.records) == len(self.rows) and (self.search is None or self.search.over)
        return begun and ended and not self.drivers

    @property
    def seconds_left(self) -> float | None:
        """Estimated seconds until it is complete on the lanes of the living drivers, one if there are none."""
        lanes = max(1, sum(driver.workers for driver in self.drivers))
        keys = {row.cell: (row.arm_digest, row.dataset) for row in self.rows}
        missing = [keys[row.cell] for row in self.rows if row.cell not in self.records]
        running = [(*keys[claim.cell], claim.age) for claim in self.running if claim.cell in keys]
        if self.search is not None and not missing:
            return None if self.search.seconds_left is None else self.search.seconds_left / lanes
        return seconds_left(missing, costs_of(keys, self.records), lanes, running)


class Folder:
    """An output folder that is looked at again and again; a file that has not changed is not read again.

    Parameters
    ----------
    out
        The study's output folder.
    """

    def __init__(self, out: Path) -> None:
        self.out, self.ledger = out, Ledger(out)
        self._plan = _Cached(out / PLAN, lambda path: read_plan(path.parent)[1])
        self._trials = _Cached(out / "search" / "trials.csv", _read_table)
        self._tuning = _Cached(out / "tune" / "tuning.csv", _read_table)
        self._of_arms: dict[Path, _Cached[int]] = {}
        self._records: dict[str, Record] = {}

    def look(self) -> Snapshot:
        """Return what the folder says now.

        Raises
        ------
        KnockoutError
            If it holds no study, or a file in it is damaged.
        """
        trials, tuned = self._trials.read(), self._count_tuned()
        rows = self._plan.read()
        if rows is None and trials is None and tuned is None:
            read_plan(self.out)  # says what is wrong
        rows = rows or []
        claims = read_claims(self.out)  # before the records: a cell is recorded before it is nobody's
        self._update(dict.fromkeys(row.cell for row in rows))
        open_claims = [claim for claim in claims if not (self.ledger.records / f"{claim.cell}.json").exists()]
        return Snapshot(
            rows,
            dict(self._records),
            [claim for claim in open_claims if claim.alive],
            [claim for claim in open_claims if not claim.alive],
            [driver for driver in read_drivers(self.out) if driver.alive],
            None if trials is None else self._summarise(trials),
            tuned or 0,
            self._tuning.read(),
        )

    def _update(self, cells: Iterable[str]) -> None:
        """Read the records that are new; only failed ones are ever forgotten and written anew."""
        found: dict[str, Record] = {}
        there = {path.stem for path in self.ledger.records.glob("*.json")}
        for cell in (cell for cell in cells if cell in there):
            known = self._records.get(cell)
            if known is None or (known.status != "ok" and known.written != self._written(cell)):
                known = self._read(cell)
            if known is not None:
                found[cell] = known
        self._records = found

    def _read(self, cell: str) -> Record | None:
        written, result = self._written(cell), self.ledger.read(cell)
        return None if result is None else Record(result.status, result.reason, result.seconds, written)

    def _written(self, cell: str) -> int | None:
        try:
            return (self.ledger.records / f"{cell}.json").stat().st_mtime_ns
        except FileNotFoundError:
            return None

    def _count_tuned(self) -> int | None:
        """Return how many trials of a tuned ablation have ended, all arms together; None if none is tuned."""
        for path in (self.out / "tune").glob("*/trials.csv"):
            self._of_arms.setdefault(path, _Cached(path, lambda path: int((~_read_table(path)["warm"]).sum())))
        counts = [cached.read() for cached in self._of_arms.values()]
        return sum(count or 0 for count in counts) if counts else None

    def _summarise(self, table: pd.DataFrame) -> Trials:
        said, clock = (_read_json(self.out / "search" / name) for name in ("search.json", "clock.json"))
        own = table[~table["warm"]]
        allowed, hours, spent = said.get("trials"), said.get("hours"), clock.get("seconds", 0.0)
        over = bool(said.get("exhausted")) or (allowed is not None and len(own) >= allowed)
        left = None
        if allowed is not None and len(own):
            left = float(own["seconds"].mean()) * max(allowed - len(own), 0)
        return Trials(
            Counter(own["state"]),
            len(table) - len(own),
            _best(table),
            allowed,
            over or (hours is not None and spent >= 3600 * hours),
            left,
        )


class _Cached(Generic[T]):
    """What a file holds, read anew when the file has changed; None where there is none."""

    def __init__(self, path: Path, read: Callable[[Path], T]) -> None:
        self.path, self._read = path, read
        self._stamp: tuple[int, ...] = ()
        self._held: T | None = None

    def read(self) -> T | None:
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            self._stamp, self._held = (), None
            return None
        stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
        if stamp != self._stamp:
            self._held, self._stamp = self._read(self.path), stamp
        return self._held


def _read_table(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)
        return table.astype({"warm": bool, "state": str, "seconds": float}) if "trials.csv" in path.name else table
    except (ValueError, KeyError) as error:
        raise KnockoutError(
            f"the table is damaged ({error}); run the study again to have it rewritten.", where=str(path)
        ) from None


def _read_json(path: Path) -> dict[str, Any]:
    """Return what a file of a search says; nothing while it is not written yet."""
    try:
        found = json.loads(path.read_text())
        return found if isinstance(found, dict) else {}
    except (FileNotFoundError, ValueError):
        return {}


def _best(table: pd.DataFrame) -> str:
    """Say which complete trial is best by the first objective."""
    column = next((name for name in table.columns if name.startswith("objective:")), None)
    complete = table[table["state"] == "complete"]
    if column is None or complete.empty:
        return ""
    name = column.removeprefix("objective:")
    trial = complete.sort_values([column, "number"], ascending=[name in COSTS, True]).iloc[0]
    return f"{name} {trial[column]:.4g} on validation, {trial['arm']}"
