"""Reads a stored experiment from MLflow into the tidy table; the one place where reports know MLflow."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from reports.errors import ReportError

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

__all__ = ["read_experiment"]

_CELL, _TRAINING, _VERSION = "knockout.cell", "training.", "version."
_PARAMS = ("arm", "dataset", "block", "split")
_TAGS = {"role": "knockout.role", "data_digest": "knockout.data_digest", "code_digest": "knockout.code_digest"}
_LATER = {"network": "knockout.network", "split_digest": "knockout.split_digest"}  # stores of before have none
_SHARE = "knockout.test_share"
_PARTS = ("validation", "test")


def read_experiment(uri: str, name: str) -> pd.DataFrame:
    """Return the cells of a study that was tracked, one row per cell x part x metric.

    MLflow keeps neither the device of a cell nor how a cell failed beyond its reason: such cells
    have the status ``error``.

    Parameters
    ----------
    uri
        Any MLflow tracking URI, or a folder or sqlite file that exists.
    name
        The experiment: the study's name.

    Raises
    ------
    ReportError
        If the store does not answer, has no such experiment, or the experiment holds no cell.
    """
    _refuse_missing(uri)
    with _answering(uri):
        client = _client(uri)
        found = client.get_experiment_by_name(name)
        if found is None:
            known = [experiment.name for experiment in client.search_experiments()]
            raise ReportError.unknown("experiment", name, known, where=uri)
        runs = [run for run in _runs(client, found.experiment_id) if _CELL in run.data.tags]
    ended = [run for run in runs if run.info.status in ("FINISHED", "FAILED")]
    if not ended:
        raise ReportError(f"experiment {name!r} holds no finished cell of a study.", where=uri)
    return _tidy(ended)


def _refuse_missing(uri: str) -> None:
    """Refuse a local store that is not there: MLflow would make an empty one."""
    scheme, _, rest = uri.partition("://")
    path = rest.removeprefix("/") if scheme == "sqlite" else rest if scheme == "file" else "" if rest else uri
    if path and not Path(path).exists():
        raise ReportError("there is no such MLflow store.", where=uri)


@contextmanager
def _answering(uri: str) -> Iterator[None]:
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # read at import; only the word 'true' counts
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # seven of them take four minutes
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        message = str(error).strip().split("\n")[0][:300]
        raise ReportError(f"the MLflow store does not answer: {message}", where=uri) from None


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
    study, arm_digest = tags["knockout.key"].split("/cell/")[0], tags["knockout.key"].rsplit("/", 1)[1]
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
        "status": "ok" if run.info.status == "FINISHED" else "error",
        "reason": tags.get("knockout.reason", ""),
        **{name: metrics.get(name) for name in ("seconds", "peak_memory_mb", "parameters", "best_epoch")},
        "versions": json.dumps(versions, sort_keys=True),
    }
