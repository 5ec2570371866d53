"""What every training has, whoever wrote the model: epochs until patience ends, best weights, curves, passes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from components.core.budget import Budget
from components.core.dataset import Ints
from components.core.metrics import METRICS, Scores

Curves: TypeAlias = dict[str, list[float]]  # one value per epoch of each loss and metric, by name

CHUNK = 8192  # pairs scored at once; larger gains nothing on a CPU and costs memory


class DivergedError(Exception):
    """The loss of a cell became NaN or infinite."""


class Stateful(Protocol):
    """What a checkpoint keeps beside weights: an optimiser, a schedule, a moving average."""

    def state_dict(self) -> Any:
        """Return its state: tensors and plain values."""

    def load_state_dict(self, state: Any, /) -> Any:
        """Take a state over."""


class Keeper(Protocol):
    """Keeps the state of a training for whoever goes on after a kill."""

    @property
    def due(self) -> bool:
        """Whether the state should be saved now."""

    def save(self, state: Mapping[str, Any]) -> None:
        """Save a state."""

    def last(self) -> dict[str, Any] | None:
        """Return the state that was saved last, if any."""


class Progress:
    """One stage of training as it goes: epochs so far, the best of them with its weights, curves.

    Parameters
    ----------
    stage
        ``graph``, the pre-training, or ``joint``; in curves and messages, too.
    module
        What is trained.
    parts
        What goes on with it after a kill: optimiser, schedule.
    budget
        How long it may train, and which epoch it keeps: the pre-training always the best.
    curves
        Where its losses and validation scores are entered.
    """

    def __init__(
        self, stage: str, module: nn.Module, parts: Sequence[Stateful], budget: Budget, curves: Curves
    ) -> None:
        self.stage, self.module, self.parts, self.budget, self.curves = stage, module, tuple(parts), budget, curves
        self.device = device_of(module)
        self.epoch = self.best_epoch = 0
        self.best = -math.inf
        self.best_state = _snapshot(module)

    @property
    def goes_on(self) -> bool:
        """Whether another epoch is to be trained."""
        epochs, patience = self.budget.epochs, self.budget.patience
        if self.stage == "graph":
            epochs, patience = self.budget.graph_epochs, self.budget.graph_patience
        return self.epoch < epochs and self.epoch - self.best_epoch < patience

    def validate(self, loss: float, scores: Scores, labels: Ints, pairs: Ints) -> None:
        """Enter the mean loss of an epoch and its scores of validation pairs ``[pairs]``; remember the best weights.

        Raises
        ------
        DivergedError
            If either is NaN or infinite.
        """
        if not math.isfinite(loss):
            raise DivergedError(f"the {self.stage} loss became {loss}")
        if not np.isfinite(scores).all():
            raise DivergedError(f"the {self.stage} scores became NaN or infinite")
        metric = self.budget.choose_by
        value = METRICS[metric](scores, labels, pairs)
        for name, number in {"loss": loss, f"validation_{metric}": value}.items():
            self.curves.setdefault(f"{self.stage}_{name}", []).append(number)
        if value > self.best:
            self.best, self.best_epoch, self.best_state = value, self.epoch, _snapshot(self.module)

    def keep(self) -> int:
        """Leave the module at the epoch that the stage keeps, and return that epoch (from 1)."""
        if self.budget.keep == "last" and self.stage != "graph":
            return self.epoch
        self.module.load_state_dict(self.best_state)
        return self.best_epoch

    def state(self) -> dict[str, Any]:
        """Return all that a checkpoint needs of it: tensors and plain values."""
        return {
            "stage": self.stage,
            "epoch": self.epoch,
            "model": self.module.state_dict(),
            "parts": [part.state_dict() for part in self.parts],
            "curves": self.curves,
            "random": random_state(self.device),
            "best": self.best,
            "best_epoch": self.best_epoch,
            "best_state": self.best_state,
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on where a checkpoint of the same stage stands."""
        self.module.load_state_dict(state["model"])
        for part, saved in zip(self.parts, state["parts"], strict=True):
            part.load_state_dict(saved)
        self.curves.clear()
        self.curves.update(state["curves"])
        self.epoch, self.best, self.best_epoch = state["epoch"], state["best"], state["best_epoch"]
        self.best_state = state["best_state"]
        set_random_state(self.device, state["random"])


