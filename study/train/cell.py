"""The life of a cell: arm x dataset x repeat, the smallest thing that is trained and paid for."""

from __future__ import annotations

import hashlib
import time
import traceback
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from components.core import registry
from components.core.budget import Budget
from components.core.dataset import Dataset
from components.core.exam import Split
from components.core.metrics import METRICS, Scores, evaluate
from components.core.streams import Streams
from search_spaces.arm import Arm, Choice, canonical_json, json_digest
from study.spec.datasets import load_dataset
from study.spec.machine import Lane
from study.spec.versions import versions
from study.study_file.keys import DatasetSpec
from study.train.checkpoint import Checkpoint, drop_checkpoints
from study.train.fit import DivergedError
from study.train.graph_stage import SharedStage, graph_stage_of
from study.train.memory import PeakMemory
from study.train.pairs import with_names
from study.train.score import score_arm

__all__ = [
    "Cell",
    "Result",
    "cell_digest",
    "cell_identity",
    "code_version",
    "make_folds",
    "make_split",
    "run_cell",
    "score_arm",
]

# modules whose code a cell runs beside those of its levels (fusion holds the classifier of arms without a graph)
CODE = (
    "components.pair_encoder.context",
    "components.core.dataset",
    "components.core.exam",
    "components.fusion.base",
    "components.core.metrics",
    "components.model",
    "components.pair_encoder.base",
    "components.core.streams",
    "study.train.fit",
)


@dataclass(frozen=True)
class Cell:
    """One arm on one data set in one repeat, ready to be sent to a worker."""

    arm: Arm
    dataset: DatasetSpec
    split: Choice
    repeat: int
    budget: Budget
    root: Path
    digest: str
    embeds: bool = False  # whether it saves what its model makes of test pairs, which changes none of its numbers

    @property
    def label(self) -> str:
        """Name for progress and logs."""
        return f"{self.arm.name} / {self.dataset.label} / repeat {self.repeat}"


@dataclass
class Result:
    """What became of a cell; plain values, so that it can be written as JSON.

    Where the exam has folds, scores and predictions are those of all folds' pairs pooled, curves of fold k > 1 are
    named ``fold_k/...``, ``best_epoch`` is the mean over folds, rounded, and ``parameters`` those of one model.
    """

    cell: str
    status: str = "ok"
    reason: str = ""
    scores: dict[str, dict[str, float | None]] = field(default_factory=dict)
    curves: dict[str, list[float]] = field(default_factory=dict)
    best_epoch: int = 0
    parameters: int = 0
    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    device: str = "cpu"
    facts: dict[str, Any] = field(default_factory=dict)
    identity: dict[str, Any] = field(default_factory=dict)  # what the cell's digest is the digest of
    versions: dict[str, str] = field(default_factory=dict)
    predictions: dict[str, Any] | None = None  # arrays; saved beside the record, not in it
    embeddings: dict[str, Any] | None = None  # arrays, too; of the first fold


def cell_identity(arm: Arm, data_digest: str, split: Choice, repeat: int, budget: Budget) -> dict[str, Any]:
    """Return everything that can change a cell's numbers, and nothing else (no names, no paths), as plain values."""
    return {
        "arm": arm.canonical,
        "data": data_digest,
        "split": split.canonical,
        "repeat": repeat,
        "budget": budget.model_dump(mode="json") if arm.trains else None,
        "code": code_version(arm, split),
    }


def cell_digest(arm: Arm, data_digest: str, split: Choice, repeat: int, budget: Budget) -> str:
    """Identify a cell by everything that can change its numbers."""
    return digest_of(cell_identity(arm, data_digest, split, repeat, budget))


def digest_of(identity: dict[str, Any]) -> str:
    """Digest a cell's identity, as the ledger names it."""
    return json_digest(identity, 20)


def code_version(arm: Arm, split: Choice) -> str:
    """Digest the source of everything a cell runs: its levels, its exam, and what every cell shares."""
    return registry.code_digest((*arm.acting(), ("split", split.level)), CODE)


