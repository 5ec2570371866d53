"""Trains one assembled model: the graph stage first, then everything together; validation picks the epoch.

Source: scUniGP 4.2 ('training proceeds in two stages') and Algorithm 1. Knows parts only through the registry.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from components.core.budget import Budget
from components.core.dataset import Ints
from components.core.exam import Split
from components.core.metrics import METRICS, Scores
from components.core.streams import Streams
from components.model import Encoded, GRNModel, training_graph
from study.train.checkpoint import Checkpoint, random_state, set_random_state
from study.train.graph_stage import SharedStage

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
class Trained:
    """A model at its best validation epoch, with its history."""

    model: GRNModel
    graph: Tensor
    curves: Curves
    best_epoch: int


@dataclass(frozen=True)
class _Stage:
    """One stage of training: the pre-training of the graph, or joint training."""

    name: str
    fitter: Any
    epochs: int
    patience: int
    batch_size: int
    validate_every: int  # batches; 0: a whole pass
    encode: Callable[[Tensor], Any]  # the visible graph -> an encoding of every gene
    score: Callable[[Any, Tensor], tuple[Tensor, Tensor]]  # (the encoded genes, pairs) -> logits, pair encodings


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


class _Trainer:
    """Trains stages of one model: tensors on the device, random streams, sampler of negatives, checkpoint."""

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
        self.graph = training_graph(self.positives)
        self.validation = self._tensor(split.validation)
        self.streams = streams
        self.curves = Curves()
        self.checkpoint, self.saved = checkpoint, saved

    def run(self, stage: _Stage) -> int:
        """Train one stage, leave the model at its best epoch, and return that epoch (1-based)."""
        at = self._begin(stage)
        while at.epoch < stage.epochs and at.epoch - at.best_epoch < stage.patience:
            at.epoch += 1
            if not len(at.rows):
                self._begin_pass(at)
            loss = self._epoch(stage, at)
            stage.fitter.scheduler.step()
            value = self._validate(stage)
            self.curves.add(**{f"{stage.name}_loss": loss, f"{stage.name}_validation_{self.budget.choose_by}": value})
            if value > at.best:
                at.best, at.best_epoch, at.best_state = value, at.epoch, _snapshot(self.model)
            if self.checkpoint.due:
                self.checkpoint.save(self._state(stage, at))
        self.model.load_state_dict(at.best_state)
        return at.best_epoch

    def _begin(self, stage: _Stage) -> _Progress:
        """Start a stage, or resume it from its checkpoint."""
        # each stage starts its own streams: how long the graph was trained must not change what the joint stage draws
        draws = self.streams.numpy("negatives", stage.name)
        batches = self.streams.torch("batches", stage.name, self.device)
        saved, self.saved = self.saved, None
        if saved is None or saved["stage"] != stage.name:
            return _Progress(
                draws,
                batches,
                self._draw(draws),
                torch.empty(0, dtype=torch.int64, device=self.device),
                _snapshot(self.model),
            )
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

    def _state(self, stage: _Stage, at: _Progress) -> dict[str, Any]:
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

    def _epoch(self, stage: _Stage, at: _Progress) -> float:
        self.model.train()
        candidates = torch.cat([self.positives, at.negatives])
        batches = _batches(at.rows, stage.batch_size)
        batches = batches[: stage.validate_every or None]
        number = sum(map(len, batches))
        at.rows = at.rows[number:]
        # summed where the losses are: to look at each would make a GPU wait for Python after every batch
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        for rows in batches:
            labels = (rows < len(self.positives)).to(torch.get_default_dtype())
            # pairs are scored in full precision: bf16 has so few digits that they would tie
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.budget.precision == "bf16"):
                logits, z = stage.score(stage.encode(self._visible(rows, len(candidates))), candidates[rows])
            loss = F.binary_cross_entropy_with_logits(logits.float(), labels)
            if stage.name == "joint":
                loss = self.model.contrast.bce_weight * loss + self.model.contrast(z.float(), labels)
            stage.fitter.step(loss)
            total += loss.detach().double() * len(rows)
        mean = total.item() / number
        if not math.isfinite(mean):
            raise DivergedError(f"the {stage.name} loss became {mean}")
        return mean

    def _visible(self, rows: Tensor, n: int) -> Tensor:
        if not self.model.hides_batch:
            return self.graph
        hidden = torch.zeros(n, dtype=torch.bool, device=self.device)
        hidden[rows] = True
        return training_graph(self.positives, hidden[: len(self.positives)])

    @torch.no_grad()
    def _validate(self, stage: _Stage) -> float:
        self.model.eval()
        encoded = stage.encode(self.graph)
        scores = _in_chunks(lambda pairs: stage.score(encoded, pairs)[0], self.validation)
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


def train(
    model: GRNModel,
    split: Split,
    sampler: Any,
    optimizer: Any,
    streams: Streams,
    budget: Budget,
    checkpoint: Checkpoint | None = None,
    shared: SharedStage | None = None,
) -> Trained:
    """Train a model on the training part of an exam, in two stages, and return it at its best validation epoch.

    A training that a ``checkpoint`` holds goes on where that stands. A ``shared`` graph stage is taken over from the
    arm that trained it. Neither changes the outcome by a bit.

    Raises
    ------
    DivergedError
        If a loss becomes NaN or infinite.
    """
    checkpoint = checkpoint or Checkpoint()
    saved = checkpoint.load(model.state_dict())
    trainer = _Trainer(model, split, sampler, streams, budget, checkpoint, saved)
    pretrained = trainer.saved is not None and trainer.saved["stage"] == "joint"
    if model.fused and budget.graph_epochs and not pretrained:
        _pretrain(trainer, optimizer, shared or SharedStage())
    torch.manual_seed(streams.seed("dropout"))
    best_epoch = trainer.run(_joint_stage(model, optimizer, budget))
    return Trained(model, trainer.graph, trainer.curves, best_epoch)


def _pretrain(trainer: _Trainer, optimizer: Any, shared: SharedStage) -> None:
    """Pre-train the graph, or take the weights over from an arm that shares the stage."""
    parts = nn.ModuleDict({"bucketing": trainer.model.bucketing, "gnn": trainer.model.gnn})
    clock = trainer.checkpoint.clock
    began = clock.here

    def stage() -> dict[str, Any]:
        started = clock.here
        torch.manual_seed(trainer.streams.seed("dropout", "graph"))
        trainer.run(_graph_stage(trainer.model, optimizer, trainer.budget))
        # a checkpoint in this stage has its seconds elsewhere
        seconds = clock.elsewhere + clock.here - started
        return {"state": parts.state_dict(), "curves": trainer.curves.values, "seconds": seconds}

    outcome, taken_over = shared.once(stage, parts.state_dict())
    if taken_over:
        parts.load_state_dict(outcome["state"])
        trainer.curves.values = outcome["curves"]
        clock.shared = outcome["seconds"]
        clock.elsewhere = clock.shared - (clock.here - began)  # whoever waits for a stage does not pay twice


@torch.no_grad()
def encode(trained: Trained) -> Encoded:
    """Encode every gene with a trained model, over the graph of training positives."""
    return trained.model.eval().encode(trained.graph)


@torch.no_grad()
def predict(trained: Trained, pairs: Ints, encoded: Encoded | None = None) -> Scores:
    """Score pairs ``[pairs, 2]`` with a trained model: ``[pairs]`` logits; ``encoded`` genes are not encoded again."""
    genes = encode(trained) if encoded is None else encoded
    tensor = torch.from_numpy(np.ascontiguousarray(pairs)).to(trained.graph.device)
    return _in_chunks(lambda chunk: trained.model.score(genes, chunk)[0], tensor)


def _batches(rows: Tensor, size: int) -> list[Tensor]:
    batches = list(rows.split(size))
    if len(batches) > 1 and len(batches[-1]) < 2:  # batch normalisation needs two rows
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def _in_chunks(score: Callable[[Tensor], Tensor], pairs: Tensor) -> Scores:
    return torch.cat([score(chunk) for chunk in pairs.split(CHUNK)]).double().cpu().numpy()


def _snapshot(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def _graph_stage(model: GRNModel, optimizer: Any, budget: Budget) -> _Stage:
    def score(graph: Any, pairs: Tensor) -> tuple[Tensor, Tensor]:
        scores = graph.expert_score(pairs)
        return scores, scores

    fitter = optimizer.graph([*model.bucketing.parameters(), *model.gnn.parameters()])
    epochs, patience, size = budget.graph_epochs, budget.graph_patience, budget.graph_batch_size
    return _Stage("graph", fitter, epochs, patience, size, budget.validate_every, model.embed_graph, score)


def _joint_stage(model: GRNModel, optimizer: Any, budget: Budget) -> _Stage:
    fitter = optimizer.joint(model.parameters())
    epochs, patience, size = budget.epochs, budget.patience, budget.batch_size
    return _Stage("joint", fitter, epochs, patience, size, budget.validate_every, model.encode, model.score)
