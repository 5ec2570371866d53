"""Trains and scores one cell: values in, value out."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from components.core.dataset import Dataset
from components.core.exam import Split
from components.core.metrics import METRICS, evaluate
from components.learning import ProgramError
from components.learning.loop import DivergedError
from components.split.validation import differences
from search_spaces.arm import json_digest
from study.spec.cell import Cell
from study.spec.datasets import load_dataset
from study.spec.folder import OutFolder
from study.spec.machine import Lane, versions
from study.spec.records import CellRecord, Status
from study.train.checkpoint import FINISHED, Checkpoint, Clock
from study.train.exams import exam_digest, make_folds, share_tested
from study.train.learner import Workplace
from study.train.pairs import Arrays, name_pairs
from study.train.resources import CellTimeoutError, peak_mb, reset_peak, time_limit
from study.train.score import FoldScores, fixed_order, score_fold
from study.train.stages.shared import shared_stages

PARTS = ("validation", "test")


@dataclass(frozen=True)
class CellResult:
    """The outcome of a cell: its record, and arrays that are saved beside it."""

    record: CellRecord  # status, scores, curves, costs
    # test and validation pairs of all folds: tf, target, label, score, part, fold; None if the cell failed
    predictions: Arrays | None = None
    # what the model of the first fold makes of test pairs; None if it was not asked for
    embeddings: Arrays | None = None
    traceback: str = ""  # of the exception that ended it, if one did


def run_cell(cell: Cell, lane: Lane, out: Path | None = None, timeout_s: float | None = None) -> CellResult:
    """Train and score one cell; whatever goes wrong becomes the record's status and reason.

    Parameters
    ----------
    out
        The study's output folder, in which a cell that was killed goes on at its last checkpoint, and arms share what
        they can. The cell's seconds are what it would have cost alone and in one go.
    timeout_s
        Seconds that this call may take; None: any.
    """
    torch.set_num_threads(lane.threads)
    clock = Clock()
    reset_peak(lane.device)
    try:
        with fixed_order(lane.device), time_limit(timeout_s):
            result = _score_cell(cell, lane.device, out, clock)
    except DivergedError as error:
        result = failed(cell, Status.DIVERGED, str(error))
    except (MemoryError, torch.OutOfMemoryError) as error:
        result = failed(cell, Status.OOM, str(error).split("\n")[0] or "out of memory")
    except CellTimeoutError as error:
        reason = f"it took longer than --timeout allows ({timeout_s:g} s), and was at {_place(error)}"
        result = replace(failed(cell, Status.TIMEOUT, reason), traceback=_text(error))
    except ProgramError as error:
        hint = "" if out is None else f". All that it printed: {OutFolder(out).output(cell.digest).relative_to(out)}"
        result = failed(cell, Status.ERROR, f"{error}{hint}")
    except BaseException as error:  # a part that calls sys.exit ends its cell, not the study
        reason = f"{type(error).__name__}: {error} ({_place(error)})"
        result = replace(failed(cell, Status.ERROR, reason), traceback=_text(error))
    peak = result.record.peak_memory_mb or peak_mb(lane.device)  # of a program beside this process, if one ran
    shared_s = sum((fold.shared for fold in clock.folds), start=0.0)
    costs = {"seconds": clock.seconds, "shared_s": shared_s, "peak_memory_mb": peak}
    if out is not None and result.record.status in (Status.OK, Status.DIVERGED):
        for path in OutFolder(out).checkpoints.glob(f"{cell.digest}*.pt"):
            path.unlink(missing_ok=True)
    return replace(result, record=result.record.model_copy(update={**costs, "device": lane.device}))


def failed(cell: Cell, status: Status, reason: str, device: str = "cpu") -> CellResult:
    """Return the result of a cell that has no scores."""
    record = CellRecord(
        cell=cell.digest,
        status=status,
        reason=reason,
        device=device,
        data_digest=cell.labels.data_digest,
        identity=cell.identity,
        versions=versions(),
    )
    return CellResult(record)


def _place(error: BaseException) -> str:
    """Return where an exception was raised, as file and line."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"


