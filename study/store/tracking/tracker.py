"""Sends a study to MLflow: study > arm > cell, by the driver alone.

The tracker is an onlooker: the ledger is the truth, and a store that is gone, held, damaged or full ends no study. What
it missed is sent when the study ends, or by ``knockout track``. Runs are found by their tag ``knockout.key`` and never
doubled: a study that is resumed, or run again, or by two drivers at once, adds what is missing.
"""

from __future__ import annotations

import csv
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from components.core.errors import KnockoutError, brief, command, redact
from study.spec.folder import OutFolder, SearchFolder
from study.spec.records import CellRecord, CellRow, PlanRecord, read_record
from study.store.ledger import Ledger
from study.store.locks import hold, usable
from study.store.tracking import runs
from study.store.tracking.experiment import PARENT, KnownRun, MlflowStore
from study.store.tracking.runs import STUDY, Metric, Stage, Standing
from study.store.tracking.store_file import default_uri, set_ruin_aside

LEVEL, REASON, EARLIER, SEALED = "knockout.level", "knockout.reason", "knockout.earlier", "knockout.sealed"
RETRY_S = 300.0  # for so long a store that failed is left alone


class Tracker:
    """The only writer of a study's MLflow record; nothing is opened before it is needed."""

    def __init__(
        self,
        name: str,
        out: Path,
        uri: str | None = None,
        *,
        stage: Stage = STUDY,  # what the cells are run for; of a sealed one, test scores and predictions are kept out
        say: Callable[[str], None] = lambda text: None,  # is given the one warning about a store that fails
        strict: bool = False,  # raise a KnockoutError in place of that warning
    ) -> None:
        self.name, self.out, self.folder = name, out, OutFolder(out.resolve())
        self.stage, self.strict, self._say = stage, strict, say
        self.opened: set[str] = set()  # digests of the arms of a sealed stage whose test may be shown
        self.uri = uri or default_uri(out)
        self.address = redact(self.uri, self.uri)
        self.trouble = ""  # why the store does not answer; empty while it does
        self._own, self._given = self.uri == default_uri(out), uri is not None
        self._warned, self._failed = False, 0.0
        self._metric = ""
        self.view = ""  # path of MLflow's interface that compares the arms
        self._standing: Standing | None = None
        self._sent: set[tuple[str, str, str, bool]] = set()  # cells that the store has, and how they ended
        self._waiting: deque[Callable[[], None]] = deque()  # what no lane need wait for
        self._open_store()

    def refuse_unknown(self) -> None:
        """Refuse a URI that MLflow has no store for, before anything is trained."""
        if not self._own:
            try:
                _ = self._store.client
            except KnockoutError:
                raise
            except Exception as error:
                self._fail(error)

    def begin(self, plan: PlanRecord) -> None:
        """Say what the study asks, and which runs are cells that it no longer plans."""
        self._attempt(self._begin, plan)

    def log(self, row: CellRow, record: CellRecord) -> None:
        """Record one cell below its arm, unless it is there already."""
        if self._has(row, record):
            return
        if not self.trouble or time.monotonic() - self._failed > RETRY_S:
            self._attempt(self._log, row, record)

    def later(self, action: Callable[..., None], *arguments: Any) -> None:
        """Do at the next :meth:`flush` what would be done now: a lane has its next cell first."""
        self._waiting.append(partial(action, *arguments))

    def flush(self) -> None:
        """Do what waits for it, in its order."""
        while self._waiting:
            self._waiting.popleft()()

    def close(self, rows: Sequence[CellRow], records: Mapping[str, CellRecord], files: Sequence[Path] = ()) -> None:
        """Send what the store lacks of planned cells, and files; put means on arms' runs; end them and the study's."""
        done = [row for row in rows if row.cell in records]
        for row in done:
            if not self._has(row, records[row.cell]) and not self._attempt(self._log, row, records[row.cell]):
                return
        self._attempt(self._close, rows, records, files)

    def send(self, files: Sequence[Path]) -> None:
        """Put files beside the study's run, whose state stays as it is."""
        self._attempt(self._send, files)

    def lacking(self, rows: Sequence[CellRow], records: Mapping[str, CellRecord]) -> int:
        """Return how many recorded cells the store is not known to have."""
        recorded = [(row, records[row.cell]) for row in rows if row.cell in records]
        return sum(not self._has(row, record) for row, record in recorded)

    def _attempt(self, action: Callable[..., None], *arguments: Any) -> bool:
        """Do something in the store; whatever fails there is said once, and no more."""
        try:
            with hold(usable(self.folder.mlflow_lock)):  # another driver of this folder would make the same run
                try:
                    action(*arguments)
                except Exception as error:
                    if not self._set_aside(error):
                        raise
                    action(*arguments)
        except Exception as error:  # of MLflow, a database, a network, a file system: none of them is the study's
            self._fail(error)
            return False
        self.trouble = ""
        return True

    def _set_aside(self, error: Exception) -> bool:
        aside = set_ruin_aside(self.folder) if self._own else None
        if aside is None:
            return False
        self._close_store()
        why = brief(error, self.uri)
        self._say(f"{self.folder.mlflow.name} cannot be read ({why}). It is {aside} now; a new one is made.")
        return True

    def _fail(self, error: Exception) -> None:
        self._close_store()
        self.trouble, self._failed = brief(error, self.uri), time.monotonic()
        if self.strict:
            raise KnockoutError(self.trouble, where=self.address) from None
        if not self._warned:
            self._warned = True
            self._say(
                f"warning: MLflow's record at {self.address} is not complete: {self.trouble} The study goes on; its "
                f"cells are in the ledger. Send later what is missing: {self.remedy}"
            )

    @property
    def remedy(self) -> str:
        """The command that sends what the store lacks."""
        return command("knockout", "track", self.out, *(("--tracking-uri", self.address) if self._given else ()))

    def _close_store(self) -> None:
        if self._own:  # its file may be another one by the next time
            self._store.disconnect()
            self._sent.clear()
        self._open_store()

    def _open_store(self) -> None:
        self._store = MlflowStore(self.uri, self.name, self.folder if self._own else None)
        self._arms: dict[str, KnownRun] = {}  # by digest
        self._study_run: KnownRun | None = None

    def _begin(self, plan: PlanRecord) -> None:
        self._metric = plan.metric
        self._store.tag(self._study(), runs.study_tags(plan))
        if not self.stage.sealed:
            self._standing = Standing(plan.rows)
            self.view = self._store.show(runs.first_view(plan.metric, plan.rows))
        planned, datasets = {self._key("cell", row) for row in plan.rows}, {row.dataset for row in plan.rows}
        for key, run in self._store.runs.items():
            if run.tags.get(LEVEL) == "cell" and run.tags.get("knockout.dataset") in datasets:
                earlier = key not in planned
                if earlier or EARLIER in run.tags:
                    self._store.tag(run, {EARLIER: str(earlier).lower()})

    def _log(self, row: CellRow, record: CellRecord) -> None:
        key = self._key("cell", row)
        run, status = self._store.find(key), "FINISHED" if record.ok else "FAILED"
        tags = {**runs.cell_tags(row, record), LEVEL: self.stage.cell, PARENT: self._arm(row).run_id}
        opened = run is not None and not self._seals(row) and run.tags.get(SEALED) == "true"
        if run is not None and (opened or (run.status, run.tags.get(REASON)) != (status, tags[REASON])):
            self._store.delete(key)  # left unfinished by a crash, a failure that was retried, a test that is opened
            run = None
        tags |= {SEALED: str(self._seals(row)).lower()} if self.stage.sealed else {}
        if run is None:
            run = self._store.create(key, f"{row.dataset} · repeat {row.repeat}", tags)
            self._store.add_datasets(run, {row.dataset: row.data_digest})
            self._store.log(run, runs.cell_params(row), self._shown(row, runs.cell_metrics(record)))
            predictions = self.folder.predictions(row.cell)
            if record.ok and predictions.exists() and not self._seals(row):
                self._store.upload(run, predictions, "predictions")
            self._store.end(run, status)
        else:
            self._store.tag(run, tags)  # an arm that was renamed, a parent that was deleted
        self._sent.add(self._ending(row, record))
        if self._standing is not None:
            self._standing.add(row, record)
            if self._standing.due:  # update what MLflow shows while the study runs
                self._store.log(self._study(), {}, self._standing.progress)
                for arm, metrics in self._standing.means():
                    if arm in self._arms:
                        self._store.log(self._arms[arm], {}, metrics)

    def _close(self, rows: Sequence[CellRow], records: Mapping[str, CellRecord], files: Sequence[Path]) -> None:
        by_arm: dict[str, list[CellRow]] = {}
        for row in rows:
            by_arm.setdefault(row.arm_digest, []).append(row)
        for of_arm in by_arm.values():
            done = [records[r.cell] for r in of_arm if r.cell in records]
            if done:
                run = self._arm(of_arm[0])
                self._store.add_datasets(run, {r.dataset: r.data_digest for r in of_arm})
                self._store.log(run, {}, self._shown(of_arm[0], runs.arm_metrics(done)))
                self._store.end(run, "FINISHED" if len(done) == len(of_arm) else "KILLED")
        if self._standing is not None:
            self._store.log(self._study(), {}, self._standing.progress)
        for file in files:
            self._store.upload(self._study(), file, "study")
        complete = self.stage.sealed or all(row.cell in records for row in rows)  # a search prunes
        self._store.end(self._study(), "FINISHED" if complete else "KILLED")
        if self._metric:
            self.view = self._store.show(runs.first_view(self._metric, rows))
        self._arms, self._study_run = {}, None  # whoever logs more takes them up again

    def _send(self, files: Sequence[Path]) -> None:
        if (run := self._store.find(f"{self.name}/study")) is not None:
            for file in files:
                self._store.upload(run, file, "study")

    def _seals(self, row: CellRow) -> bool:
        return self.stage.sealed and row.arm_digest not in self.opened

    def _shown(self, row: CellRow, metrics: Sequence[Metric]) -> list[Metric]:
        return [metric for metric in metrics if not (self._seals(row) and metric[0].startswith("test."))]

    def _has(self, row: CellRow, record: CellRecord) -> bool:
        """Whether the store is known to have a cell as it ended; asked before the lock: most are sent twice."""
        return self._ending(row, record) in self._sent

    def _ending(self, row: CellRow, record: CellRecord) -> tuple[str, str, str, bool]:
        return self._key("cell", row), str(record.status), record.reason, self._seals(row)

    def _key(self, level: str, row: CellRow) -> str:
        cell = f"{row.cell}/" if level == "cell" else ""
        return f"{self.name}{self.stage.folder}/{level}/{cell}{row.arm_digest}"

    def _study(self) -> KnownRun:
        if self._study_run is None:
            self._study_run = self._find_or_create(f"{self.name}/study", self.name, {LEVEL: "study"}, {})
        return self._study_run

    def _arm(self, row: CellRow) -> KnownRun:
        if row.arm_digest not in self._arms:
            tags = {LEVEL: self.stage.arm, "knockout.role": row.role, PARENT: self._study().run_id}
            run = self._find_or_create(self._key("arm", row), row.arm, tags, runs.arm_params(row))
            self._arms[row.arm_digest] = run
        return self._arms[row.arm_digest]

    def _find_or_create(self, key: str, name: str, tags: dict[str, str], params: dict[str, str]) -> KnownRun:
        run = self._store.find(key)
        if run is None:
            run = self._store.create(key, name, tags)
            self._store.log(run, params, [])
        else:
            self._store.reopen(run, name)
            self._store.tag(run, tags)
        return run


def send_path(folder: SearchFolder, tracker: Tracker, ledger: Ledger) -> set[str]:
    """Send what MLflow lacks of a path's cells, with the test of arms that are on the path; return their digests.

    The tracker is one of the stage ``PATH``.
    """
    walked = read_record(folder.walked, PlanRecord)
    if walked is None:
        return set()
    if folder.path.is_file():  # the path is at its end
        with folder.path.open(encoding="utf-8", newline="") as lines:
            tracker.opened = {row["arm_digest"] for row in csv.DictReader(lines)}
    records = ledger.read_all(row.cell for row in walked.rows)
    tracker.close(walked.rows, records)
    return set(records)
