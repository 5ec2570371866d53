"""Factor optimizer: fits the weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from components.core.registry import register
from components.core.settings import Settings as BaseSettings
from components.core.settings import setting
from components.learning.optimisers import eager


@dataclass(frozen=True)
class Fitter:
    """An optimiser with its schedule, and the loss of logits and labels, ``[pairs]`` each, that it is to lower.

    The optimiser is stepped once per batch, the schedule once per epoch or (``by_batch``) per batch.
    """

    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler
    loss: Callable[[Tensor, Tensor], Tensor] = F.binary_cross_entropy_with_logits
    by_batch: bool = False

    def step(self, loss: Tensor) -> None:
        """Take one gradient step on a scalar loss."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        if self.by_batch:
            self.scheduler.step()

    def end_epoch(self) -> None:
        """Step a schedule that counts epochs."""
        if not self.by_batch:
            self.scheduler.step()


@register("optimizer", "adam")
class Adam:
    """Fits all weights of the model with Adam and a step schedule.

    Source: scUniGP 4.2 (Adam, weight decay 1e-5, step scheduler gamma 0.999, step size 10) and appendix C (graph
    stage: learning rate 3e-3); a schedule by batch as in the code of GENELink and GATCL, a double sigmoid as in that of
    IGEGRNS, a squared loss as in that of GNNLink.
    """

    class Settings(BaseSettings):
        """Loss, learning rates and their schedule."""

        learning_rate: float = setting(
            5e-6, "learning rate of the joint stage", ge=1e-7, le=1.0, search=(1e-5, 1e-2), log=True
        )
        graph_learning_rate: float = setting(
            3e-3, "learning rate of the graph's pre-training", ge=1e-7, le=1.0, search=(1e-4, 1e-2), log=True
        )
        weight_decay: float = setting(1e-5, "L2 penalty", ge=0.0, le=1.0, search=(1e-7, 1e-2), log=True)
        gamma: float = setting(0.999, "factor on the learning rate at each step", ge=0.01, le=1.0)
        step_size: int = setting(10, "epochs (or batches) between two steps of the schedule", ge=1, le=10_000)
        step_by: Literal["epoch", "batch"] = setting("epoch", "what the schedule counts")
        loss: Literal["logits", "double_sigmoid", "squared"] = setting(
            "logits",
            "cross-entropy of the logits, or of their sigmoid, taken as logits once more; 'squared': root of the mean "
            "squared distance of the logits from 0 and 1",
        )

    joint_only = ("learning_rate",)  # graph pre-training does not read it: arms may share that stage
    same_cost = ("learning_rate", "graph_learning_rate", "weight_decay", "gamma", "step_size")  # a step takes as long

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def joint(self, parameters: Iterable[nn.Parameter]) -> Fitter:
        """Return the fitter of the joint stage."""
        return self._fitter(parameters, self.settings.learning_rate)

    def graph(self, parameters: Iterable[nn.Parameter]) -> Fitter:
        """Return the fitter of the graph's pre-training."""
        return self._fitter(parameters, self.settings.graph_learning_rate)

    def _fitter(self, parameters: Iterable[nn.Parameter], rate: float) -> Fitter:
        adam = eager(torch.optim.Adam)(parameters, lr=rate, weight_decay=self.settings.weight_decay, fused=True)
        schedule = torch.optim.lr_scheduler.StepLR(adam, self.settings.step_size, self.settings.gamma)
        return Fitter(adam, schedule, self.loss, by_batch=self.settings.step_by == "batch")

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of logits and labels, ``[pairs]`` each: a scalar. A loss of one's own overrides this."""
        if self.settings.loss == "squared":
            return F.mse_loss(logits, labels).sqrt()
        logits = logits.sigmoid() if self.settings.loss == "double_sigmoid" else logits
        return F.binary_cross_entropy_with_logits(logits, labels)
