"""Trains one assembled model: what needs no labels, then the graph alone, then everything together.

Source: scUniGP 4.2 ('training proceeds in two stages') and Algorithm 1; the stage without labels is GMFGRN's and
HGATLink's. Knows parts only through the registry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from components.core.budget import Budget
from components.core.dataset import Ints
from components.core.exam import Split
from components.core.metrics import Scores
from components.core.streams import Streams
from components.learning.loop import Curves, in_chunks
from components.model import Encoded, GRNModel, Reading
from components.passing.graph import Graph
from study.train.checkpoint import Checkpoint
from study.train.stages.shared import SharedStages, compute_once
from study.train.stages.trainer import Stage, Trainer
from study.train.stages.unsupervised import NAME as UNSUPERVISED
from study.train.stages.unsupervised import fit_to_expression


@dataclass(frozen=True)
class Trained:
    """A model at the epoch that its budget keeps, with its history."""

    model: GRNModel
    graph: Graph
    curves: Curves
    best_epoch: int


def train(
    model: GRNModel,
    split: Split,
    sampler: Any,
    optimizer: Any,
    streams: Streams,
    budget: Budget,
    checkpoint: Checkpoint | None = None,
    shared: SharedStages | None = None,
) -> Trained:
    """Train a model on the training part of an exam, stage by stage, and return it at its best validation epoch.

    A training that a ``checkpoint`` holds goes on where that stands. ``shared`` stages are taken over from the arm that
    trained them. Neither changes the outcome by a bit. A budget may keep the last epoch instead of the best.

    Raises
    ------
    DivergedError
        If a loss becomes NaN or infinite.
    """
    checkpoint, shared = checkpoint or Checkpoint(), shared or SharedStages()
    trainer = Trainer(model, split, sampler, streams, budget, checkpoint, checkpoint.last(model.state_dict()))
    reached = trainer.saved["stage"] if trainer.saved is not None else ""

    def pretrain() -> None:
        torch.manual_seed(streams.seed("dropout", "graph"))
        trainer.run(graph_stage(trainer, optimizer))

    if model.bucketing.unsupervised and reached in ("", UNSUPERVISED):
        parts = nn.ModuleDict({"bucketing": model.bucketing})
        _once(trainer, shared.unsupervised, parts, UNSUPERVISED, lambda: fit_to_expression(trainer))
    if model.fused and budget.graph_epochs and reached != "joint":
        parts = nn.ModuleDict({"bucketing": model.bucketing, "gnn": model.gnn})
        _once(trainer, shared.graph, parts, "graph", pretrain)
    torch.manual_seed(streams.seed("dropout"))
    best_epoch = trainer.run(joint_stage(trainer, optimizer))
    return Trained(model, trainer.graph, trainer.curves, best_epoch)


def _once(trainer: Trainer, shared: Path | None, parts: nn.Module, name: str, run: Callable[[], Any]) -> None:
    """Run a stage that trains some parts, or take them over from an arm that shares the stage."""
    clock = trainer.checkpoint.clock
    resumed = trainer.saved is not None and trainer.saved["stage"] == name
    before = 0.0 if resumed else clock.elsewhere  # spent on earlier stages
    began = clock.here

    def stage() -> dict[str, Any]:
        started = clock.here
        run()
        # a checkpoint in this stage has its seconds elsewhere
        seconds = clock.elsewhere - before + clock.here - started
        return {"state": parts.state_dict(), "curves": trainer.curves, "seconds": seconds}

    outcome, taken_over = compute_once(shared, stage, parts.state_dict())
    if taken_over:
        parts.load_state_dict(outcome["state"])
        trainer.curves = outcome["curves"]
        clock.shared += outcome["seconds"]
        # whoever waits for a stage does not pay twice
        clock.elsewhere = before + outcome["seconds"] - (clock.here - began)


@torch.no_grad()
def encode(trained: Trained) -> Encoded:
    """Encode every gene with a trained model, over the graph of training positives."""
    return trained.model.eval().encode(trained.graph)


@torch.no_grad()
def predict(trained: Trained, pairs: Ints, encoded: Encoded | None = None) -> Scores:
    """Score pairs ``[pairs, 2]`` with a trained model: ``[pairs]`` logits; ``encoded`` genes are not encoded again."""
    genes = encode(trained) if encoded is None else encoded
    tensor = torch.from_numpy(np.ascontiguousarray(pairs)).to(trained.graph.device)
    return in_chunks(lambda chunk: trained.model.score(genes, chunk)[0], tensor)


def graph_stage(trainer: Trainer, optimizer: Any) -> Stage:
    """Return the pre-training of the graph: bucketing and graph branch learn from the graph's own score."""
    model, budget = trainer.model, trainer.budget
    fitter = optimizer.graph([*model.bucketing.parameters(), *model.gnn.parameters()])

    def score(graph: Any, pairs: Tensor) -> Tensor:
        return graph.expert_score(pairs)

    def loss(visible: Graph, pairs: Tensor, labels: Tensor) -> Tensor:
        with trainer.precision():
            logits = score(model.embed_graph(visible), pairs)
        return fitter.loss(logits.float(), labels)

    return Stage("graph", fitter, budget.graph_batch_size, model.embed_graph, score, lambda visible: visible, loss)


def joint_stage(trainer: Trainer, optimizer: Any) -> Stage:
    """Return joint training: every part learns from the loss of the pairs and from the contrast's."""
    model, budget = trainer.model, trainer.budget
    fitter = optimizer.joint(model.parameters())

    def read(visible: Graph) -> Reading:
        with trainer.precision():
            return model.read(visible)

    def loss(reading: Reading, pairs: Tensor, labels: Tensor) -> Tensor:
        with trainer.precision():
            views = model.views(reading, pairs)
        weight = model.contrast.bce_weight
        losses = [
            weight * fitter.loss(logits.float(), labels) + model.contrast(z.float(), labels) for logits, z in views
        ]
        return torch.stack(losses).mean()

    def score(genes: Encoded, pairs: Tensor) -> Tensor:
        return model.score(genes, pairs)[0]

    return Stage("joint", fitter, budget.batch_size, model.encode, score, read, loss, budget.read_graph_every)