@dataclass(frozen=True)
class _Exam:
    """An exam to be set, known by what it depends on."""

    data_digest: str
    split: str
    splitter: type
    repeat: int
    dataset: Dataset = field(compare=False)
    choice: Choice = field(compare=False)


def make_folds(dataset: Dataset, choice: Choice, repeat: int) -> tuple[Split, ...]:
    """Set the exam of a data set in one repeat, fold by fold (one, in most protocols): the same for every arm.

    Set once per process: the arms of a repeat follow one another, and nobody writes into a split.
    """
    splitter = registry.level("split", choice.level)
    return _set(_Exam(dataset.digest, canonical_json(choice.canonical), splitter, repeat, dataset, choice))


@lru_cache(maxsize=4)
def _set(exam: _Exam) -> tuple[Split, ...]:
    rng = Streams(exam.data_digest, exam.repeat).numpy("split")
    folds: tuple[Split, ...] = exam.splitter(exam.choice.settings).folds(exam.dataset, rng)
    return folds


def make_split(dataset: Dataset, choice: Choice, repeat: int) -> Split:
    """Set the first fold of an exam: enough to see what it gives away and what it costs."""
    return make_folds(dataset, choice, repeat)[0]


def run_cell(cell: Cell, lane: Lane, out: Path | None = None) -> Result:
    """Train and score one cell; whatever goes wrong becomes the result's status and reason.

    In a study's output folder, ``out``, a cell that was killed goes on at its last checkpoint, and arms share what they
    can. Its seconds are what it would have cost alone and in one go.
    """
    torch.set_num_threads(lane.threads)
    result = Result(cell.digest, device=lane.device, versions=versions())
    started, memory = time.perf_counter(), PeakMemory(lane.device)
    try:
        _fill(result, cell, lane, out)
    except DivergedError as error:
        result.status, result.reason = "diverged", str(error)
    except (MemoryError, torch.OutOfMemoryError) as error:
        result.status, result.reason = "oom", str(error).split("\n")[0] or "out of memory"
    except Exception as error:
        trace = traceback.extract_tb(error.__traceback__)[-1]
        result.status = "error"
        result.reason = f"{type(error).__name__}: {error} ({Path(trace.filename).name}:{trace.lineno})"
    if result.status != "ok":
        result.scores, result.predictions, result.embeddings = {}, None, None
    result.seconds += time.perf_counter() - started
    result.peak_memory_mb = memory.read_mb()
    if out is not None and result.status in ("ok", "diverged"):
        drop_checkpoints(out, cell.digest)
    return result


def _fill(result: Result, cell: Cell, lane: Lane, out: Path | None) -> None:
    dataset = load_dataset(cell.dataset, cell.root)
    identity = cell_identity(cell.arm, dataset.digest, cell.split, cell.repeat, cell.budget)
    if digest_of(identity) != cell.digest:
        raise RuntimeError("the data or the code changed since this run was planned; run the same command again")
    result.identity = identity
    folds = make_folds(dataset, cell.split, cell.repeat)
    share = _test_share(dataset, folds)
    result.facts = {"data_digest": dataset.digest, "split_digest": _digest(folds), "test_share": share}
    validation, test = (
        np.concatenate(of_folds) for of_folds in _score_folds(result, cell, dataset, folds, lane.device, out)
    )
    pairs, labels = np.concatenate([f.test for f in folds]), np.concatenate([f.test_labels for f in folds])
    asked, answers = (np.concatenate([getattr(f, name) for f in folds]) for name in ("validation", "validation_labels"))
    result.scores = {
        "validation": _plain(evaluate(validation, answers, asked)),
        "test": _plain(evaluate(test, labels, pairs)),
    }
    result.predictions = {
        "tf": np.asarray(dataset.genes)[pairs[:, 0]],
        "target": np.asarray(dataset.genes)[pairs[:, 1]],
        "label": labels.astype(np.int8),
        "score": test.astype(np.float32),
    }
    if result.embeddings is not None:
        result.embeddings = with_names(result.embeddings, folds[0], dataset.genes)


