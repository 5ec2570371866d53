"""Opens an MLflow store, which it never makes or changes; the one place where reports know MLflow."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from reports.errors import ReportError

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient


def open_store(uri: str, name: str) -> tuple[MlflowClient, list[Run]]:
    """Return a client, and the runs of an experiment, oldest first."""
    _refuse_no_store(uri)
    from mlflow.tracking import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        known = [experiment.name for experiment in client.search_experiments()]
        raise ReportError.unknown("experiment", name, known, where=uri)
    if experiment.lifecycle_stage == "deleted":
        cure = f"'mlflow experiments restore -x {experiment.experiment_id}' brings it back"
        raise ReportError(f"experiment {name!r} was deleted; {cure}.", where=uri)
    runs = sorted(_runs(client, experiment.experiment_id), key=lambda run: (run.info.start_time or 0, run.info.run_id))
    if not runs:
        raise ReportError(f"experiment {name!r} is empty: it has no runs.", where=uri)
    return client, runs


def _refuse_no_store(uri: str) -> None:
    """Refuse a local store that is not there, which MLflow would make, and one that is not written as MLflow has it."""
    scheme, _, rest = uri.partition("://")
    path = rest.removeprefix("/") if scheme == "sqlite" else rest if scheme == "file" else "" if rest else uri
    if not uri or (path and not Path(path).exists()):
        raise ReportError("there is no such MLflow store.", where=uri or "--mlflow")
    if not path:
        return
    if Path(path).is_file():
        if not _is_store(Path(path)):
            raise ReportError("this file is no MLflow store.", where=uri)
        if not uri.startswith("sqlite:///"):
            raise ReportError(f"{path} is a file; write sqlite:///{path}.", where="--mlflow")
        return
    of_files = any(Path(path).glob("*/meta.yaml"))
    if scheme == "sqlite" or not of_files:
        stores = [f"sqlite:///{file}" for file in sorted(Path(path).glob("*.db")) if _is_store(file)]
        hint = f"write {path if of_files else stores[0]}" if of_files or stores else "there is no MLflow store in it"
        raise ReportError(f"{path} is a folder; {hint}.", where="--mlflow")


def _is_store(file: Path) -> bool:
    """Whether a file is a store of MLflow's, which would fill any other SQLite file with tables of its own."""
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as store:
            query = "select 1 from sqlite_master where type = 'table' and name = 'experiments'"
            return store.execute(query).fetchone() is not None
    except sqlite3.Error:
        return False


@contextmanager
def answering(uri: str) -> Iterator[None]:
    """Turn whatever a store fails with into one message that names it."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # read at import; only the word 'true' counts
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # seven of them take four minutes
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # folders of runs are read, never written to
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        message = re.split(r"\n|(?<=[.!?])\s", str(error).strip())[0]
        raise ReportError(f"the MLflow store does not answer: {message}", where=uri) from None
    except ImportError as error:
        message = f"MLflow needs the package {error.name!r} for this store, which is not installed."
        raise ReportError(message, where=uri) from None


def _runs(client: MlflowClient, experiment: str) -> Iterator[Run]:
    token = None
    while True:
        page = client.search_runs([experiment], max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
