"""Reads a stored experiment from MLflow into the tidy table, and the files of a search that lie beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from reports.errors import ReportError
from reports.stored.mlflow_store import answering, open_store
from reports.table.scores import Status
from reports.words.numbers import count

if TYPE_CHECKING:
    from mlflow.entities import Run


_OURS, _VERSION = "knockout.", "version."
_KEY, _CELL, _KIND = f"{_OURS}key", f"{_OURS}cell", f"{_OURS}kind"
_PARAMS = ("arm", "dataset", "block", "split", "repeat")
_TAGS = ("arm", "role", "data_digest", "code_digest", "network", "split_digest", "protocol", "device", "reason")
_COSTS = ("seconds", "peak_memory_mb", "parameters", "best_epoch")
_LEVEL, _EARLIER, _TRIAL, _STUDY = "knockout.level", "knockout.earlier", "trial cell", "study"
_NOT_COMPARED = (_TRIAL, "path cell")  # cells of arms that a table does not compare
_STATUSES = {
    "FINISHED": Status.OK.value,
    "FAILED": Status.ERROR.value,
    "KILLED": Status.KILLED.value,
}  # any other run has not ended


@dataclass(frozen=True)
class Experiment:
    """What MLflow holds: its table, which run each row is where knockout tracked none, notes, what a study asks."""

    frame: pd.DataFrame
    runs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    metric: str | None = None
    margin: float | None = None
    alpha: float | None = None


@dataclass(frozen=True)
class StoredSearch:
    """A search in a store: the folder that its files were copied to, and whether its test was never opened.

    Without a folder, ``trouble`` says why the files of a search that was confirmed cannot be read.
    """

    folder: Path | None
    sealed: bool
    trouble: str = ""


def read_experiment(uri: str, name: str) -> Experiment:
    """Return the runs of an experiment: its cells if knockout tracked them, else one row per run.

    Trials of a search and arms on its ablation path are none of them, nor are cells that the study planned once and
    does no longer.

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
    with answering(uri):
        _, runs = open_store(uri, name)
    if any(_KEY in run.data.tags for run in runs):
        return _of_knockout(runs, name, uri)
    # runs that only hold others, as a sweep does, are left out; a run without a score is a run all the same
    parents = {run.data.tags.get("mlflow.parentRunId") for run in runs}
    cells = [run for run in runs if run.data.metrics or run.info.run_id not in parents]
    ended = [run for run in cells if run.info.status in _STATUSES]
    if not ended:
        raise ReportError(f"experiment {name!r} has {count(len(runs), 'run')}, and none has ended.", where=uri)
    notes = [
        *_left_out(len(cells) - len(ended), "not ended yet"),
        *_left_out(len(runs) - len(cells), "a parent of other runs, without a metric"),
    ]
    named = tuple(f"{run.info.run_name or 'without a name'} ({run.info.run_id})" for run in ended)
    return Experiment(_wide(ended), named, tuple(notes))


def fetch_search(uri: str, name: str, folder: Path) -> StoredSearch | None:
    """Copy the files of a search out of a store; None if the experiment is something else.

    Parameters
    ----------
    uri, name
        As in :func:`read_experiment`.
    folder
        Where to put them.

    Raises
    ------
    ReportError
        If the store does not answer, or has no such experiment or, of a search that is sealed, no such files.
    """
    with answering(uri):
        client, runs = open_store(uri, name)
        levels = {run.data.tags.get(_LEVEL) for run in runs if _CELL in run.data.tags}
        studies = [run for run in runs if run.data.tags.get(_LEVEL) == _STUDY]
        if not levels or not studies:
            return None
        sealed = levels == {_TRIAL}
        if not sealed and studies[0].data.tags.get(_KIND) != "search":
            return None
        try:
            return StoredSearch(Path(client.download_artifacts(studies[0].info.run_id, _STUDY, str(folder))), sealed)
        except OSError as error:
            trouble = f"the files of this search cannot be read: {error}."
            if sealed:
                raise ReportError(trouble, where=uri) from None
            return StoredSearch(None, sealed, trouble)


def _of_knockout(runs: list[Run], name: str, uri: str) -> Experiment:
    cells = [run for run in runs if _CELL in run.data.tags and run.data.tags.get(_LEVEL) not in _NOT_COMPARED]
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
    try:  # what a table says of itself
        facts = {name: json.loads(tags[_OURS + name]) for name in ("metrics", "factors") if _OURS + name in tags}
    except ValueError:
        raise ReportError("what the study says of its own metrics and factors is cut or damaged.", where=uri) from None
    frame = _tidy(ended, facts.get("factors", ()))
    frame.attrs |= facts
    return Experiment(frame, (), tuple(notes), tags.get("knockout.metric") or None, margin, alpha)


def _left_out(number: int, why: str) -> list[str]:
    return [f"{count(number, 'run')} left out: {why}."] if number else []


def _wide(runs: list[Run]) -> pd.DataFrame:
    """Return runs that knockout did not track as its owner's CSV would: a row each, in their order."""
    rows = []
    for run in runs:
        tags = {name: value for name, value in run.data.tags.items() if not name.startswith("mlflow.")}
        status = _STATUSES[run.info.status]
        own = tags.get("status", status) if status == Status.OK.value else status
        rows.append({**tags, **run.data.params, **run.data.metrics, "status": own})
    frame = pd.DataFrame(rows)
    # what is a parameter of one run and a metric of another is text, as in a CSV: parquet takes one kind per column
    mixed = [str(name) for name in frame if pd.api.types.infer_dtype(frame[name], skipna=True).startswith("mixed")]
    return frame.assign(**{name: frame[name].map(str, na_action="ignore") for name in mixed})


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
    return {(part, metric): value for (part, metric), value in named.items() if part in ("validation", "test")}


def _known(run: Run, factors: Sequence[str]) -> dict[str, Any]:
    params, metrics = run.data.params, run.data.metrics
    tags = {name.removeprefix(_OURS): value for name, value in run.data.tags.items()}
    study, _, digests = tags["key"].rpartition("/cell/")
    # settings of a level and of the training are named with a dot, levels are not, but settings that were crossed
    named = {name: value for name, value in params.items() if "." not in name or name in factors}
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
        **{name: value for name, value in named.items() if name not in _PARAMS},
        "status": tags.get("status") or _STATUSES[run.info.status],
        **{name: metrics.get(name) for name in _COSTS},
        "versions": json.dumps(versions, sort_keys=True),
    }
