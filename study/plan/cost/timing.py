"""Seconds of the pieces of a cell, measured in a moment: a few batches, steps and pairs, on the data set itself.

No whole epoch is trained, and no exam is scored: a pass over all negatives may have a thousand batches.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import torch

from components.core.budget import Budget
from components.core.dataset import Dataset
from components.core.exam import Split
from components.core.streams import Streams
from components.learning.loop import in_chunks
from search_spaces.arm import Arm
from study.train.checkpoint import Checkpoint
from study.train.fit import graph_stage, joint_stage
from study.train.learner import Workplace, score_by_learner
from study.train.resources import CellTimeoutError, time_limit
from study.train.score import assemble_arm, score_fold
from study.train.stages.trainer import Stage, Trainer
from study.train.stages.unsupervised import fit_to_expression

BATCHES = 3  # of a stage, the first of which warms up
ENOUGH_S = 0.5  # of one stage: where batches are dear, fewer do
SCORED = 1024  # pairs, to know what a pair takes
LONGEST_S = 2.0  # for a method that has no epochs, or a model of one's own


@dataclass(frozen=True)
class StagePace:
    """Seconds of a stage: of a batch, and of validation, that is, of encoding all genes and of scoring a pair."""

    batch: float = 0.0
    encode: float = 0.0
    pair: float = 0.0

    def times(self, factor: float) -> StagePace:
        """Return the pace on a data set, or of an arm, that takes ``factor`` times as long."""
        return StagePace(self.batch * factor, self.encode * factor, self.pair * factor)


@dataclass(frozen=True)
class Pace:
    """Seconds of the pieces of an arm's cell on a data set."""

    start: float = 0.0  # what a fold takes before its first batch; of a method without epochs, all that a fold takes
    # the stages; ``graph`` is zero for an arm that has none
    joint: StagePace = StagePace()
    graph: StagePace = StagePace()
    step: float = 0.0  # a step of the stage without labels

    def times(self, factor: float) -> Pace:
        """Return the pace on a data set, or of an arm, that takes ``factor`` times as long."""
        return Pace(self.start * factor, self.joint.times(factor), self.graph.times(factor), self.step * factor)


def shortened(split: Split) -> Split:
    """Return an exam with the same training pairs, and few to validate and test."""
    scored = ("validation", "validation_labels", "test", "test_labels")
    return replace(split, **{name: getattr(split, name)[:SCORED] for name in scored})


def pace_of_training(arm: Arm, dataset: Dataset, few: Split, repeat: int, budget: Budget, device: str) -> Pace:
    """Return the pace of an assembled arm, from a few batches of each of its stages on a shortened exam."""
    started = time.perf_counter()
    streams = Streams(dataset.digest, repeat)
    assembled = assemble_arm(arm, dataset, few, streams, device)
    sampler = assembled.parts.build("negatives", few.training, assembled.expression)
    # an 'epoch' is then the batches that share a reading of the graph
    one = budget.model_copy(update={"validate_every": budget.read_graph_every})
    trainer = Trainer(assembled.model, few, sampler, streams, one, Checkpoint(), None)
    optimizer = assembled.parts.build("optimizer")
    start = time.perf_counter() - started
    step = _step_s(trainer) if arm.fits_unsupervised else 0.0
    graph = StagePace()
    if assembled.model.fused and budget.graph_epochs:
        graph = _stage_pace(trainer, graph_stage(trainer, optimizer))
    return Pace(start, _stage_pace(trainer, joint_stage(trainer, optimizer)), graph, step)


def _stage_pace(trainer: Trainer, stage: Stage) -> StagePace:
    passes, _ = trainer.begin(stage.name)
    batches: list[float] = []
    at_once = trainer.budget.validate_every
    while len(batches) < 2 or (len(batches) < BATCHES and sum(batches) * at_once < ENOUGH_S):
        batches.append(_seconds(lambda: trainer.train(stage, passes)) / at_once)
    trainer.model.eval()
    with torch.no_grad():
        encoded: list[Any] = []
        encode = _seconds(lambda: encoded.append(stage.encode(trainer.graph)))
        score = _seconds(lambda: in_chunks(lambda pairs: stage.score(encoded[0], pairs), trainer.validation))
    return StagePace(median(batches[1:]), encode, score / len(trainer.validation))


def _step_s(trainer: Trainer) -> float:
    def fit(steps: int) -> float:
        trainer.budget = trainer.budget.model_copy(update={"unsupervised_steps": steps})
        return _seconds(lambda: fit_to_expression(trainer))

    first = fit(1)
    return first if first > ENOUGH_S else fit(BATCHES) / BATCHES


def pace_of_learner(
    arm: Arm, dataset: Dataset, few: Split, repeat: int, budget: Budget, device: str, a_pass: int
) -> Pace:
    """Return the pace of a model of one's own, from epochs of a few batches each on a shortened exam.

    One that goes through its epochs by itself is timed by them: ``a_pass`` is the number of pairs in one.
    """
    streams = Streams(dataset.digest, repeat)

    def fit(epochs: int, graph_epochs: int) -> tuple[float, int, bool]:
        changes = {"epochs": epochs, "graph_epochs": graph_epochs, "patience": 9, "graph_patience": 9}
        short = budget.model_copy(update={**changes, "validate_every": BATCHES})
        began = time.perf_counter()
        *_, context = score_by_learner(arm, dataset, few, streams, short, device, Workplace(), Checkpoint())
        pretrained = any(name.startswith("graph_") for name in context.curves)
        return time.perf_counter() - began, context.pairs, pretrained

    graph_epochs = min(1, budget.graph_epochs)
    start, pairs, pretrained = fit(1, graph_epochs)

    def batch_s(epochs: int, graph_epochs: int, size: int) -> float:
        seconds, more, _ = fit(epochs, graph_epochs)
        return max(seconds - start, 0.0) * size / (more - pairs or a_pass)

    joint = batch_s(2, graph_epochs, budget.batch_size)
    graph = batch_s(1, 2, budget.graph_batch_size) if pretrained else 0.0
    return Pace(start, StagePace(joint), StagePace(graph))


def pace_of_method(arm: Arm, dataset: Dataset, split: Split, repeat: int, budget: Budget, device: str) -> Pace:
    """Return the pace of a rule, or of a method without epochs, from one run of it."""
    return Pace(_seconds(lambda: score_fold(arm, dataset, split, repeat, budget, device)))


def measured(measure: Callable[[], Pace], limit_s: float | None = None) -> Pace | None:
    """Return a pace, None if it takes longer to measure than it may; an arm that fails costs the time until it does."""
    started = time.perf_counter()
    try:
        with time_limit(limit_s, kill=False):
            return measure()
    except KeyboardInterrupt:
        raise
    except CellTimeoutError:
        return None
    except BaseException:  # what fails here fails in its cells, where it is told
        return Pace(time.perf_counter() - started)


def _seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started
