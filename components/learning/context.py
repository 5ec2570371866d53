"""What a model of one's own works with: device, budget, streams, the loop over epochs; and what is recorded of it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from components.core.budget import Budget
from components.core.errors import KnockoutError, UnknownNameError
from components.core.metrics import Scores
from components.core.streams import Streams
from components.learning.loop import (
    Curves,
    Keeper,
    Passes,
    Progress,
    Stateful,
    device_of,
    on_device,
    precision_of,
    random_state,
    same_shapes,
    set_random_state,
)
from components.learning.view import View

STAGES = ("joint", "graph")


class Epoch:
    """One epoch of :meth:`Context.epochs`: its batches, and where its loss and validation scores go.

    Attributes
    ----------
    number
        From 1.
    rng
        Random stream of the epoch, for whatever the model draws itself.
    pairs
        Number of pairs in the batches so far.
    """

    def __init__(self, progress: Progress, passes: Passes, view: View, size: int, most: int, streams: Streams) -> None:
        self.number = progress.epoch
        self.rng = streams.numpy("noise", f"{progress.stage}/{self.number}")
        self._progress, self._passes, self._view, self._size, self._most = progress, passes, view, size, most
        self._losses: list[tuple[Tensor, int]] = []
        self._pairs = 1  # of the last batch
        self.pairs = 0
        self.validated = False

    def batches(self, size: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield pairs ``[n, 2]`` and labels ``[n]``, on the device: positives and negatives of a pass, shuffled.

        Of the study's batch size unless another is given; negatives are those that the arm's sampler draws.
        """
        for rows in self._passes.batches(size or self._size, self._most):
            self._pairs = len(rows)
            self.pairs += len(rows)
            yield self._passes.candidates[rows], self._passes.labels(rows)

    def loss(self, value: Tensor | float) -> None:
        """Tell the loss of a batch; the curve is their mean, weighted by the pairs of each batch."""
        self._losses.append((torch.as_tensor(value).detach().double(), self._pairs))

    def validate(self, scores: Scores | Tensor) -> None:
        """Tell the scores ``[validation]`` of the view's validation pairs, once, at the end of the epoch.

        Raises
        ------
        DivergedError
            If the loss or a score is NaN or infinite.
        KnockoutError
            If there is no loss, another number of scores, or a second call.
        """
        values = scores.detach().double().cpu().numpy() if isinstance(scores, Tensor) else np.asarray(scores, float)
        if values.shape != (len(self._view.validation),):
            need = f"one score per validation pair, [{len(self._view.validation)}]"
            raise KnockoutError(f"epoch.validate takes {need}; got {list(values.shape)}.")
        if not self._losses:
            raise KnockoutError("tell the loss first: epoch.loss(loss), once a batch.")
        if self.validated:
            raise KnockoutError("epoch.validate is called once an epoch.")
        pairs = sum(n for _, n in self._losses)
        loss = torch.stack([loss * n for loss, n in self._losses]).sum().item() / pairs
        self._progress.validate(loss, values, self._view.validation_labels, self._view.validation)
        self.validated = True


