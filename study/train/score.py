"""Fits an arm on one fold of an exam and scores the fold's pairs: by a model it trains, a rule or a method."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch.utils import deterministic

from components.core.budget import Budget
from components.core.dataset import Dataset, Floats
from components.core.exam import Split
from components.core.metrics import Scores
from components.core.settings import Settings
from components.core.streams import Streams
from components.model import GRNModel, Parts
from search_spaces.arm import Arm
from study.train.checkpoint import Checkpoint
from study.train.fit import Trained, encode, predict, train
from study.train.learner import Workplace, check_learner, score_by_learner
from study.train.pairs import Arrays, encode_before_and_after
from study.train.stages.shared import SharedStages
from study.train.stages.steps import adjusted, transformed

COMPILER_ORDER = "TORCHINDUCTOR_DETERMINISTIC"
_UNSET: Any = deterministic  # of memory that is not set yet; torch declares no type of its switch
WARN = 1  # torch's debug mode that fixes orders, and warns where it cannot


@dataclass(frozen=True)
class Assembled:
    """The untrained model of an arm."""

    model: GRNModel  # on its device
    parts: Parts  # the levels it is built of; they build its sampler and optimiser, too
    expression: Floats  # ``[genes, cells]``, what it is shown: the data set's expression, or a control's


@dataclass(frozen=True)
class FoldScores:
    """An arm's outcome on one fold."""

    # one score per pair of either part
    validation: Scores
    test: Scores
    # loss and validation score per epoch; empty where nothing is trained
    curves: Mapping[str, list[float]] = field(default_factory=dict)
    # epoch that validation chose, counted from 1, and number of trained weights; 0 where nothing is trained
    best_epoch: int = 0
    parameters: int = 0
    # what the model makes of test pairs (:mod:`study.train.pairs`), if it was asked for
    embeddings: Arrays | None = None
    memory_mb: float = 0.0  # peak memory of a program that ran beside this process


@contextmanager
def fixed_order(device: str) -> Iterator[None]:
    """Let torch add numbers in a fixed order on a CPU, so that threads that race cannot change last digits.

    Without it, the gradient of indexing (``x[rows]``) is added by all threads at once as soon as it has 32,768 numbers,
    in the order in which they arrive. A GPU is left as it is: not all of its operations have a fixed order.
    """
    if torch.device(device).type != "cpu":
        yield
        return
    before, filled = torch.get_deterministic_debug_mode(), _UNSET.fill_uninitialized_memory
    variable = os.environ.get(COMPILER_ORDER)
    _UNSET.fill_uninitialized_memory = False  # 2 % of a training, to show where memory is read before it is set
    os.environ[COMPILER_ORDER] = "1"  # read as torch's compiler loads, which a plug-in's part may need
    _set_order(WARN)  # and no error: a plug-in's operation may have no fixed order
    try:
        yield
    finally:
        _set_order(before)
        _UNSET.fill_uninitialized_memory = filled
        if variable is None:
            os.environ.pop(COMPILER_ORDER, None)
        else:
            os.environ[COMPILER_ORDER] = variable


def _set_order(mode: int) -> None:
    """Set torch's mode of fixed order, and its compiler's if that is loaded: to load it takes 1 s and 70 MB."""
    if "torch._inductor.config" in sys.modules:
        torch.use_deterministic_algorithms(mode > 0, warn_only=mode == WARN)
    torch.set_deterministic_debug_mode(mode)


def score_fold(
    arm: Arm,
    dataset: Dataset,
    split: Split,
    repeat: int,
    budget: Budget,
    device: str,
    checkpoint: Checkpoint | None = None,
    shared: SharedStages | None = None,
    embed: bool = False,
    workplace: Workplace | None = None,
) -> FoldScores:
    """Fit an arm on one fold of an exam, and score its validation and test pairs.

    Parameters
    ----------
    checkpoint
        Where a training that was killed goes on.
    shared
        Stages that other arms have, too.
    embed
        Whether to return what the model makes of test pairs, unless it encodes none.
    """
    streams, checkpoint = Streams(dataset.digest, repeat), checkpoint or Checkpoint()
    if arm.learns:
        scored = score_by_learner(arm, dataset, split, streams, budget, device, workplace or Workplace(), checkpoint)
        validation, test, own = scored
        outcome = FoldScores(validation, test, own.curves, own.best_epoch, own.parameters, memory_mb=own.memory_mb)
    elif arm.trains:
        outcome = _score_by_model(arm, dataset, split, streams, budget, device, checkpoint, shared, embed)
    else:
        method, target = _method(arm, dataset, split, streams), dataset.target
        tested = method if target is None or method.control else method.on(target.expression)
        outcome = FoldScores(method.score(split.validation), tested.score(split.test))
    validation = adjusted(arm, outcome.validation, split.validation, split.training)
    return replace(outcome, validation=validation, test=adjusted(arm, outcome.test, split.test, split.training))


