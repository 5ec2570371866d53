"""Tells most arms apart at the price of a batch: what a training would see first, and how its weights are moved.

All that is digested here is a part of what a training sees: the loss of a small first batch; of each stage the loss as
the optimiser has it, two of its steps along the same gradients, its learning rate in every epoch. So arms with other
fingerprints behave differently. Arms with the same need not behave alike: a training tells.

Weights are compared where they have a gradient: one that is initialised and never used tells no arms apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import RLock
from types import SimpleNamespace
from typing import Any

import torch
from cachetools import LRUCache, cached
from torch import Tensor, nn

from components.core.budget import Budget
from components.core.errors import KnockoutError
from components.core.streams import Streams
from components.model import Parts
from search_spaces.arm import Arm, Choice, canonical_json
from study.plan.probe import BUDGET, on_example, on_the_probe, probe, with_known_genes
from study.spec.code import code_digest
from study.train.checkpoint import Checkpoint
from study.train.fit import graph_stage, joint_stage
from study.train.resources import contained
from study.train.score import assemble_arm
from study.train.stages.steps import acting_on, adjusted
from study.train.stages.trainer import Stage, Trainer
from study.train.stages.unsupervised import fit_to_expression

FEW = 16  # pairs of the first batch: an epoch may end with as few
STEPS = 2  # of an optimiser: the second sees what it remembers of the first
WEIGHTS = 8  # tensors that are moved of either kind, vectors and matrices; the smallest
BATCHES = 100  # of an epoch, for a schedule that counts batches


@cached(LRUCache(4096), key=lambda arm: (_but_optimizer(arm), code_digest(arm.acting())), lock=RLock())
def first_batch(arm: Arm) -> str:
    """Digest the loss of the first batch of joint training, whatever the arm's optimiser."""
    try:
        with on_the_probe(arm):
            ready = _Ready.of(arm)
            if ready is None:
                return "too few genes"
            seen: list[Any] = [sorted(ready.trainer.curves.items())]
            joint = ready.stages(pretrains=False)[-1]
            with torch.no_grad():
                seen.append(next(ready.losses(joint, FEW)).item())
            if acting_on(arm, "scores"):
                split, scores = ready.trainer.split, ready.trainer.scores(joint)
                seen.append(adjusted(arm, scores, split.validation, split.training).tobytes())
    except (KnockoutError, KeyboardInterrupt):
        raise
    except BaseException:  # what fails here may do so in a training, or not
        return f"fails: {_but_optimizer(arm)}"
    return _digest(seen)


def fittings(arms: Sequence[Arm], budget: Budget) -> list[str]:
    """Digest how each arm's optimiser moves the weights; arms that differ in it alone share weights and gradients.

    Empty where that cannot be said.
    """
    pushes: dict[str, list[_Push]] = {}
    digests: list[str] = []
    for arm in arms:
        key = _but_optimizer(arm)
        digests.append("")
        with contained(), on_the_probe(arm):  # a training says what is wrong
            if key not in pushes:
                ready, pretrains = _Ready.of(arm), budget.graph_epochs > 0
                pushes[key] = [_push(ready, stage) for stage in ready.stages(pretrains=pretrains)] if ready else []
            digests[-1] = _digest([_fitted(arm.choices["optimizer"], push, budget) for push in pushes[key]])
        pushes.setdefault(key, [])
    return digests


@dataclass(frozen=True)
class _Push:
    """What pushes the weights of a stage: logits and labels of its first batch; weights, their gradients by batch."""

    stage: str
    seen: list[tuple[Tensor, Tensor]]
    weights: list[Tensor]
    gradients: list[list[Tensor]]


def _push(ready: _Ready, stage: Stage) -> _Push:
    ready.watched.clear()
    model, batches = ready.trainer.model, ready.losses(stage, stage.batch_size)
    gradients: list[dict[str, Tensor]] = []
    seen: list[tuple[Tensor, Tensor]] = []
    for _ in range(STEPS):
        model.zero_grad(set_to_none=True)
        next(batches).backward()
        seen = seen or list(ready.watched)
        gradients.append({name: w.grad.clone() for name, w in model.named_parameters() if w.grad is not None})
    weights = {name: w.detach() for name, w in model.named_parameters()}
    reached = [name for name in gradients[0] if name in gradients[1] and bool(gradients[0][name].any())]
    reached.sort(key=lambda name: weights[name].numel())
    few = [name for name in reached if weights[name].ndim < 2][:WEIGHTS]
    few += [name for name in reached if weights[name].ndim >= 2][:WEIGHTS]
    return _Push(stage.name, seen, [weights[name] for name in few], [[g[name] for name in few] for g in gradients])


