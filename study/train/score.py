"""What an arm makes of one fold of an exam: a model assembled, trained and asked, or a rule or method asked."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from components.core import registry
from components.core.budget import Budget
from components.core.dataset import Dataset, Floats
from components.core.exam import Split
from components.core.metrics import Scores
from components.core.settings import Settings
from components.core.streams import Streams
from components.model import GRNModel, Parts, assemble
from search_spaces.arm import Arm
from study.train.checkpoint import Checkpoint
from study.train.fit import encode, predict, train
from study.train.graph_stage import SharedStage
from study.train.pairs import before_and_after, uncounted

if TYPE_CHECKING:  # a result is filled here, and defined with the cell that it is of
    from study.train.cell import Result

__all__ = ["Assembled", "assemble_arm", "score_arm"]


@dataclass(frozen=True)
class Assembled:
    """The untrained model of an arm.

    Attributes
    ----------
    model
        On its device.
    parts
        What it was built of; builds its sampler and optimiser, too.
    shown
        ``[genes, cells]``, the expression that it is shown: the data set's, or a control's.
    """

    model: GRNModel
    parts: Parts
    shown: Floats


def assemble_arm(arm: Arm, dataset: Dataset, streams: Streams, device: str) -> Assembled:
    """Assemble the model of an arm that trains, on what its scorer shows of a data set."""
    choice = arm.choices["scorer"]
    scorer: Any = registry.level("scorer", choice.level)
    shown = scorer(choice.settings).expression(dataset.expression, streams.numpy("noise"))
    parts = Parts({name: (c.level, c.settings) for name, c in arm.choices.items()})
    return Assembled(assemble(parts, torch.from_numpy(shown).to(device), streams).to(device), parts, shown)


def score_arm(
    arm: Arm,
    dataset: Dataset,
    split: Split,
    repeat: int,
    budget: Budget,
    device: str,
    result: Result,
    checkpoint: Checkpoint | None = None,
    shared: SharedStage | None = None,
    embeds: bool = False,
) -> tuple[Scores, Scores]:
    """Return an arm's scores of the validation and the test pairs, training its model if it has one.

    With ``embeds``, what the model makes of test pairs is left in the result, too, unless it encodes no pair.
    """
    streams = Streams(dataset.digest, repeat)
    choice = arm.choices["scorer"]
    cls: Any = registry.level("scorer", choice.level)
    if not arm.trains:
        return _score_by_method(cls, choice.settings, dataset, split, streams)
    made = assemble_arm(arm, dataset, streams, device)
    model = made.model
    result.parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    sampler, optimizer = made.parts.build("negatives", split, made.shown), made.parts.build("optimizer")
    trained = train(model, split, sampler, optimizer, streams, budget, checkpoint, shared)
    result.curves, result.best_epoch = trained.curves.values, trained.best_epoch
    encoded = encode(trained)
    validation = predict(trained, split.validation, encoded)
    if dataset.target is not None:
        _show_target(model, arm, dataset.target, streams, device)
        encoded = encode(trained)
    test = predict(trained, split.test, encoded)
    if embeds and model.paired:
        with uncounted(result, checkpoint.clock if checkpoint else None), suppress(MemoryError, torch.OutOfMemoryError):
            fresh = assemble_arm(arm, dataset, streams, device).model
            if dataset.target is not None:
                _show_target(fresh, arm, dataset.target, streams, device)
            rng = streams.numpy("split", "embeddings")
            result.embeddings = before_and_after(fresh, model, trained.graph, split, rng)
    return validation, test


def _show_target(model: GRNModel, arm: Arm, target: Dataset, streams: Streams, device: str) -> None:
    """Let a model see the cells that a transfer is tested on, or what its scorer shows of them."""
    choice = arm.choices["scorer"]
    scorer: Any = registry.level("scorer", choice.level)
    tested = scorer(choice.settings).expression(target.expression, streams.numpy("noise", "tested"))
    model.bucketing.show(torch.from_numpy(tested).to(device))


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