def _score_by_model(
    arm: Arm,
    dataset: Dataset,
    split: Split,
    streams: Streams,
    budget: Budget,
    device: str,
    checkpoint: Checkpoint,
    shared: SharedStages | None,
    embed: bool,
) -> FoldScores:
    """Train the assembled model of an arm, and have it score the fold's pairs."""
    assembled = assemble_arm(arm, dataset, split, streams, device)
    model = assembled.model
    sampler = assembled.parts.build("negatives", split.training, assembled.expression)
    trained = train(model, split, sampler, assembled.parts.build("optimizer"), streams, budget, checkpoint, shared)
    encoded = encode(trained)
    validation = predict(trained, split.validation, encoded)
    if dataset.target is not None:
        _show_target(model, arm, dataset.target, streams, device)
        encoded = encode(trained)
    test = predict(trained, split.test, encoded)
    embeddings = None
    if embed and model.paired:
        with checkpoint.clock.pause(), suppress(MemoryError, torch.OutOfMemoryError):
            embeddings = _embed(arm, trained, dataset, split, streams, device)
    parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return FoldScores(validation, test, trained.curves, trained.best_epoch, parameters, embeddings)


def prepare(arm: Arm, dataset: Dataset, split: Split, repeat: int) -> None:
    """Do what an arm does before it is fitted: draw training negatives, or construct its rule or method.

    Raises
    ------
    KnockoutError
        If its sampler draws none, or pairs from outside of the pool, or a part refuses the data.
    """
    streams = Streams(dataset.digest, repeat)
    if arm.learns:
        check_learner(arm, dataset, split, streams)
    elif arm.trains:
        bucketing_notes(arm, dataset)
        sampler = _parts(arm, dataset).build("negatives", split.training, _expression(arm, dataset, streams))
        split.training.check_drawn(sampler.draw(streams.numpy("negatives", "plan")))
    else:
        _method(arm, dataset, split, streams)


def bucketing_notes(arm: Arm, dataset: Dataset) -> tuple[str, ...]:
    """Return what a user should know of an arm's bucketing on a data set; none where it cannot act."""
    choice = arm.choices["bucketing"]
    return () if "bucketing" in arm.silenced else tuple(choice.cls.check(_on(choice.settings, dataset), dataset.genes))


def assemble_arm(arm: Arm, dataset: Dataset, split: Split, streams: Streams, device: str) -> Assembled:
    """Assemble the model of an arm that trains, on the expression that its scorer shows."""
    expression, parts = _expression(arm, dataset, streams), _parts(arm, dataset)
    model = GRNModel(parts, torch.from_numpy(expression).to(device), streams, dataset.genes, split.training).to(device)
    return Assembled(model, parts, expression)


def _parts(arm: Arm, dataset: Dataset) -> Parts:
    acting = {name: choice for name, choice in arm.choices.items() if name not in arm.silenced}
    on = {name: _on(choice.settings, dataset) for name, choice in acting.items()}
    return Parts({name: (choice.level, on.get(name, choice.settings)) for name, choice in arm.choices.items()})


def _on(settings: Settings, dataset: Dataset) -> Settings:
    return settings.on({"dataset": dataset.name, "network": dataset.network, "cell": dataset.block})


def _expression(arm: Arm, dataset: Dataset, streams: Streams, part: str = "") -> Floats:
    shown = arm.choices["scorer"].build().expression(dataset.expression, streams.numpy("noise", part))
    return transformed(arm, shown, streams, part)


def _embed(arm: Arm, trained: Trained, dataset: Dataset, split: Split, streams: Streams, device: str) -> Arrays:
    untrained = assemble_arm(arm, dataset, split, streams, device).model
    if untrained.bucketing.unsupervised:  # 'before' is before any label was read
        untrained.bucketing.load_state_dict(trained.model.bucketing.state_dict())
    if dataset.target is not None:
        _show_target(untrained, arm, dataset.target, streams, device)
    rng = streams.numpy("split", "embeddings")
    return encode_before_and_after(untrained, trained.model, trained.graph, split, rng)


def _show_target(model: GRNModel, arm: Arm, target: Dataset, streams: Streams, device: str) -> None:
    """Let a model see the cells that a transfer is tested on, or what its scorer shows of them."""
    model.bucketing.show(torch.from_numpy(_expression(arm, target, streams, "tested")).to(device))


def _method(arm: Arm, dataset: Dataset, split: Split, streams: Streams) -> Any:
    """Construct a rule, which never meets expression, or a method that is run as it is."""
    choice, rng = arm.choices["scorer"], streams.numpy("negatives")
    if choice.cls.control:
        return choice.build(split.training, rng)
    tfs = dataset.tfs if dataset.target is None else np.union1d(dataset.tfs, dataset.target.tfs)
    return choice.build(split.training, dataset.expression, tfs, rng)