class Passes:
    """Passes over training positives and negatives, in random order; an epoch may be a part of a pass.

    Parameters
    ----------
    positives
        ``[positives, 2]``, on the device.
    draw
        Draws the negatives ``[n, 2]`` of a pass, counted from 0.
    order
        Stream of the order of pairs.
    fresh
        Whether each pass draws its own negatives.
    """

    def __init__(
        self, positives: Tensor, draw: Callable[[int], Tensor], order: torch.Generator, *, fresh: bool = True
    ) -> None:
        self.positives, self.order, self.fresh = positives, order, fresh
        self._draw = draw
        self.begun = 0
        self.candidates = positives  # then negatives
        self.rows = torch.empty(0, dtype=torch.int64, device=positives.device)  # of candidates: the rest of this pass

    def batches(self, size: int, most: int = 0) -> list[Tensor]:
        """Return rows of ``candidates``, a batch each: those of a whole pass, or the next ``most`` batches of one."""
        if not len(self.rows):
            self._begin()
        batches = list(self.rows.split(size))
        if len(batches) > 1 and len(batches[-1]) < 2:  # batch normalisation needs two rows
            batches[-2:] = [torch.cat(batches[-2:])]
        batches = batches[: most or None]
        self.rows = self.rows[sum(map(len, batches)) :]
        return batches

    def labels(self, rows: Tensor) -> Tensor:
        """Return the labels ``[rows]`` of rows of ``candidates``, as floating point numbers."""
        return (rows < len(self.positives)).to(torch.get_default_dtype())

    def state(self) -> dict[str, Any]:
        """Return all that a checkpoint needs of them."""
        negatives = self.candidates[len(self.positives) :]
        return {"negatives": negatives, "rows": self.rows, "batches": self.order.get_state(), "passes": self.begun}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on where a checkpoint stands."""
        self._join(state["negatives"].to(self.positives.device))
        self.rows = state["rows"].to(self.positives.device)
        self.order.set_state(state["batches"])
        self.begun = state["passes"]

    def _begin(self) -> None:
        if self.fresh or not self.begun:
            self._join(self._draw(self.begun))
        self.begun += 1
        self.rows = torch.randperm(len(self.candidates), generator=self.order, device=self.positives.device)

    def _join(self, negatives: Tensor) -> None:
        self.candidates = torch.cat([self.positives, negatives])


def in_chunks(score: Callable[[Tensor], Tensor], pairs: Tensor) -> Scores:
    """Return the scores ``[pairs]`` of ``[pairs, 2]``, a chunk at a time."""
    return torch.cat([score(chunk) for chunk in pairs.split(CHUNK)]).double().cpu().numpy()


@torch.no_grad()
def predict(module: nn.Module, pairs: Ints) -> Scores:
    """Return the logits ``[pairs]`` that a module gives pairs ``[pairs, 2]``, a chunk at a time, as in evaluation."""
    return in_chunks(module.eval(), on_device(pairs, device_of(module)))


def on_device(values: np.ndarray[Any, Any], device: str | torch.device) -> Tensor:
    """Return a copy of an array on a device: torch would write into an array that is read-only."""
    return torch.from_numpy(np.array(values)).to(device)


def same_shapes(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Return whether two sets of weights have the same names and shapes."""
    return {name: w.shape for name, w in one.items()} == {name: w.shape for name, w in other.items()}


def device_of(module: nn.Module) -> torch.device:
    """Return where a module's weights lie; the CPU where it has none."""
    tensors = (*module.parameters(), *module.buffers())
    return tensors[0].device if tensors else torch.device("cpu")


def random_state(device: torch.device) -> dict[str, Tensor]:
    """Return the state of torch's own random streams, which dropout draws from."""
    states = {"cpu": torch.get_rng_state()}
    return states if device.type == "cpu" else states | {"cuda": torch.cuda.get_rng_state(device)}


def set_random_state(device: torch.device, states: Mapping[str, Tensor]) -> None:
    """Put torch's own random streams back to a state."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)


def precision_of(budget: Budget, device: torch.device) -> torch.autocast:
    """Return the number format of a forward pass in training."""
    # pairs are scored in full precision: bf16 has so few digits that they would tie
    return torch.autocast(device.type, torch.bfloat16, enabled=budget.precision == "bf16")


def _snapshot(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}
