"""The life of a cell: arm x dataset x repeat, the smallest thing that is trained and paid for."""

from __future__ import annotations

import hashlib
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from components import registry
from components.budget import Budget
from components.dataset import Dataset
from components.exam import Split
from components.metrics import METRICS, Scores, evaluate
from components.model import Parts, assemble
from components.settings import Settings
from components.streams import Streams
from search_spaces.arm import Arm, Choice, canonical_json
from study.config import DatasetSpec
from study.lanes import Lane
from study.memory import PeakMemory
from study.sources import load_dataset
from study.training import DivergedError, predict, train
from study.versions import versions

__all__ = ["Cell", "Result", "cell_digest", "code_version", "make_folds", "make_split", "run_cell", "score_arm"]

# modules whose code a cell runs beside those of its levels (fusion holds the classifier of arms without a graph)
CODE = (
    "components.context",
    "components.dataset",
    "components.exam",
    "components.fusion",
    "components.graph",
    "components.metrics",
    "components.model",
    "components.pair_encoder",
    "components.streams",
    "study.training",
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

    @property
    def label(self) -> str:
        """Name for progress and logs."""
        return f"{self.arm.name} / {self.dataset.name or self.dataset.path or 'simulated'} / repeat {self.repeat}"


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
    versions: dict[str, str] = field(default_factory=dict)
    predictions: dict[str, Any] | None = None  # arrays; saved beside the record, not in it


def cell_digest(arm: Arm, data_digest: str, split: Choice, repeat: int, budget: Budget) -> str:
    """Identify a cell by everything that can change its numbers, and by nothing else (no names, no paths)."""
    trains = getattr(registry.level("scorer", arm.choices["scorer"].level), "trains", False)
    content = {
        "arm": arm.canonical,
        "data": data_digest,
        "split": split.canonical,
        "repeat": repeat,
        "budget": budget.model_dump(mode="json") if trains else None,
        "code": code_version(arm, split),
    }
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()[:20]


def code_version(arm: Arm, split: Choice) -> str:
    """Digest the source of everything a cell runs: its levels, its exam, and what every cell shares."""
    return registry.code_digest((*arm.acting(), ("split", split.level)), CODE)


def make_folds(dataset: Dataset, choice: Choice, repeat: int) -> tuple[Split, ...]:
    """Set the exam of a data set in one repeat, fold by fold (one, in most protocols): the same for every arm."""
    splitter = registry.level("split", choice.level)(choice.settings)
    folds: tuple[Split, ...] = splitter.folds(dataset, Streams(dataset.digest, repeat).numpy("split"))
    return folds


def make_split(dataset: Dataset, choice: Choice, repeat: int) -> Split:
    """Set the first fold of an exam: enough to see what it gives away and what it costs."""
    return make_folds(dataset, choice, repeat)[0]


def run_cell(cell: Cell, lane: Lane) -> Result:
    """Train and score one cell; whatever goes wrong becomes the result's status and reason."""
    torch.set_num_threads(lane.threads)
    result = Result(cell.digest, device=lane.device, versions=versions())
    started, memory = time.perf_counter(), PeakMemory(lane.device)
    try:
        _fill(result, cell, lane)
    except DivergedError as error:
        result.status, result.reason = "diverged", str(error)
    except (MemoryError, torch.OutOfMemoryError) as error:
        result.status, result.reason = "oom", str(error).split("\n")[0] or "out of memory"
    except Exception as error:
        trace = traceback.extract_tb(error.__traceback__)[-1]
        result.status = "error"
        result.reason = f"{type(error).__name__}: {error} ({Path(trace.filename).name}:{trace.lineno})"
    if result.status != "ok":
        result.scores, result.predictions = {}, None
    result.seconds = time.perf_counter() - started
    result.peak_memory_mb = memory.read_mb()
    return result


def _fill(result: Result, cell: Cell, lane: Lane) -> None:
    dataset = load_dataset(cell.dataset, cell.root)
    folds = make_folds(dataset, cell.split, cell.repeat)
    result.facts = {"data_digest": dataset.digest, "split_digest": _digest(folds)}
    if cell_digest(cell.arm, dataset.digest, cell.split, cell.repeat, cell.budget) != cell.digest:
        raise RuntimeError("the data or the code changed since this run was planned; run the same command again")
    validation, test = (
        np.concatenate(of_folds) for of_folds in _score_folds(result, cell, dataset, folds, lane.device)
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


def _score_folds(
    result: Result, cell: Cell, dataset: Dataset, folds: tuple[Split, ...], device: str
) -> tuple[list[Scores], list[Scores]]:
    """Fit and score the arm anew on each fold; return the scores of the folds' validation and of their test pairs."""
    validation: list[Scores] = []
    test: list[Scores] = []
    best_epochs: list[int] = []
    for number, split in enumerate(folds, start=1):
        of_fold = result if number == 1 else Result(cell.digest)
        for part, scores in zip(
            (validation, test),
            score_arm(cell.arm, dataset, split, cell.repeat, cell.budget, device, of_fold),
            strict=True,
        ):
            if not np.isfinite(scores).all():
                raise DivergedError("scores became NaN or infinite")
            part.append(scores)
        best_epochs.append(of_fold.best_epoch)
        if number > 1:
            result.curves |= {f"fold_{number}/{name}": values for name, values in of_fold.curves.items()}
    result.best_epoch = round(float(np.mean(best_epochs)))
    return validation, test


def _digest(folds: tuple[Split, ...]) -> str:
    """Digest the exam: the split's own digest, or one over those of its folds."""
    if len(folds) == 1:
        return folds[0].digest
    return hashlib.sha256("".join(split.digest for split in folds).encode()).hexdigest()[:16]


def score_arm(
    arm: Arm, dataset: Dataset, split: Split, repeat: int, budget: Budget, device: str, result: Result
) -> tuple[Scores, Scores]:
    """Return an arm's scores of the validation and the test pairs, training its model if it has one."""
    streams = Streams(dataset.digest, repeat)
    choice = arm.choices["scorer"]
    cls: Any = registry.level("scorer", choice.level)
    if not cls.trains:
        return _score_by_method(cls, choice.settings, dataset, split, streams)
    scorer = cls(choice.settings)
    parts = Parts({name: (c.level, c.settings) for name, c in arm.choices.items()})
    shown = scorer.expression(dataset.expression, streams.numpy("noise"))
    model = assemble(parts, torch.from_numpy(shown).to(device), streams).to(device)
    result.parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    sampler, optimizer = parts.build("negatives", split, shown), parts.build("optimizer")
    trained = train(model, split, sampler, optimizer, streams, budget)
    result.curves, result.best_epoch = trained.curves.values, trained.best_epoch
    validation = predict(trained, split.validation)
    if dataset.target is not None:
        tested = scorer.expression(dataset.target.expression, streams.numpy("noise", "tested"))
        model.bucketing.show(torch.from_numpy(tested).to(device))
    return validation, predict(trained, split.test)


def _score_by_method(
    cls: Any, settings: Settings, dataset: Dataset, split: Split, streams: Streams
) -> tuple[Scores, Scores]:
    """Return the scores of a rule, which never meets expression, or of a method that is run as it is."""
    rng = streams.numpy("negatives")
    if cls.control:
        rule = cls(settings, split, rng)
        return rule.score(split.validation), rule.score(split.test)
    target = dataset.target
    tfs = dataset.tfs if target is None else np.union1d(dataset.tfs, target.tfs)
    method = cls(settings, split, dataset.expression, tfs, rng)
    validation = method.score(split.validation)
    return validation, (method if target is None else method.on(target.expression)).score(split.test)


def _plain(values: dict[str, float]) -> dict[str, float | None]:
    return {name: values[name] if np.isfinite(values[name]) else None for name in METRICS}
