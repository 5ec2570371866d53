"""Writes a study to MLflow: study > arm > cell, by the driver alone.

Runs are found by their tag ``knockout.key`` and never doubled: a study that is resumed, or run again, or by two drivers
at once, adds what is missing. MLflow is imported here only; its telemetry is switched off before that.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING

from filelock import FileLock
from sqlalchemy.exc import SQLAlchemyError

from components.core.errors import KnockoutError
from study.spec.folder import OutFolder
from study.spec.records import CellRecord, CellRow

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

KEY = "knockout.key"
MAX_METRICS, MAX_PARAMS = 1000, 100  # of one log_batch call


def default_uri(out: Path) -> str:
    """Return the address of the sqlite store inside an output folder."""
    return f"sqlite:///{OutFolder(out.resolve()).mlflow}"


class Tracker:
    """The only writer of a study's MLflow record; the store is opened by :meth:`reach` or the first cell.

    Parameters
    ----------
    name
        Study, the experiment's name.
    out
        Output folder: holds the default store, artifacts and predictions.
    uri
        Any MLflow tracking URI; the sqlite store in ``out`` by default.
    sealed
        Keep test scores and predictions out, as those of a search, which nobody may look at while it chooses.
    """

    def __init__(self, name: str, out: Path, uri: str | None = None, *, sealed: bool = False) -> None:
        self.name, self.folder, self.sealed = name, OutFolder(out.resolve()), sealed
        self.uri = uri or default_uri(out)
        self._lock = FileLock(self.folder.mlflow_lock)
        self.own_store = uri is None
        self._arms: dict[str, str] = {}  # arm digest to run

    def reach(self) -> None:
        """Open the store, so that one which does not answer is known before anything is trained.

        Raises
        ------
        KnockoutError
            If MLflow cannot use the store.
        """
        with self._store():
            _ = self._known

    def log(self, row: CellRow, record: CellRecord) -> None:
        """Record one cell below its arm, unless it is there already."""
        with self._store():
            self._log(row, record)

    def close(self, rows: Sequence[CellRow], records: Mapping[str, CellRecord]) -> None:
        """Put each arm's mean and standard deviation on its run, and end the arms' and the study's runs."""
        with self._store():
            self._close(rows, records)

    @contextmanager
    def _store(self) -> Iterator[None]:
        """Word MLflow's errors for the user, and keep another driver of this folder from writing the same run."""
        with self._lock if self.folder.root.exists() else nullcontext():
            yield from self._answering()

    def _answering(self) -> Iterator[None]:
        _ = self._client  # MLflow is imported there, after its telemetry is switched off
        from mlflow.exceptions import MlflowException

        try:
            yield
        except (MlflowException, SQLAlchemyError) as error:
            raise KnockoutError(
                f"the MLflow store does not answer: {str(error).strip()[:300]} "
                "Finished cells are safe in the ledger; run the same command again to go on.",
                where=self.uri,
            ) from None

    def _log(self, row: CellRow, record: CellRecord) -> None:
        key = f"{self.name}/cell/{row.cell}/{row.arm_digest}"
        known = self._find(key)
        if known is not None and (known.info.status, known.data.tags.get("knockout.reason")) == (
            _status(record),
            record.reason,
        ):
            return
        if known is not None:  # left unfinished by a crash, or a failure that was retried
            self._client.delete_run(known.info.run_id)
        tags = {"knockout.arm": row.arm, "knockout.role": row.role, "knockout.cell": row.cell}
        tags |= {"knockout.data_digest": row.data_digest, "knockout.code_digest": row.code_digest}
        tags |= {"knockout.network": row.network, "knockout.split_digest": record.split_digest}
        tags |= {"knockout.test_share": "" if record.test_share is None else str(record.test_share)}
        tags |= {f"version.{k}": v for k, v in record.versions.items() if k != "git_commit"}
        tags |= {
            "mlflow.source.git.commit": record.versions.get("git_commit", ""),
            "knockout.reason": record.reason,
        }
        run = self._create(key, f"{row.dataset} · repeat {row.repeat}", self._arm(row), tags)
        self._batch(run.info.run_id, _params(row), self._shown(_metrics(record)))
        predictions = self.folder.predictions(row.cell)
        if record.ok and predictions.exists() and not self.sealed:
            self._client.log_artifact(run.info.run_id, str(predictions), "predictions")
        self._client.set_terminated(run.info.run_id, _status(record))

    def _close(self, rows: Sequence[CellRow], records: Mapping[str, CellRecord]) -> None:
        by_arm: dict[str, list[CellRow]] = {}
        for row in rows:
            by_arm.setdefault(row.arm_digest, []).append(row)
        for of_arm in by_arm.values():
            done = [records[r.cell] for r in of_arm if r.cell in records]
            if done:
                run_id = self._arm(of_arm[0])
                self._batch(run_id, {}, self._shown(_summary(done)))
                self._client.set_terminated(run_id, "FINISHED" if len(done) == len(of_arm) else "KILLED")
        complete = self.sealed or all(row.cell in records for row in rows)  # a search prunes
        self._client.set_terminated(self._study, "FINISHED" if complete else "KILLED")

    @cached_property
    def _client(self) -> MlflowClient:
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # read at import; only the word 'true' counts
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # seven of them take four minutes
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        for name in ("alembic", "mlflow"):
            logging.getLogger(name).setLevel(logging.WARNING)

        try:
            if self.own_store:
                self._make_store(MlflowClient)
            return MlflowClient(self.uri)
        except (MlflowException, SQLAlchemyError) as error:
            message = str(error).strip().split("\n")[0]
            raise KnockoutError(f"MLflow cannot use this store: {message}", where=self.uri) from None

    def _make_store(self, client: type[MlflowClient]) -> None:
        """Make the sqlite store aside: a kill amid MLflow's migrations would leave one that nobody can open."""
        root, store = self.folder.root, self.folder.mlflow
        for ruin in root.glob(".mlflow-*"):
            shutil.rmtree(ruin, ignore_errors=True)
        if not store.exists():
            with tempfile.TemporaryDirectory(dir=root, prefix=".mlflow-") as folder:
                migrated = Path(folder) / store.name
                client(f"sqlite:///{migrated}").search_experiments(max_results=1)
                migrated.replace(store)

    @cached_property
    def _experiment(self) -> str:
        experiment = self._client.get_experiment_by_name(self.name)
        if experiment is not None:
            return str(experiment.experiment_id)
        location = self.folder.mlflow_artifacts.as_uri() if self.own_store else None
        return str(self._client.create_experiment(self.name, artifact_location=location))

    @cached_property
    def _known(self) -> dict[str, Run]:
        runs: dict[str, Run] = {}
        token = None
        while True:
            page = self._client.search_runs([self._experiment], max_results=1000, page_token=token)
            runs |= {run.data.tags[KEY]: run for run in page if KEY in run.data.tags}
            token = page.token
            if not token:
                return runs

    def _find(self, key: str) -> Run | None:
        """Return a run by its key; the store is asked, too, for another driver may have made it a moment ago."""
        if key not in self._known:
            quote = '"' if "'" in key else "'"
            query = f"tags.`{KEY}` = {quote}{key}{quote}"
            for run in self._client.search_runs([self._experiment], query, max_results=1):
                self._known[key] = run
        return self._known.get(key)

    def _shown(self, metrics: list[tuple[str, float, int]]) -> list[tuple[str, float, int]]:
        return [metric for metric in metrics if not (self.sealed and metric[0].startswith("test."))]

    @cached_property
    def _study(self) -> str:
        return self._find_or_create(f"{self.name}/study", self.name, None, {"knockout.level": "study"}, {})

    def _arm(self, row: CellRow) -> str:
        if row.arm_digest not in self._arms:
            tags = {"knockout.level": "arm", "knockout.role": row.role}
            key = f"{self.name}/arm/{row.arm_digest}"
            self._arms[row.arm_digest] = self._find_or_create(key, row.arm, self._study, tags, _arm_params(row))
        return self._arms[row.arm_digest]

    def _find_or_create(
        self, key: str, name: str, parent: str | None, tags: dict[str, str], params: dict[str, str]
    ) -> str:
        known = self._find(key)
        if known is not None:
            self._client.update_run(known.info.run_id, status="RUNNING")
            return str(known.info.run_id)
        run = self._create(key, name, parent, tags)
        self._batch(run.info.run_id, params, [])
        return str(run.info.run_id)

    def _create(self, key: str, name: str, parent: str | None, tags: dict[str, str]) -> Run:
        parental = {"mlflow.parentRunId": parent} if parent else {}
        run = self._client.create_run(self._experiment, tags={KEY: key, **tags, **parental}, run_name=name)
        self._known[key] = run
        return run

    def _batch(self, run_id: str, params: dict[str, str], metrics: list[tuple[str, float, int]]) -> None:
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        entries = [Metric(name, value, now, step) for name, value, step in metrics]
        entries_of_params = [Param(name, value) for name, value in params.items()]
        for start in range(0, max(len(entries), 1), MAX_METRICS):
            self._client.log_batch(run_id, metrics=entries[start : start + MAX_METRICS])
        for start in range(0, len(entries_of_params), MAX_PARAMS):
            self._client.log_batch(run_id, params=entries_of_params[start : start + MAX_PARAMS])


