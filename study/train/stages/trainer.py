"""Trains one stage of a model, epoch by epoch, on labelled pairs; validation picks the epoch."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from components.core.budget import Budget
from components.core.dataset import Ints
from components.core.exam import Split
from components.core.metrics import METRICS, Scores
from components.core.streams import Streams
from components.model import GRNModel
from study.train.checkpoint import Checkpoint, random_state, set_random_state

CHUNK = 8192  # pairs scored at once; larger gains nothing on a CPU and costs memory


class DivergedError(Exception):
    """The loss of a cell became NaN or infinite."""


@dataclass
class Curves:
    """One value per epoch of each loss and metric, by name."""

    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, **values: float) -> None:
        """Append one epoch's values."""
        for name, value in values.items():
            self.values.setdefault(name, []).append(value)


@dataclass(frozen=True)
class Stage:
    """One stage of training: the pre-training of the graph, or joint training."""

    name: str
    fitter: Any
    epochs: int
    patience: int
    batch_size: int
    validate_every: int  # batches; 0: a whole pass
    encode: Callable[[Tensor], Any]  # the visible graph -> an encoding of every gene
    score: Callable[[Any, Tensor], Tensor]  # (the encoded genes, pairs) -> logits
    loss: Callable[[Tensor, Tensor, Tensor], Tensor]  # (the visible graph, pairs, labels) -> the loss of a batch
    keeps_last: bool = False  # the last epoch instead of the best


@dataclass
class _Progress:
    """State of a stage between two epochs, beside weights and fitter."""

    draws: np.random.Generator
    batches: torch.Generator
    negatives: Tensor
    rows: Tensor  # of positives and negatives, those that are left of this pass over them, in random order
    best_state: dict[str, Tensor]
    best: float = -math.inf
    best_epoch: int = 0
    epoch: int = 0