def _score_folds(
    result: Result, cell: Cell, dataset: Dataset, folds: tuple[Split, ...], device: str, out: Path | None
) -> tuple[list[Scores], list[Scores]]:
    """Fit and score the arm anew on each fold; return the scores of the folds' validation and of their test pairs."""
    validation: list[Scores] = []
    test: list[Scores] = []
    best_epochs: list[int] = []
    for number, split in enumerate(folds, start=1):
        of_fold = result if number == 1 else Result(cell.digest)
        fold = number if len(folds) > 1 else 0
        checkpoint = Checkpoint.of(out, cell.digest, fold)
        shared = graph_stage_of(cell.arm, dataset.digest, cell.split, cell.repeat, fold, cell.budget, device, out)
        try:
            scores = _score_fold(of_fold, cell, dataset, split, device, checkpoint, shared)
        finally:
            result.seconds += checkpoint.clock.elsewhere
            if checkpoint.clock.shared:
                result.facts["shared_s"] = result.facts.get("shared_s", 0.0) + checkpoint.clock.shared
        validation.append(scores[0])
        test.append(scores[1])
        best_epochs.append(of_fold.best_epoch)
        if number > 1:
            result.curves |= {f"fold_{number}/{name}": values for name, values in of_fold.curves.items()}
    result.best_epoch = round(float(np.mean(best_epochs)))
    return validation, test


def _score_fold(
    result: Result,
    cell: Cell,
    dataset: Dataset,
    split: Split,
    device: str,
    checkpoint: Checkpoint,
    shared: SharedStage,
) -> tuple[Scores, Scores]:
    """Fit and score the arm on one fold, unless a predecessor that was killed had finished it."""
    done = checkpoint.finished()
    if done is not None:
        result.curves, result.best_epoch, result.parameters = done["curves"], done["best_epoch"], done["parameters"]
        result.embeddings = {name: kept.numpy() for name, kept in done.get("embeddings", {}).items()} or None
        return done["validation"].numpy(), done["test"].numpy()
    embeds = cell.embeds and checkpoint.fold < 2  # folds have models of their own: the first speaks for all
    scores = score_arm(cell.arm, dataset, split, cell.repeat, cell.budget, device, result, checkpoint, shared, embeds)
    if not all(np.isfinite(part).all() for part in scores):
        raise DivergedError("scores became NaN or infinite")
    checkpoint.finish(
        {
            "validation": torch.from_numpy(np.ascontiguousarray(scores[0])),
            "test": torch.from_numpy(np.ascontiguousarray(scores[1])),
            "curves": result.curves,
            "best_epoch": result.best_epoch,
            "parameters": result.parameters,
            "embeddings": {name: torch.from_numpy(array) for name, array in (result.embeddings or {}).items()},
        }
    )
    return scores


def _digest(folds: tuple[Split, ...]) -> str:
    """Digest the exam: the split's own digest, or one over those of its folds."""
    if len(folds) == 1:
        return folds[0].digest
    return hashlib.sha256("".join(split.digest for split in folds).encode()).hexdigest()[:16]


def _test_share(dataset: Dataset, folds: tuple[Split, ...]) -> float:
    """Return how much the tests of two repeats overlap: test edges per edge that a repeat trains on or tests.

    Folds, and the network that a transfer is tested on, are asked for all their edges in every repeat.
    """
    if len(folds) > 1 or dataset.target is not None:
        return 1.0
    tested = int(folds[0].test_labels.sum())
    return tested / (tested + len(folds[0].train))


def _plain(values: dict[str, float]) -> dict[str, float | None]:
    return {name: values[name] if np.isfinite(values[name]) else None for name in METRICS}
