"""Reads a stored experiment from MLflow into the tidy table; the one place where reports know MLflow."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
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


_OURS, _VERSION = "knockout.", "version."
_KEY, _CELL = f"{_OURS}key", f"{_OURS}cell"
_PARAMS = ("arm", "dataset", "block", "split", "repeat")
_TAGS = ("arm", "role", "data_digest", "code_digest", "network", "split_digest", "protocol", "device", "reason")
_COSTS = ("seconds", "peak_memory_mb", "parameters", "best_epoch")
_LEVEL, _EARLIER, _TRIAL, _STUDY = "knockout.level", "knockout.earlier", "trial cell", "study"
_PARTS = ("validation", "test")
_FACTS = ("metrics", "factors")  # what a table says of itself, as tags of the study
_STATUSES = {
    "FINISHED": Status.OK.value,
    "FAILED": Status.ERROR.value,
    "KILLED": Status.KILLED.value,
}  # any other run has not ended
_PARENT = "mlflow.parentRunId"


@dataclass(frozen=True)
class Experiment:
    """What MLflow holds: its table, which run each row is where knockout tracked none, notes, what a study asks."""

    frame: pd.DataFrame
    runs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    metric: str | None = None
    margin: float | None = None
    alpha: float | None = None


def read_experiment(uri: str, name: str) -> Experiment:
    """Return the runs of an experiment: its cells if knockout tracked them, else one row per run.

    Trials of a search are none of them, nor are cells that the study planned once and does no longer.

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
    with _answering(uri):
        _, runs = _open(uri, name)
    if any(_KEY in run.data.tags for run in runs):
        return _of_knockout(runs, name, uri)
    cells = _without_parents(runs)
    ended = [run for run in cells if run.info.status in _STATUSES]
    if not ended:
        raise ReportError(f"experiment {name!r} has {count(len(runs), 'run')}, and none has ended.", where=uri)
    notes = [
        *_left_out(len(cells) - len(ended), "not ended yet"),
        *_left_out(len(runs) - len(cells), "a parent of other runs, without a metric"),
    ]
    named = tuple(f"{run.info.run_name or 'without a name'} ({run.info.run_id})" for run in ended)
    return Experiment(_wide(ended), named, tuple(notes))


def fetch_search(uri: str, name: str, folder: Path) -> Path | None:
    """Copy the files of a search that was not confirmed out of a store; None if the experiment is something else.

    Parameters
    ----------
    uri, name
        As in :func:`read_experiment`.
    folder
        Where to put them.

    Returns
    -------
    Path
        The folder with ``search.json`` and ``trials.csv``.

    Raises
    ------
    ReportError
        If the store does not answer, or has no such experiment or no such files.
    """
    with _answering(uri):
        client, runs = _open(uri, name)
        cells = [run.data.tags.get(_LEVEL) for run in runs if _CELL in run.data.tags]
        studies = [run for run in runs if run.data.tags.get(_LEVEL) == _STUDY]
        if not cells or not studies or set(cells) != {_TRIAL}:
            return None
        try:
            return Path(client.download_artifacts(studies[0].info.run_id, "study", str(folder)))
        except OSError as error:
            raise ReportError(f"the files of this search cannot be read: {error}.", where=uri) from None


def _open(uri: str, name: str) -> tuple[MlflowClient, list[Run]]:
    """Return a client, and the runs of an experiment, oldest first."""
    _refuse_no_store(uri)
    client = _client(uri)
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