def _fitted(choice: Choice, push: _Push, budget: Budget) -> list[Any]:
    """Return what an optimiser makes of a stage: losses and their gradients, weights after steps, rates to come."""
    optimizer = choice.build()
    weights = [nn.Parameter(weight.clone()) for weight in push.weights]
    graph = push.stage == "graph"
    fitter = optimizer.graph(weights) if graph else optimizer.joint(weights)
    values: list[Any] = []
    for logits, labels in push.seen:
        outputs = logits.clone().requires_grad_()
        loss = fitter.loss(outputs, labels)
        loss.backward()
        values += [loss.item(), _bytes(outputs.grad)]
    for gradients in push.gradients:
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient.clone()
        fitter.optimizer.step()
        if fitter.by_batch:
            fitter.scheduler.step()
    values += sorted(_bytes(weight) for weight in weights)
    return [*values, rates(fitter, budget.graph_epochs if graph else budget.epochs)]


def rates(fitter: Any, epochs: int) -> list[float]:
    """Return the learning rates to come, in the order in which they change: a schedule may act long after a probe."""
    steps = epochs * BATCHES if fitter.by_batch else epochs - 1
    fitter.optimizer.zero_grad(set_to_none=True)
    fitter.optimizer.step()
    values: list[float] = []
    for _ in range(steps):
        fitter.scheduler.step()
        values.append(fitter.scheduler.get_last_lr()[0])
    return values


@dataclass(frozen=True)
class _Ready:
    """An arm before its first batch, with the logits and labels that its loss was given so far."""

    trainer: Trainer
    parts: Parts
    watched: list[tuple[Tensor, Tensor]]

    @classmethod
    def of(cls, arm: Arm) -> _Ready | None:
        """Assemble an arm on the probe, its stage without labels done; None if it knows too few genes."""
        (dataset, split), arm = probe(), on_example(arm)
        named = with_known_genes(dataset, arm)
        if named is None:
            return None
        streams = Streams(named.digest, 0)
        assembled = assemble_arm(arm, named, split, streams, "cpu")
        sampler = assembled.parts.build("negatives", split.training, assembled.expression)
        trainer = Trainer(assembled.model, split, sampler, streams, BUDGET, Checkpoint(), None)
        if assembled.model.bucketing.unsupervised:
            fit_to_expression(trainer)
        return cls(trainer, assembled.parts, [])

    def stages(self, *, pretrains: bool) -> list[Stage]:
        """Return the stages, with the default loss: that of the arm belongs to its optimiser."""
        default = self.parts.absent("optimizer")

        def loss(logits: Tensor, labels: Tensor) -> Tensor:
            self.watched.append((logits.detach(), labels))
            return default.loss(logits, labels)

        watching = SimpleNamespace(loss=loss)  # it moves nothing
        optimizer = SimpleNamespace(joint=lambda parameters: watching, graph=lambda parameters: watching)
        first = [graph_stage(self.trainer, optimizer)] if self.trainer.model.fused and pretrains else []
        return [*first, joint_stage(self.trainer, optimizer)]

    def losses(self, stage: Stage, size: int) -> Iterator[Tensor]:
        """Yield the loss of each batch of a stage, in training mode, with its own dropout."""
        torch.default_generator.manual_seed(self.trainer.streams.seed("dropout", stage.name))
        self.trainer.model.train()
        passes, _ = self.trainer.begin(stage.name)
        while True:
            for rows in passes.batches(size):
                yield from self.trainer.losses(stage, passes, [rows])


def _but_optimizer(arm: Arm) -> str:
    return canonical_json({name: choice for name, choice in arm.canonical.items() if name != "optimizer"})


def _bytes(tensor: Tensor | None) -> bytes:
    return b"" if tensor is None else tensor.detach().contiguous().numpy().tobytes()


def _digest(values: list[Any]) -> str:
    return hashlib.sha256(repr(values).encode()).hexdigest()
