"""How far the study in an output folder is at this moment, read while others write; nothing is written here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from components.core.metrics import COSTS
from study.spec.folder import OutFolder
from study.spec.records import CellRecord, CellRow, ClockRecord, SearchRecord, read_if_sound
from study.store.claims import Claim, read_claims
from study.store.drivers import Driver, read_drivers
from study.store.ledger import Ledger
from study.store.plan_file import read_plan
from study.store.time_left import Costs, budget_is_spent, seconds_left, seconds_left_of_search

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")

TRIALS = {"warm": bool, "state": str, "seconds": float}  # columns of the table of trials


@dataclass(frozen=True)
class SearchProgress:
    """How far a search is."""

    states: Counter[str]  # number of trials by state, warm ones aside
    warm: int  # number of trials that the ledger held before the search began
    best: str  # the best complete trial by the first objective, on validation pairs, in words
    allowed: int | None  # trials that the search may propose; None if that is not known
    over: bool  # whether its budget is spent, or its space
    seconds_left: float | None  # on one lane; None if that is not known


@dataclass(frozen=True)
class Progress:
    """How far the study in an output folder is at one moment."""

    # the planned cells, and how those that have a record ended, by digest: status, reason and seconds
    rows: list[CellRow]
    ended: dict[str, CellRecord]
    # claims of living and of dead drivers on cells without a record
    running: list[Claim]
    stale: list[Claim]
    drivers: list[Driver]  # the living drivers
    search: SearchProgress | None  # the search, if there is one
    # number of finished trials of a tuned ablation, and its table of arms, once it is written
    tuned: int
    tuning: pd.DataFrame | None
    damaged: tuple[str, ...] = ()  # tables that cannot be read, with the reason; running the study again rewrites them

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do, and nobody does anything."""
        begun = bool(self.rows) or self.search is not None
        all_ended = len(self.ended) == len(self.rows) and (self.search is None or self.search.over)
        return begun and all_ended and not self.drivers

    @property
    def seconds_left(self) -> float | None:
        """Estimated seconds until it is complete on the lanes of the living drivers, one if there are none."""
        lanes = max(1, sum(driver.record.workers for driver in self.drivers))
        keys = {row.cell: (row.arm_digest, row.dataset) for row in self.rows}
        missing = [keys[row.cell] for row in self.rows if row.cell not in self.ended]
        running = [(keys[claim.cell], claim.age) for claim in self.running if claim.cell in keys]
        if self.search is not None and not missing:
            return None if self.search.seconds_left is None else self.search.seconds_left / lanes
        return seconds_left(missing, Costs.of(keys, self.ended), lanes, running)


class ProgressReader:
    """Reads an output folder again and again; a file that has not changed is not read again."""

    def __init__(self, out: Path) -> None:
        self.out, self.folder, self.ledger = out, OutFolder(out), Ledger(out)
        self._contents: dict[Path, tuple[tuple[int, ...], Any]] = {}  # with time of change (ns), inode and size
        self._ended: dict[str, CellRecord] = {}

    def read(self) -> Progress:
        """Return how far the study is now."""
        damaged: list[str] = []
        trials, tuned = self._table(self.folder.search.trial_table, damaged, TRIALS), self._count_tuned(damaged)
        rows = self._read(self.folder.plan, lambda path: read_plan(path.parent).rows)
        if rows is None and trials is None and tuned is None and not damaged:
            read_plan(self.out)  # says what is wrong
        claims = read_claims(self.out)  # before the records: a cell is recorded before it is nobody's
        self._update(dict.fromkeys(row.cell for row in rows or ()))
        open_claims = [claim for claim in claims if not self.folder.record(claim.cell).exists()]
        return Progress(
            rows or [],
            self._ended,
            [claim for claim in open_claims if claim.alive],
            [claim for claim in open_claims if not claim.alive],
            [driver for driver in read_drivers(self.out) if driver.alive],
            None if trials is None else self._search_progress(trials),
            tuned or 0,
            self._table(self.folder.tuning_table, damaged),
            tuple(damaged),
        )

    def _update(self, cells: Iterable[str]) -> None:
        """Read the records that are new; only failed ones are ever forgotten and written anew."""
        recorded, ended = self.ledger.cells(), {}
        for cell in (cell for cell in cells if cell in recorded):
            record = self._ended.get(cell)
            if record is None or not record.ok:
                record = self._read(self.folder.record(cell), lambda path: _end(self.ledger.read(path.stem)))
            if record is not None:
                ended[cell] = record
        self._ended = ended

    def _count_tuned(self, damaged: list[str]) -> int | None:
        """Return how many trials of a tuned ablation have ended, all arms together; None if none is tuned."""
        tables = [self._table(path, damaged, TRIALS) for path in self.folder.tuning.glob("*/trials.csv")]
        return sum(int((~table["warm"]).sum()) for table in tables if table is not None) if tables else None

    def _search_progress(self, trials: pd.DataFrame) -> SearchProgress:
        search = read_if_sound(self.folder.search.summary, SearchRecord)
        clock = read_if_sound(self.folder.search.clock, ClockRecord)
        proposed, spent = trials[~trials["warm"]], clock.seconds if clock else 0.0
        allowed, over = None, False
        if search is not None:
            allowed, hours = search.trials, search.hours
            over = search.exhausted or budget_is_spent(allowed, hours, proposed=len(proposed), seconds=spent)
        return SearchProgress(
            Counter(proposed["state"]),
            len(trials) - len(proposed),
            _best(trials),
            allowed,
            over,
            seconds_left_of_search(proposed["seconds"].to_list(), allowed),
        )

    def _table(self, path: Path, damaged: list[str], types: Mapping[str, type] = {}) -> pd.DataFrame | None:
        """Return the content of a table; None, with a line in ``damaged``, where it cannot be read."""
        try:
            return self._read(path, lambda path: _read_table(path, types))
        except (ValueError, KeyError, OSError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            damaged.append(f"{path}: the table is damaged ({reason}); run the study again to have it rewritten.")
            return None

    def _read(self, path: Path, read: Callable[[Path], T]) -> T | None:
        """Return the content of a file, read anew when the file has changed; None where there is none."""
        try:
            stat = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            self._contents.pop(path, None)
            return None
        stamp = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        if path not in self._contents or self._contents[path][0] != stamp:
            self._contents[path] = stamp, read(path)
        return self._contents[path][1]


def _read_table(path: Path, types: Mapping[str, type]) -> pd.DataFrame:
    import pandas as pd  # where there is no table, nobody waits for it

    return pd.read_csv(path).astype(types)


def _end(record: CellRecord | None) -> CellRecord | None:
    """Return a record without curves, scores and identity, which thousands of cells would fill the memory with."""
    if record is None:
        return None
    return CellRecord(cell=record.cell, status=record.status, reason=record.reason, seconds=record.seconds)


def _best(trials: pd.DataFrame) -> str:
    """Name the complete trial that is best by the first objective."""
    column = next((name for name in trials.columns if name.startswith("objective:")), None)
    complete = trials[trials["state"] == "complete"]
    if column is None or complete.empty:
        return ""
    name = column.removeprefix("objective:")
    trial = complete.sort_values([column, "number"], ascending=[name in COSTS, True]).iloc[0]
    return f"{name} {trial[column]:.4g} on validation, {trial['arm']}"