@dataclass(kw_only=True)
class Context:
    """What a model of one's own works with, and where it leaves what is recorded of it.

    Attributes
    ----------
    device, threads
        torch device, and CPU threads, of the lane.
    budget
        Epochs, patience, batch size of the study.
    streams
        Random streams of the repeat, the same for every arm: ``streams.seed("init")``.
    scratch
        An empty folder of its own, removed afterwards.
    view
        What the model is fitted on.
    keeper
        Keeps checkpoints; None: nobody does.
    output
        File that keeps what a program prints; None: nothing is kept.
    curves
        Name to one value per epoch, for the report's figures.
    best_epoch, parameters, memory_mb
        Epoch that validation chose (from 1), number of trained weights, peak memory outside of this process.
    pairs
        Number of pairs in all batches that its epochs gave.
    """

    device: str
    threads: int
    budget: Budget
    streams: Streams
    scratch: Path
    view: View
    keeper: Keeper | None = None
    output: Path | None = None
    curves: Curves = field(default_factory=dict)
    best_epoch: int = 0
    parameters: int = 0
    memory_mb: float = 0.0
    pairs: int = 0
    _ended: dict[str, Any] = field(default_factory=dict)  # stages of this training that are over
    _weights: dict[int, int] = field(default_factory=dict)

    @property
    def seed(self) -> int:
        """31-bit seed of the repeat, the same for every arm."""
        return self.streams.seed("init") % 2**31

    def tensor(self, values: np.ndarray) -> Tensor:
        """Return a copy of an array on the device."""
        return on_device(values, self.device)

    def precision(self) -> torch.autocast:
        """Return the number format of a forward pass in training: ``with context.precision(): ...``."""
        return precision_of(self.budget, torch.device(self.device))

    def epochs(self, module: nn.Module, *parts: Stateful, stage: str = "joint") -> Iterator[Epoch]:
        """Yield the epochs of a training, and leave the module with the weights that the budget keeps.

        Each epoch must tell its losses (:meth:`Epoch.loss`) and, last, its validation scores
        (:meth:`Epoch.validate`). The study's epochs, patience and metric end the training; a cell that was killed goes
        on at its last checkpoint, to the last bit. The module is in training mode when an epoch begins.

        Parameters
        ----------
        module
            What is trained, on its device.
        parts
            What goes on with it after a kill: optimiser, schedule.
        stage
            ``joint``, or ``graph`` for a pre-training, which has epochs, patience and batches of its own.

        Raises
        ------
        DivergedError
            If the loss or a score is NaN or infinite.
        KnockoutError
            If the stage is unknown or was trained before, or an epoch does not tell what it must.
        """
        if stage not in STAGES:
            raise UnknownNameError.of("stage of training", stage, STAGES)
        if stage in self._ended:
            raise KnockoutError(f"stage {stage!r} was trained before; there are {' and '.join(STAGES)}.")
        self._weights |= {id(weight): weight.numel() for weight in module.parameters() if weight.requires_grad}
        self.parameters = sum(self._weights.values())
        saved = (self.keeper.last() if self.keeper else None) or {}
        if stage in saved.get("ended", {}):
            self._take_over(module, stage, saved)
            return
        progress, passes = self._begin(module, parts, stage, saved)
        size = self.budget.graph_batch_size if stage == "graph" else self.budget.batch_size
        try:
            while progress.goes_on:
                progress.epoch += 1
                self._seed_others(f"{stage}/{progress.epoch}")
                module.train()
                epoch = Epoch(progress, passes, self.view, size, self.budget.validate_every, self.streams)
                yield epoch
                self.pairs += epoch.pairs
                if not epoch.validated:
                    raise KnockoutError("each epoch tells its validation scores: epoch.validate(scores).")
                if self.keeper is not None and self.keeper.due:
                    self.keeper.save({**progress.state(), **passes.state(), "ended": self._ended})
        finally:  # also where the model breaks the loop off
            self.best_epoch = progress.keep() if progress.best_epoch else 0
        self._ended[stage] = {
            "model": module.state_dict(),
            "random": random_state(progress.device),
            "best_epoch": self.best_epoch,
        }

    def _begin(
        self, module: nn.Module, parts: Sequence[Stateful], stage: str, saved: Mapping[str, Any]
    ) -> tuple[Progress, Passes]:
        """Return a stage at its beginning, or where a checkpoint stands."""
        torch.manual_seed(self.streams.seed("dropout", "" if stage == "joint" else stage))
        progress = Progress(stage, module, parts, self.budget, self.curves)
        order = self.streams.torch("batches", stage, torch.device(self.device))
        passes = Passes(self.tensor(self.view.training.train), lambda n: self.tensor(self.view.draw(n)), order)
        if saved.get("stage") == stage and same_shapes(saved["model"], module.state_dict()):
            progress.resume(saved)
            passes.resume(saved)
        return progress, passes

    def _take_over(self, module: nn.Module, stage: str, saved: Mapping[str, Any]) -> None:
        """Leave a module as its stage left it before the cell was killed in a later one."""
        ended = saved["ended"][stage]
        module.load_state_dict(ended["model"])
        set_random_state(device_of(module), ended["random"])
        self._ended[stage], self.best_epoch = ended, ended["best_epoch"]

    def _seed_others(self, part: str) -> None:
        """Seed what draws from the streams of Python and NumPy, at each epoch: no checkpoint holds them."""
        seed = self.streams.seed("noise", part) % 2**32
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002  # a model of one's own may draw from it