class Trainer:
    """Trains the stages of one model: tensors on the device, random streams, sampler of negatives, checkpoint."""

    def __init__(
        self,
        model: GRNModel,
        split: Split,
        sampler: Any,
        streams: Streams,
        budget: Budget,
        checkpoint: Checkpoint,
        saved: dict[str, Any] | None,
    ) -> None:
        self.model, self.split, self.sampler, self.budget = model, split, sampler, budget
        self.device = next(model.parameters()).device
        self.positives = self._tensor(split.train)
        self.graph = model.graph_of(self.positives)
        self.validation = self._tensor(split.validation)
        self.streams = streams
        self.curves = Curves()
        self.checkpoint, self.saved = checkpoint, saved

    def run(self, stage: Stage) -> int:
        """Train one stage, leave the model at the epoch that the stage keeps, and return that epoch (1-based)."""
        at = self._begin(stage)
        while at.epoch < stage.epochs and at.epoch - at.best_epoch < stage.patience:
            at.epoch += 1
            if not len(at.rows):
                self._begin_pass(at)
            loss = self._epoch(stage, at)
            stage.fitter.end_epoch()
            value = self._validate(stage)
            self.curves.add(**{f"{stage.name}_loss": loss, f"{stage.name}_validation_{self.budget.choose_by}": value})
            if value > at.best:
                at.best, at.best_epoch, at.best_state = value, at.epoch, _snapshot(self.model)
            if self.checkpoint.due:
                self.checkpoint.save(self._state(stage, at))
        if stage.keeps_last:
            return at.epoch
        self.model.load_state_dict(at.best_state)
        return at.best_epoch

    def _begin(self, stage: Stage) -> _Progress:
        """Start a stage, or resume it from its checkpoint."""
        # each stage starts its own streams: how long the graph was trained must not change what the joint stage draws
        draws = self.streams.numpy("negatives", stage.name)
        batches = self.streams.torch("batches", stage.name, self.device)
        saved, self.saved = self.saved, None
        if saved is None or saved["stage"] != stage.name:
            no_rows = torch.empty(0, dtype=torch.int64, device=self.device)
            return _Progress(draws, batches, self._draw(draws), no_rows, _snapshot(self.model))
        self.model.load_state_dict(saved["model"])
        stage.fitter.optimizer.load_state_dict(saved["optimizer"])
        stage.fitter.scheduler.load_state_dict(saved["scheduler"])
        self.curves.values = saved["curves"]
        draws.bit_generator.state = json.loads(saved["draws"])
        batches.set_state(saved["batches"])
        set_random_state(self.device, saved["dropout"])
        negatives, rows = saved["negatives"].to(self.device), saved["rows"].to(self.device)
        return _Progress(
            draws, batches, negatives, rows, saved["best_state"], saved["best"], saved["best_epoch"], saved["epoch"]
        )

    def _begin_pass(self, at: _Progress) -> None:
        """Draw the negatives of a pass over all pairs, and the order of its pairs."""
        if at.epoch > 1 and self.sampler.fresh:
            at.negatives = self._draw(at.draws)
        at.rows = torch.randperm(len(self.positives) + len(at.negatives), generator=at.batches, device=self.device)

    def _state(self, stage: Stage, at: _Progress) -> dict[str, Any]:
        return {
            "stage": stage.name,
            "epoch": at.epoch,
            "model": self.model.state_dict(),
            "optimizer": stage.fitter.optimizer.state_dict(),
            "scheduler": stage.fitter.scheduler.state_dict(),
            "curves": self.curves.values,
            "draws": json.dumps(at.draws.bit_generator.state),
            "batches": at.batches.get_state(),
            "dropout": random_state(self.device),
            "negatives": at.negatives,
            "rows": at.rows,
            "best": at.best,
            "best_epoch": at.best_epoch,
            "best_state": at.best_state,
        }

    def _epoch(self, stage: Stage, at: _Progress) -> float:
        self.model.train()
        candidates = torch.cat([self.positives, at.negatives])
        batches = _batches(at.rows, stage.batch_size)[: stage.validate_every or None]
        number = sum(map(len, batches))
        at.rows = at.rows[number:]
        # summed where the losses are: to look at each would make a GPU wait for Python after every batch
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        for rows in batches:
            labels = (rows < len(self.positives)).to(torch.get_default_dtype())
            loss = stage.loss(self._visible(rows, len(candidates)), candidates[rows], labels)
            stage.fitter.step(loss)
            total += loss.detach().double() * len(rows)
        mean = total.item() / number
        if not math.isfinite(mean):
            raise DivergedError(f"the {stage.name} loss became {mean}")
        return mean

    def precision(self) -> torch.autocast:
        """Return the number format of a forward pass in training."""
        # pairs are scored in full precision: bf16 has so few digits that they would tie
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.budget.precision == "bf16")

    def _visible(self, rows: Tensor, n: int) -> Tensor:
        if not self.model.hides_batch:
            return self.graph
        hidden = torch.zeros(n, dtype=torch.bool, device=self.device)
        hidden[rows] = True
        return self.model.graph_of(self.positives, hidden[: len(self.positives)])

    @torch.no_grad()
    def _validate(self, stage: Stage) -> float:
        self.model.eval()
        encoded = stage.encode(self.graph)
        scores = in_chunks(lambda pairs: stage.score(encoded, pairs), self.validation)
        if not np.isfinite(scores).all():
            raise DivergedError(f"the {stage.name} scores became NaN or infinite")
        return METRICS[self.budget.choose_by](scores, self.split.validation_labels, self.split.validation)

    def _draw(self, rng: np.random.Generator) -> Tensor:
        negatives = self.sampler.draw(rng)
        self.split.training.check_drawn(negatives)
        return self._tensor(negatives)

    def _tensor(self, pairs: Ints) -> Tensor:
        return torch.from_numpy(np.array(pairs, dtype=np.int64)).to(
            self.device
        )  # a copy: torch knows no read-only array


def _batches(rows: Tensor, size: int) -> list[Tensor]:
    batches = list(rows.split(size))
    if len(batches) > 1 and len(batches[-1]) < 2:  # batch normalisation needs two rows
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def in_chunks(score: Callable[[Tensor], Tensor], pairs: Tensor) -> Scores:
    """Return the scores ``[pairs]`` of ``[pairs, 2]``, a chunk at a time."""
    return torch.cat([score(chunk) for chunk in pairs.split(CHUNK)]).double().cpu().numpy()


def _snapshot(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}
