"""Trains one stage of an assembled model, epoch by epoch, on labelled pairs; validation picks the epoch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from components.core.budget import Budget
from components.core.exam import Split
from components.core.metrics import Scores
from components.core.streams import Streams
from components.learning.loop import Curves, Passes, Progress, in_chunks, on_device, precision_of
from components.model import GRNModel
from components.passing.graph import Graph
from study.train.checkpoint import Checkpoint


@dataclass(frozen=True)
class Stage:
    """One stage of training: the pre-training of the graph, or joint training."""

    name: str
    fitter: Any
    batch_size: int
    encode: Callable[[Graph], Any]  # the visible graph -> an encoding of every gene
    score: Callable[[Any, Tensor], Tensor]  # (the encoded genes, pairs) -> logits
    read: Callable[[Graph], Any]  # the visible graph -> what batches share: a reading of it, or the graph itself
    loss: Callable[[Any, Tensor, Tensor], Tensor]  # (what they share, pairs, labels) -> the loss of a batch
    read_every: int = 1  # batches that share a reading


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
        self.positives = on_device(split.train, self.device)
        self.graph = model.graph_of(self.positives)
        model.read_training(self.positives)
        self.validation = on_device(split.validation, self.device)
        self.streams = streams
        self.curves: Curves = {}
        self.checkpoint, self.saved = checkpoint, saved

    def run(self, stage: Stage) -> int:
        """Train one stage, leave the model at the epoch that the stage keeps, and return that epoch (1-based)."""
        parts = (stage.fitter.optimizer, stage.fitter.scheduler)
        at = Progress(stage.name, self.model, parts, self.budget, self.curves)
        passes, draws = self.begin(stage.name)
        saved, self.saved = self.saved, None
        if saved is not None and saved["stage"] == stage.name:
            at.resume(saved)
            passes.resume(saved)
            draws.bit_generator.state = json.loads(saved["draws"])
        while at.goes_on:
            at.epoch += 1
            loss = self.train(stage, passes)
            stage.fitter.end_epoch()
            at.validate(loss, self.scores(stage), self.split.validation_labels, self.split.validation)
            if self.checkpoint.due:
                drawn = json.dumps(draws.bit_generator.state)
                self.checkpoint.save({**at.state(), **passes.state(), "draws": drawn})
        return at.keep()

    def begin(self, stage: str) -> tuple[Passes, np.random.Generator]:
        """Return the passes of a stage at their beginning, and the stream that their negatives are drawn from."""
        # each stage starts its own streams: how long the graph was trained must not change what the joint stage draws
        draws = self.streams.numpy("negatives", stage)
        order = self.streams.torch("batches", stage, self.device)
        return Passes(self.positives, lambda _: self.draw(draws), order, fresh=self.sampler.fresh), draws

    def train(self, stage: Stage, passes: Passes) -> float:
        """Train the batches of an epoch, and return their mean loss."""
        self.model.train()
        batches = passes.batches(stage.batch_size, self.budget.validate_every)
        # summed where the losses are: to look at each would make a GPU wait for Python after every batch
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        for first in range(0, len(batches), stage.read_every):
            sharing = batches[first : first + stage.read_every]
            for rows, loss in zip(sharing, self.losses(stage, passes, sharing), strict=True):
                stage.fitter.step(loss)
                total += loss.detach().double() * len(rows)
        return total.item() / sum(map(len, batches))

    def losses(self, stage: Stage, passes: Passes, sharing: Sequence[Tensor]) -> Iterator[Tensor]:
        """Yield the loss of each batch of those that share a reading of the graph, given by rows of the candidates.

        A step is taken after each. The gradient of the last one has in it what the others owe to the reading.
        """
        reading = stage.read(self._visible(torch.cat(tuple(sharing)), len(passes.candidates)))
        cut = reading.cut() if len(sharing) > 1 else reading
        for rows in sharing[:-1]:
            yield stage.loss(cut, passes.candidates[rows], passes.labels(rows))
        last = stage.loss(reading, passes.candidates[sharing[-1]], passes.labels(sharing[-1]))
        yield last + reading.owed(cut) if len(sharing) > 1 else last

    def precision(self) -> torch.autocast:
        """Return the number format of a forward pass in training."""
        return precision_of(self.budget, self.device)

    def _visible(self, rows: Tensor, n: int) -> Graph:
        if not self.model.hides_batch:
            return self.graph
        hidden = torch.zeros(n, dtype=torch.bool, device=self.device)
        hidden[rows] = True
        return self.graph.hiding(hidden[: len(self.positives)])

    @torch.no_grad()
    def scores(self, stage: Stage) -> Scores:
        """Return the scores of validation pairs."""
        self.model.eval()
        encoded = stage.encode(self.graph)
        return in_chunks(lambda pairs: stage.score(encoded, pairs), self.validation)

    def draw(self, rng: np.random.Generator) -> Tensor:
        """Return the negatives ``[n, 2]`` of a pass, on the device."""
        negatives = self.sampler.draw(rng)
        self.split.training.check_drawn(negatives)
        return on_device(negatives, self.device)