def _status(record: CellRecord) -> str:
    return "FINISHED" if record.ok else "FAILED"


def _arm_params(row: CellRow) -> dict[str, str]:
    params = dict(row.levels)
    for factor, choice in row.settings.items():
        params |= {f"{factor}.{choice['level']}.{key}": str(value) for key, value in choice["settings"].items()}
    return params


def _params(row: CellRow) -> dict[str, str]:
    cell = {
        "arm": row.arm,
        "dataset": row.dataset,
        "block": row.block,
        "split": row.split,
        "repeat": str(row.repeat),
    }
    training = {f"training.{key}": str(value) for key, value in row.training.items()}
    return {**_arm_params(row), **cell, **training}


def _metrics(record: CellRecord) -> list[tuple[str, float, int]]:
    metrics = [
        (f"{part}.{name}", value, 0)
        for part, scores in record.scores.items()
        for name, value in scores.items()
        if value is not None
    ]
    metrics += [
        (name, value, step) for name, values in record.curves.items() for step, value in enumerate(values, start=1)
    ]
    costs = {"seconds": record.seconds, "peak_memory_mb": record.peak_memory_mb}
    costs |= {"parameters": float(record.parameters), "best_epoch": float(record.best_epoch)}
    return metrics + [(name, value, 0) for name, value in costs.items()]


def _summary(records: Sequence[CellRecord]) -> list[tuple[str, float, int]]:
    ok = [r for r in records if r.ok]
    metrics = [("cells", float(len(records)), 0), ("cells_failed", float(len(records) - len(ok)), 0)]
    if not ok or len(ok) < len(records):  # a mean over the cells that survived would flatter the arm
        return metrics
    for part, scores in ok[0].scores.items():
        for name in scores:
            values = [r.scores[part][name] for r in ok]
            known = [v for v in values if v is not None]
            if len(known) == len(values):
                metrics.append((f"{part}.{name}.mean", mean(known), 0))
                metrics.append((f"{part}.{name}.sd", stdev(known) if len(known) > 1 else 0.0, 0))
    return metrics
