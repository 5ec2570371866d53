"""One experiment in an MLflow store: its runs by key, and what they are given."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from components.core.errors import KnockoutError, redact
from study.spec.folder import OutFolder
from study.store.tracking.runs import Metric
from study.store.tracking.store_file import point_at_artifacts, prepared_client, provide_store

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

KEY, PARENT = "knockout.key", "mlflow.parentRunId"
MAX_METRICS, MAX_PARAMS = 900, 100  # of one log_batch call, which takes 1000 of both
VIEW = "knockout"  # name of the view that compares arms
_LONGEST_DIGEST = 36  # of a data set
LONGEST_NAME = 250  # of a run, in the databases that count


@dataclass
class KnownRun:
    """A run as the store has it."""

    run_id: str
    name: str
    status: str
    tags: dict[str, str]


class MlflowStore:
    """The runs of one experiment; nothing is opened before it is asked for.

    ``own`` is the output folder if the store is the sqlite file in it, which is made there.
    """

    def __init__(self, uri: str, experiment: str, own: OutFolder | None = None) -> None:
        self.uri, self.experiment, self.own = uri, experiment, own

    @cached_property
    def client(self) -> MlflowClient:
        """MLflow's client.

        Raises
        ------
        KnockoutError
            If MLflow has no store of this kind, or lacks a package for it.
        """
        client = prepared_client()
        from mlflow.tracking.registry import UnsupportedModelRegistryStoreURIException
        from sqlalchemy.exc import ArgumentError

        try:
            if self.own is not None:
                provide_store(self.own)
                point_at_artifacts(self.own)
            return client(self.uri)
        except (UnsupportedModelRegistryStoreURIException, ArgumentError, ImportError) as error:
            message = redact(str(error).strip().split("\n")[0], self.uri)
            raise KnockoutError(f"MLflow cannot use this store: {message}", where=redact(self.uri, self.uri)) from None

    @cached_property
    def experiment_id(self) -> str:
        """The experiment's identifier; made if there is none.

        Raises
        ------
        KnockoutError
            If somebody deleted the experiment.
        """
        experiment = self.client.get_experiment_by_name(self.experiment)
        if experiment is None:
            location = self.own.mlflow_artifacts.as_uri() if self.own is not None else None
            return str(self.client.create_experiment(self.experiment, artifact_location=location))
        if experiment.lifecycle_stage == "deleted":
            number = experiment.experiment_id
            raise KnockoutError(
                f"experiment {self.experiment!r} was deleted there. With MLFLOW_TRACKING_URI set to the store, 'mlflow "
                f"experiments restore -x {number}' brings it back, 'mlflow gc --experiment-ids {number}' makes room "
                "for a new one"
            )
        return str(experiment.experiment_id)

    @cached_property
    def runs(self) -> dict[str, KnownRun]:
        """The experiment's runs by their key, those of other programs aside."""
        return {run.data.tags[KEY]: _known(run) for run in self._search("") if KEY in run.data.tags}

    def find(self, key: str) -> KnownRun | None:
        """Return a run by its key; the store is asked, too, for another driver may have made it a moment ago."""
        if key not in self.runs:
            end = key.removeprefix(self.experiment)  # the name of a study may hold any quote, digests hold none
            for run in self._search(f"tags.`{KEY}` LIKE '%{end}'"):
                if run.data.tags[KEY] == key:
                    self.runs[key] = _known(run)
        return self.runs.get(key)

    def create(self, key: str, name: str, tags: Mapping[str, str]) -> KnownRun:
        """Make a run, which goes on until :meth:`end`."""
        run = self.client.create_run(self.experiment_id, tags={KEY: key, **tags}, run_name=name[:LONGEST_NAME])
        self.runs[key] = _known(run)
        return self.runs[key]

    def delete(self, key: str) -> None:
        """Delete a run."""
        self.client.delete_run(self.runs.pop(key).run_id)

    def reopen(self, run: KnownRun, name: str) -> None:
        """Let an ended run go on, under the name that it has now."""
        if (run.status, run.name) != ("RUNNING", name[:LONGEST_NAME]):
            self.client.update_run(run.run_id, status="RUNNING", name=name[:LONGEST_NAME])
            run.status, run.name = "RUNNING", name[:LONGEST_NAME]

    def end(self, run: KnownRun, status: str) -> None:
        """End a run."""
        self.client.set_terminated(run.run_id, status)
        run.status = status

    def tag(self, run: KnownRun, tags: Mapping[str, str]) -> None:
        """Give a run the tags that it has not."""
        from mlflow.entities import RunTag

        changed = {name: value for name, value in tags.items() if run.tags.get(name) != value}
        if changed:
            self.client.log_batch(run.run_id, tags=[RunTag(name, value) for name, value in changed.items()])
            run.tags |= changed

    def log(self, run: KnownRun, params: Mapping[str, str], metrics: Sequence[Metric]) -> None:
        """Give a run its parameters and metrics."""
        from mlflow.entities import Metric as Entry
        from mlflow.entities import Param

        now = int(time.time() * 1000)
        entries = [Entry(name, value, now, step) for name, value, step in metrics]
        entries_of_params = [Param(name, value) for name, value in params.items()]
        of_metrics = [entries[at : at + MAX_METRICS] for at in range(0, len(entries), MAX_METRICS)]
        of_params = [entries_of_params[at : at + MAX_PARAMS] for at in range(0, len(entries_of_params), MAX_PARAMS)]
        for some, others in zip_longest(of_metrics, of_params, fillvalue=()):
            self.client.log_batch(run.run_id, metrics=some, params=others)

    def add_datasets(self, run: KnownRun, datasets: Mapping[str, str]) -> None:
        """Give a run the data sets it is about, names to digests; one that it has already is not doubled."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        use = [InputTag("mlflow.data.context", "training and test")]
        inputs = [
            DatasetInput(Dataset(name, digest[:_LONGEST_DIGEST], "knockout", name), use)
            for name, digest in datasets.items()
        ]
        self.client.log_inputs(run.run_id, inputs)

    def show(self, view: Mapping[str, object]) -> str:
        """Store a view of the table of runs, and return the path of MLflow's interface that opens it."""
        self.client.set_experiment_tag(self.experiment_id, f"mlflow.sharedViewState.{VIEW}", json.dumps(view))
        return f"#/experiments/{self.experiment_id}/runs?viewStateShareKey={VIEW}"

    def upload(self, run: KnownRun, file: Path, folder: str) -> None:
        """Copy a file to the artifacts of a run."""
        self.client.log_artifact(run.run_id, str(file), folder)

    def disconnect(self) -> None:
        """Close MLflow's connections, which would go on writing to a file that was renamed."""
        with suppress(Exception):  # MLflow has no public way to do it
            from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

            SqlAlchemyStore._engine_map.pop(self.uri).dispose()  # kept there even if no client could be made

    def _search(self, query: str) -> Iterator[Run]:
        token = None
        while True:
            page = self.client.search_runs([self.experiment_id], query, max_results=1000, page_token=token)
            yield from page
            token = page.token
            if not token:
                return


def _known(run: Run) -> KnownRun:
    return KnownRun(str(run.info.run_id), str(run.info.run_name), str(run.info.status), dict(run.data.tags))