def _of_knockout(runs: list[Run], name: str, uri: str) -> Experiment:
    cells = [run for run in runs if _CELL in run.data.tags and run.data.tags.get(_LEVEL) != _TRIAL]
    planned = [run for run in cells if run.data.tags.get(_EARLIER) != "true"]
    ended = [run for run in planned if run.info.status in _STATUSES]
    if not ended:
        raise ReportError(f"experiment {name!r} holds no finished cell of a study.", where=uri)
    notes = [
        *_left_out(len(planned) - len(ended), "not ended yet"),
        *_left_out(len(cells) - len(planned), "a cell that the study no longer plans"),
    ]
    tags = next((run.data.tags for run in runs if run.data.tags.get(_LEVEL) == _STUDY), {})
    margin, alpha = (float(text) if (text := tags.get(f"knockout.{name}")) else None for name in ("margin", "alpha"))
    facts = {name: _plain(tags[f"{_OURS}{name}"], uri) for name in _FACTS if f"{_OURS}{name}" in tags}
    frame = _tidy(ended, facts.get("factors", ()))
    frame.attrs |= facts
    return Experiment(frame, (), tuple(notes), tags.get("knockout.metric") or None, margin, alpha)


def _left_out(number: int, why: str) -> list[str]:
    return [f"{count(number, 'run')} left out: {why}."] if number else []


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
    """Return runs that knockout did not track as its owner's CSV would: a row each, in their order."""
    frame = pd.DataFrame([_row(run) for run in runs])
    # what is a parameter of one run and a metric of another is text, as in a CSV: parquet takes one kind per column
    mixed = [str(name) for name in frame if pd.api.types.infer_dtype(frame[name], skipna=True).startswith("mixed")]
    return frame.assign(**{name: frame[name].map(str, na_action="ignore") for name in mixed})


def _row(run: Run) -> dict[str, Any]:
    tags = {name: value for name, value in run.data.tags.items() if not name.startswith("mlflow.")}
    status = _STATUSES[run.info.status]
    if status == Status.OK.value:
        status = tags.get("status", status)
    return {**tags, **run.data.params, **run.data.metrics, "status": status}


def _plain(text: str, uri: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise ReportError("what the study says of its own metrics and factors is cut or damaged.", where=uri) from None


def _tidy(runs: list[Run], factors: Sequence[str]) -> pd.DataFrame:
    scores = [_scores(run) for run in runs]
    # a cell that failed has none of the metrics that others have
    measured = list(dict.fromkeys(key for one in scores for key in one))
    rows: list[dict[str, Any]] = []
    for run, one in zip(runs, scores, strict=True):
        known = _known(run, factors)
        rows += [
            {**known, "part": part, "metric": metric, "value": one.get((part, metric), float("nan"))}
            for part, metric in measured
        ]
    if not rows:
        raise ReportError("every cell failed before it was scored: there is nothing to report.")
    return pd.DataFrame(rows)


def _scores(run: Run) -> dict[tuple[str, str], float]:
    undefined = dict.fromkeys(run.data.tags.get("knockout.undefined", "").split(), float("nan"))
    named = {tuple(name.split(".", 1)): v for name, v in {**undefined, **run.data.metrics}.items() if "." in name}
    return {(part, metric): value for (part, metric), value in named.items() if part in _PARTS}


def _known(run: Run, factors: Sequence[str]) -> dict[str, Any]:
    params, metrics = run.data.params, run.data.metrics
    tags = {name.removeprefix(_OURS): value for name, value in run.data.tags.items()}
    study, _, digests = tags["key"].rpartition("/cell/")
    # settings of a level and of the training are named with a dot, levels are not, but settings that were crossed
    named = {name: value for name, value in params.items() if "." not in name or name in factors}
    levels = {name: value for name, value in named.items() if name not in _PARAMS}
    versions = {name.removeprefix(_VERSION): v for name, v in tags.items() if name.startswith(_VERSION)}
    versions["git_commit"] = tags.get("mlflow.source.git.commit", "")
    return {
        "study": study,
        "arm_digest": digests.rpartition("/")[2],
        **{name: params[name] for name in _PARAMS},
        **{name: tags.get(name, "") for name in _TAGS},  # an arm that was renamed has its new name in its tag
        "exam_differs": tags.get("exam_differs", ""),
        "test_share": float(tags.get("test_share") or "nan"),
        "repeat": int(params["repeat"]),
        "cell": tags["cell"],
        **levels,
        "status": tags.get("status") or _STATUSES[run.info.status],
        **{name: metrics.get(name) for name in _COSTS},
        "versions": json.dumps(versions, sort_keys=True),
    }
