"""Measures the memory of a cell before it is run: one step of training, and one chunk of scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import TerminatedWorkerError

from components.core.budget import Budget
from components.core.exam import Split
from components.core.streams import Streams
from components.learning.loop import CHUNK
from components.model import GRNModel
from study.spec.cell import Cell
from study.spec.datasets import load_dataset
from study.train.checkpoint import Checkpoint
from study.train.exams import make_split
from study.train.fit import graph_stage, joint_stage
from study.train.resources import contained, peak_mb, reset_peak
from study.train.score import assemble_arm, score_fold
from study.train.stages.trainer import Trainer
from study.train.stages.unsupervised import fit_to_expression

T = TypeVar("T")

MOST_PROBED = 4  # arms that a probe tries


def probe_peak(cells: Sequence[Cell], device: str) -> float | None:
    """Return the memory in megabytes of the dearest cells on a device, measured in a process of its own.

    On the data set with most values, the arms with most parameters, a few at most, take one step of either stage and
    score one chunk of pairs; a few models of one's own take one batch and score all. None if no arm trains; infinite
    if the step does not fit. Rules and correlation methods are not measured: they would have to be run.
    """
    dearest = _dearest(cells)
    if not dearest:
        return None
    try:
        return in_child(partial(_measure, dearest, device))
    except TerminatedWorkerError:  # as the kernel does when memory runs out
        return math.inf


def _dearest(cells: Sequence[Cell]) -> list[Cell]:
    """Return one cell of each arm that trains, or is fitted, on the largest data set."""
    training = [cell for cell in cells if cell.arm.trains or (cell.arm.learns and cell.arm.probed)]
    if not training:
        return []
    sizes = {cell.digest: load_dataset(cell.dataset, cell.root).expression.size for cell in training}
    largest = max(sizes.values())
    return list({cell.arm.digest: cell for cell in training if sizes[cell.digest] == largest}.values())


def _measure(cells: Sequence[Cell], device: str) -> float:
    own = [cell for cell in cells if cell.arm.learns]  # their size is known once they are fitted
    assembled = sorted((cell for cell in cells if cell.arm.trains), key=_parameters, reverse=True)
    reset_peak(device)
    for cell in (*assembled[:MOST_PROBED], *own[:MOST_PROBED]):
        try:
            _one_batch(cell, device) if cell.arm.learns else _one_step(cell, device)
        except (MemoryError, torch.OutOfMemoryError):
            return math.inf
        except BaseException:  # what fails here fails in its cell, where the reason is recorded
            continue
    return peak_mb(device)


def _one_step(cell: Cell, device: str) -> None:
    """Take one step of either stage on the first fold, and score as many pairs as are scored at once."""
    dataset = load_dataset(cell.dataset, cell.root)
    split = make_split(dataset, cell.split, cell.repeat)
    streams = Streams(dataset.digest, cell.repeat)
    assembled = assemble_arm(cell.arm, dataset, split, streams, device)
    optimizer = assembled.parts.build("optimizer")
    sampler = assembled.parts.build("negatives", split.training, assembled.expression)
    budget = cell.budget.model_copy(update={"unsupervised_steps": 1, "validate_every": 1})
    trainer = Trainer(assembled.model, split, sampler, streams, budget, Checkpoint(), None)
    if assembled.model.bucketing.unsupervised:
        fit_to_expression(trainer)
    for make in (graph_stage, joint_stage) if assembled.model.fused and budget.graph_epochs else (joint_stage,):
        stage = make(trainer, optimizer)
        trainer.train(stage, trainer.begin(stage.name)[0])
    _score_chunk(assembled.model, split)


def _one_batch(cell: Cell, device: str) -> None:
    """Fit a model of one's own for one batch, where it takes those of its context, and have it score the first fold."""
    dataset = load_dataset(cell.dataset, cell.root)
    split = make_split(dataset, cell.split, cell.repeat)
    graph_epochs = min(cell.budget.graph_epochs, 1)
    shortest = {"epochs": 1, "graph_epochs": graph_epochs, "validate_every": 1}
    score_fold(cell.arm, dataset, split, cell.repeat, Budget(**{**cell.budget.model_dump(), **shortest}), device)


@torch.no_grad()
def _score_chunk(model: GRNModel, split: Split) -> None:
    pairs, edges = max(split.validation, split.test, key=len)[:CHUNK], split.train
    device = next(model.parameters()).device
    chunk, positives = (torch.from_numpy(np.ascontiguousarray(part)).to(device) for part in (pairs, edges))
    model.score(model.eval().encode(model.graph_of(positives)), chunk)


def _parameters(cell: Cell) -> int:
    dataset = load_dataset(cell.dataset, cell.root)
    with contained():  # its cell will say why
        split = make_split(dataset, cell.split, cell.repeat)
        model = assemble_arm(cell.arm, dataset, split, Streams(dataset.digest, cell.repeat), "cpu").model
        fitted = [model.bucketing.unfitted()] if model.bucketing.unsupervised else []
        return sum(p.numel() for part in (model, *fitted) for p in part.parameters())
    return 0


def in_child(function: Callable[[], T]) -> T:
    """Call a function in a process of its own, which is gone, with all its memory, when this returns."""
    with ProcessPoolExecutor(1, env={"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}) as executor:
        return executor.submit(function).result()
