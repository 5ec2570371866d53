"""Reads a stored experiment from MLflow into the tidy table; the one place where reports know MLflow."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from reports.errors import ReportError
from reports.table.status import Status
from reports.words.numbers import count

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient


_KEY, _CELL, _TRAINING, _VERSION = "knockout.key", "knockout.cell", "training.", "version."
_ROWS = " (row 2 is its oldest run)"
_PARAMS = ("arm", "dataset", "block", "split")
_TAGS = {"role": "knockout.role", "data_digest": "knockout.data_digest", "code_digest": "knockout.code_digest"}
_LATER = {"network": "knockout.network", "split_digest": "knockout.split_digest"}  # stores of before have none
_SHARE = "knockout.test_share"
_PARTS = ("validation", "test")
_STATUSES = {
    "FINISHED": Status.OK.value,
    "FAILED": Status.ERROR.value,
    "KILLED": Status.KILLED.value,
}  # any other run has not ended
_PARENT = "mlflow.parentRunId"


@dataclass(frozen=True)
class Experiment:
    """What MLflow holds: its table, how rows of that are to be found there, and what was left out."""

    frame: pd.DataFrame
    rows: str = ""
    notes: tuple[str, ...] = ()


def read_experiment(uri: str, name: str) -> Experiment:
    """Return the runs of an experiment: its cells if knockout tracked them, else one row per run.

    MLflow keeps neither the device of a cell nor how a cell failed beyond its reason: such cells
    have the status ``error``.

    Parameters
    ----------
    uri
        Any MLflow tracking URI, or a folder of runs that exists.
    name
        The experiment; a study's name, if knockout made it.

    Raises
    ------
    ReportError
        If the store does not answer, has no such experiment, or no run of the experiment has ended.
    """
    _refuse_no_store(uri)
    with _answering(uri):
        client = _client(uri)
        found = client.get_experiment_by_name(name)
        if found is None:
            known = [experiment.name for experiment in client.search_experiments()]
            raise ReportError.unknown("experiment", name, known, where=uri)
        runs = list(_runs(client, found.experiment_id))
    if not runs:
        raise ReportError(f"experiment {name!r} is empty: it has no runs.", where=uri)
    ours = any(_KEY in run.data.tags for run in runs)
    cells = [run for run in runs if _CELL in run.data.tags] if ours else _without_parents(runs)
    ended = [run for run in cells if run.info.status in _STATUSES]
    if not ended:
        what = "holds no finished cell of a study" if ours else f"has {count(len(runs), 'run')}, and none has ended"
        raise ReportError(f"experiment {name!r} {what}.", where=uri)
    waiting, parents = len(cells) - len(ended), 0 if ours else len(runs) - len(cells)
    notes = [f"{count(waiting, 'run')} left out: not ended yet."] if waiting else []
    notes += [f"{count(parents, 'run')} left out: a parent of other runs, without a metric."] if parents else []
    return Experiment(_tidy(ended), notes=(*notes,)) if ours else Experiment(_wide(ended), _ROWS, (*notes,))


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
def _answering(uri: str) -> Iterator[None]:
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


def _client(uri: str) -> MlflowClient:
    from mlflow.tracking import MlflowClient

    return MlflowClient(uri)


def _runs(client: MlflowClient, experiment: str) -> Iterator[Run]:
    token = None
    while True:
        page = client.search_runs([experiment], max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _without_parents(runs: list[Run]) -> list[Run]:
    """Leave out runs that only hold others, as a sweep does; a run without a score is a run all the same."""
    parents = {run.data.tags.get(_PARENT) for run in runs}
    return [run for run in runs if run.data.metrics or run.info.run_id not in parents]


def _wide(runs: list[Run]) -> pd.DataFrame:
    """Return runs that knockout did not track as its owner's CSV would: a row each, oldest first."""
    ordered = sorted(runs, key=lambda run: (run.info.start_time or 0, run.info.run_id))
    frame = pd.DataFrame([_row(run) for run in ordered])
    # what is a parameter of one run and a metric of another is text, as in a CSV: parquet takes one kind per column
    mixed = [str(name) for name in frame if pd.api.types.infer_dtype(frame[name], skipna=True).startswith("mixed")]
    return frame.assign(**{name: frame[name].map(str, na_action="ignore") for name in mixed})


def _row(run: Run) -> dict[str, Any]:
    tags = {name: value for name, value in run.data.tags.items() if not name.startswith("mlflow.")}
    return {**tags, **run.data.params, **run.data.metrics, "status": _STATUSES[run.info.status]}


def _tidy(runs: list[Run]) -> pd.DataFrame:
    scores = [_scores(run) for run in runs]
    # MLflow takes no missing value: a metric that other cells have was undefined here, or the cell failed
    measured = list(dict.fromkeys(key for one in scores for key in one))
    rows: list[dict[str, Any]] = []
    for run, one in zip(runs, scores, strict=True):
        known = _known(run)
        rows += [
            {**known, "part": part, "metric": metric, "value": one.get((part, metric), float("nan"))}
            for part, metric in measured
        ]
    if not rows:
        raise ReportError("every cell failed before it was scored: there is nothing to report.")
    return pd.DataFrame(rows)


def _scores(run: Run) -> dict[tuple[str, str], float]:
    named = {tuple(name.split(".", 1)): value for name, value in run.data.metrics.items() if "." in name}
    return {(part, metric): value for (part, metric), value in named.items() if part in _PARTS}


def _known(run: Run) -> dict[str, Any]:
    tags, params, metrics = run.data.tags, run.data.params, run.data.metrics
    study, arm_digest = tags[_KEY].split("/cell/")[0], tags[_KEY].rsplit("/", 1)[1]
    # settings of a level and of the training are named with a dot, levels are not
    levels = {name: value for name, value in params.items() if "." not in name and name not in (*_PARAMS, "repeat")}
    training = {name.removeprefix(_TRAINING): v for name, v in params.items() if name.startswith(_TRAINING)}
    versions = {name.removeprefix(_VERSION): v for name, v in tags.items() if name.startswith(_VERSION)}
    versions["git_commit"] = tags.get("mlflow.source.git.commit", "")
    return {
        "study": study,
        "arm_digest": arm_digest,
        **{name: params[name] for name in _PARAMS},
        **{name: tags[tag] for name, tag in _TAGS.items()},
        **{name: tags.get(tag) or None for name, tag in _LATER.items()},
        "test_share": float(tags.get(_SHARE) or "nan"),
        "repeat": int(params["repeat"]),
        "protocol": json.dumps(training, sort_keys=True),
        "cell": tags[_CELL],
        **levels,
        "status": _STATUSES[run.info.status],
        "reason": tags.get("knockout.reason", ""),
        **{name: metrics.get(name) for name in ("seconds", "peak_memory_mb", "parameters", "best_epoch")},
        "versions": json.dumps(versions, sort_keys=True),
    }