def _text(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def _score_cell(cell: Cell, device: str, out: Path | None, clock: Clock) -> CellResult:
    dataset = load_dataset(cell.dataset, cell.root)
    if (
        json_digest(cell.identity_with(dataset.digest), 20) != cell.digest
        or replace(cell.arm).digest != cell.arm.digest
    ):
        raise RuntimeError("the data or the code changed since this run was planned; run the same command again")
    folds = make_folds(dataset, cell.split, cell.repeat)
    outcomes = [
        _score_fold(cell, dataset, split, number if len(folds) > 1 else 0, device, out, clock.fold())
        for number, split in enumerate(folds, start=1)
    ]
    embeddings = outcomes[0].embeddings
    return CellResult(
        _record(cell, dataset, folds, outcomes),
        _predictions(dataset, folds, outcomes),
        None if embeddings is None else name_pairs(embeddings, folds[0], dataset.genes),
    )


def _score_fold(
    cell: Cell, dataset: Dataset, split: Split, fold: int, device: str, out: Path | None, clock: Clock
) -> FoldScores:
    """Fit and score the arm on one fold, unless a predecessor that was killed had finished it."""
    folder = None if out is None else OutFolder(out)
    checkpoint = Checkpoint(folder.checkpoint(cell.digest, fold) if folder else None, cell.digest, fold, clock)
    saved = checkpoint.finished()
    if saved is not None:
        return _unpacked(saved)
    shared = shared_stages(cell.arm, dataset.digest, cell.split, cell.repeat, fold, cell.budget, device, out)
    embed = cell.saves_embeddings and fold < 2  # folds have models of their own: the first speaks for all
    outcome = score_fold(
        cell.arm,
        dataset,
        split,
        cell.repeat,
        cell.budget,
        device,
        checkpoint=checkpoint,
        shared=shared,
        embed=embed,
        workplace=Workplace(folder.scratch, folder.output(cell.digest, fold), fold) if folder else Workplace(fold=fold),
    )
    if not (np.isfinite(outcome.validation).all() and np.isfinite(outcome.test).all()):
        raise DivergedError("scores became NaN or infinite")
    checkpoint.finish(_packed(outcome))
    return outcome


def _packed(outcome: FoldScores) -> dict[str, Any]:
    """Return a fold's outcome as tensors and plain values."""
    scores = {part: torch.from_numpy(np.ascontiguousarray(getattr(outcome, part))) for part in PARTS}
    embeddings = {name: torch.from_numpy(array) for name, array in (outcome.embeddings or {}).items()}
    return {**vars(outcome), **scores, "curves": dict(outcome.curves), "embeddings": embeddings}


def _unpacked(saved: dict[str, Any]) -> FoldScores:
    scores = {part: saved[part].numpy() for part in PARTS}
    embeddings = {name: tensor.numpy() for name, tensor in saved["embeddings"].items()}
    return FoldScores(**{**{name: saved[name] for name in FINISHED}, **scores, "embeddings": embeddings or None})


def _record(cell: Cell, dataset: Dataset, folds: tuple[Split, ...], outcomes: Sequence[FoldScores]) -> CellRecord:
    """Pool the folds' scores and evaluate them as one exam."""
    curves = dict(outcomes[0].curves)
    for number, outcome in enumerate(outcomes[1:], start=2):
        curves |= {f"fold_{number}/{name}": values for name, values in outcome.curves.items()}
    scores = {
        part: metrics_of(
            np.concatenate([getattr(outcome, part) for outcome in outcomes]),
            np.concatenate([getattr(split, f"{part}_labels") for split in folds]),
            np.concatenate([getattr(split, part) for split in folds]),
        )
        for part in PARTS
    }
    return CellRecord(
        cell=cell.digest,
        scores=scores,
        curves=curves,
        best_epoch=round(float(np.mean([outcome.best_epoch for outcome in outcomes]))),
        parameters=outcomes[0].parameters,
        peak_memory_mb=max(outcome.memory_mb for outcome in outcomes),
        data_digest=dataset.digest,
        split_digest=exam_digest(folds),
        test_share=share_tested(dataset, folds),
        exam_differs=differences(folds[0]),
        identity=cell.identity,
        versions=versions(),
    )


def metrics_of(scores: np.ndarray, labels: np.ndarray, pairs: np.ndarray) -> dict[str, float | None]:
    """Return every metric of scores ``[pairs]`` for labels ``[pairs]``, as a record holds it: None where undefined."""
    values = evaluate(scores, labels, pairs)
    return {name: float(values[name]) if np.isfinite(values[name]) else None for name in METRICS}


def _predictions(dataset: Dataset, folds: tuple[Split, ...], outcomes: Sequence[FoldScores]) -> Arrays:
    """Return what is saved: pairs by name, of the test and, for whoever weighs arms together, of validation."""
    parts = [
        (part, number, getattr(split, part), getattr(split, f"{part}_labels"), getattr(outcome, part))
        for part in ("test", "validation")
        for number, (split, outcome) in enumerate(zip(folds, outcomes, strict=True))
    ]
    genes, pairs = np.asarray(dataset.genes), np.concatenate([pairs for _, _, pairs, _, _ in parts])
    sizes = [len(pairs) for _, _, pairs, _, _ in parts]
    scores = np.concatenate([scores for *_, scores in parts])
    single = scores.astype(np.float32)
    return {
        "tf": genes[pairs[:, 0]],
        "target": genes[pairs[:, 1]],
        "label": np.concatenate([labels for *_, labels, _ in parts]).astype(np.int8),
        "score": single if np.array_equal(single, scores) else scores,  # to the last bit, for later metrics
        "part": np.repeat([part for part, *_ in parts], sizes),
        "fold": np.repeat([number for _, number, *_ in parts], sizes).astype(np.int8),
    }
