"""Trains one assembled model: the graph stage first, then everything together; validation picks the epoch.

Source: scUniGP 4.2 ('training proceeds in two stages') and Algorithm 1. Knows parts only through the registry.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from components.budget import Budget
from components.dataset import Ints
from components.exam import Split
from components.graph import training_graph
from components.metrics import METRICS, Scores
from components.model import Encoded, GRNModel
from components.streams import Streams

__all__ = ["Curves", "DivergedError", "Trained", "predict", "train"]

CHUNK = 8192  # pairs scored at once; larger gains nothing on a CPU and costs memory


class DivergedError(Exception):
    """The loss of a cell became NaN or infinite."""


@dataclass
class Curves:
    """What is recorded of every epoch: metric name to one value per epoch."""

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
    """What distinguishes the graph's pre-training from joint training."""

    name: str
    model: GRNModel
    fitter: Any
    epochs: int
    patience: int
    batch_size: int
    logits: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # (edges, pairs) -> logits, encodings


class _Trainer:
    """Holds what both stages share: tensors on the device, streams, and the sampler of negatives."""

    def __init__(self, model: GRNModel, split: Split, sampler: Any, streams: Streams, budget: Budget) -> None:
        self.model, self.split, self.sampler, self.budget = model, split, sampler, budget
        self.device = next(model.parameters()).device
        self.positives = self._tensor(split.train)
        self.graph = training_graph(self.positives)
        self.validation = self._tensor(split.validation)
        self.streams = streams
        self.curves = Curves()

    def run(self, stage: _Stage) -> int:
        """Train one stage, leave the model at its best epoch, and return that epoch (1-based)."""
        # each stage starts its own streams: how long the graph was trained must not change what the joint stage draws
        draws, batches = (
            self.streams.numpy("negatives", stage.name),
            self.streams.torch("batches", stage.name),
        )
        best, best_epoch, best_state = -np.inf, 0, copy.deepcopy(self.model.state_dict())
        negatives = self._tensor(self.sampler.draw(draws))
        for epoch in range(1, stage.epochs + 1):
            if epoch > 1 and self.sampler.fresh:
                negatives = self._tensor(self.sampler.draw(draws))
            loss = self._epoch(stage, negatives, batches)
            stage.fitter.scheduler.step()
            value = self._validate(stage)
            self.curves.add(**{f"{stage.name}_loss": loss, f"{stage.name}_validation_{self.budget.choose_by}": value})
            if value > best:
                best, best_epoch, best_state = value, epoch, copy.deepcopy(self.model.state_dict())
            elif epoch - best_epoch >= stage.patience:
                break
        self.model.load_state_dict(best_state)
        return best_epoch

    def _epoch(self, stage: _Stage, negatives: Tensor, batches: torch.Generator) -> float:
        self.model.train()
        total, count = 0.0, 0
        for rows in self._batches(len(self.positives) + len(negatives), stage.batch_size, batches):
            is_positive = rows < len(self.positives)
            pairs = torch.where(
                is_positive.unsqueeze(1),
                self.positives[rows.clamp(max=len(self.positives) - 1)],
                negatives[(rows - len(self.positives)).clamp(min=0)],
            )
            labels = is_positive.to(torch.get_default_dtype())
            logits, z = stage.logits(self._visible(rows[is_positive]), pairs)
            loss = F.binary_cross_entropy_with_logits(logits, labels)
            if stage.name == "joint":
                loss = self.model.contrast.bce_weight * loss + self.model.contrast(z, labels)
            if not torch.isfinite(loss):
                raise DivergedError(f"the {stage.name} loss became {loss.item()}")
            stage.fitter.step(loss)
            total, count = total + loss.item() * len(rows), count + len(rows)
        return total / count

    def _batches(self, n: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
        order = torch.randperm(n, generator=generator).to(self.device)
        chunks = list(order.split(size))
        if len(chunks) > 1 and len(chunks[-1]) < 2:  # batch normalisation needs two rows
            chunks[-2:] = [torch.cat(chunks[-2:])]
        return iter(chunks)

    def _visible(self, rows: Tensor) -> Tensor:
        if not self.model.hides_batch:
            return self.graph
        hidden = torch.zeros(len(self.positives), dtype=torch.bool, device=self.device)
        hidden[rows] = True
        return training_graph(self.positives, hidden)

    @torch.no_grad()
    def _validate(self, stage: _Stage) -> float:
        self.model.eval()
        logits = [stage.logits(self.graph, chunk)[0] for chunk in self.validation.split(CHUNK)]
        scores = torch.cat(logits).double().cpu().numpy()
        if not np.isfinite(scores).all():
            raise DivergedError(f"the {stage.name} scores became NaN or infinite")
        metric = METRICS[self.budget.choose_by]
        return metric.compute(scores, self.split.validation_labels, self.split.validation)

    def _tensor(self, pairs: Ints) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(pairs)).to(self.device)


def train(model: GRNModel, split: Split, sampler: Any, optimizer: Any, streams: Streams, budget: Budget) -> Trained:
    """Train a model on the training part of an exam, in two stages, and return it at its best validation epoch.

    Raises
    ------
    DivergedError
        If a loss becomes NaN or infinite.
    """
    trainer = _Trainer(model, split, sampler, streams, budget)
    torch.manual_seed(streams.seed("dropout", "graph"))
    if model.fused and budget.graph_epochs:
        trainer.run(_graph_stage(model, optimizer, budget))
    torch.manual_seed(streams.seed("dropout"))
    best_epoch = trainer.run(_joint_stage(model, optimizer, budget))
    return Trained(model, trainer.graph, trainer.curves, best_epoch)


@torch.no_grad()
def predict(trained: Trained, pairs: Ints) -> Scores:
    """Score pairs ``[pairs, 2]`` with a trained model over the graph of training positives: ``[pairs]`` logits."""
    model = trained.model.eval()
    encoded: Encoded = model.encode(trained.graph)
    tensor = torch.from_numpy(np.ascontiguousarray(pairs)).to(trained.graph.device)
    logits = [model.score(encoded, chunk)[0] for chunk in tensor.split(CHUNK)]
    return torch.cat(logits).double().cpu().numpy()


def _graph_stage(model: GRNModel, optimizer: Any, budget: Budget) -> _Stage:
    def logits(edges: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor]:
        graph = model.embed_graph(edges)
        if graph is None:
            raise RuntimeError("there is no graph stage without a graph")
        score = graph.expert_score(pairs)
        return score, score

    parameters: list[nn.Parameter] = [*model.bucketing.parameters(), *model.gnn.parameters()]
    fitter = optimizer.graph(parameters)
    return _Stage("graph", model, fitter, budget.graph_epochs, budget.graph_patience, budget.graph_batch_size, logits)


def _joint_stage(model: GRNModel, optimizer: Any, budget: Budget) -> _Stage:
    def logits(edges: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor]:
        return model.score(model.encode(edges), pairs)

    fitter = optimizer.joint(model.parameters())
    return _Stage("joint", model, fitter, budget.epochs, budget.patience, budget.batch_size, logits)
