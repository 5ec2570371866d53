"""The stage that reads no label: a bucketing is fitted to expression alone, and its features are frozen.

Source: public code of GMFGRN and HGATLink.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from components.core.streams import seeded
from components.learning.loop import DivergedError
from components.learning.optimisers import eager
from study.train.checkpoint import STATE
from study.train.stages.trainer import Trainer

NAME = "unsupervised"  # of the stage, in checkpoints and curves
EVERY = 100  # steps over which the loss is averaged, before features are kept


def fit_to_expression(trainer: Trainer) -> None:
    """Fit the bucketing of a model to its expression, and leave it with the features of the lowest mean loss."""
    bucketing = trainer.model.bucketing
    with seeded(trainer.streams.seed("init", NAME)):
        fitted = bucketing.unfitted().to(trainer.device)
    adam = eager(torch.optim.Adam)(fitted.parameters(), lr=bucketing.settings.learning_rate)
    step, best = _resume(trainer, fitted, adam)
    steps, losses = trainer.budget.unsupervised_steps, []
    while step < steps:
        step += 1
        loss = fitted()
        adam.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(fitted.parameters(), bucketing.settings.clip)
        adam.step()
        losses.append(loss.detach())
        if step % EVERY and step < steps:
            continue
        mean = torch.stack(losses).double().mean().item()
        if not math.isfinite(mean):
            raise DivergedError(f"the {NAME} loss became {mean}")
        losses = []
        trainer.curves.setdefault(f"{NAME}_loss", []).append(mean)
        if mean < best:
            best = mean
            bucketing.keep(fitted)
        if trainer.checkpoint.due:
            trainer.checkpoint.save(_state(trainer, fitted, adam, step, best))


def _resume(trainer: Trainer, fitted: nn.Module, adam: torch.optim.Adam) -> tuple[int, float]:
    """Return step and lowest mean loss, those of a checkpoint where there is one."""
    saved, trainer.saved = trainer.saved, None
    if saved is None:
        return 0, math.inf
    trainer.model.load_state_dict(saved["model"])
    fitted.load_state_dict(saved["fitted"])
    adam.load_state_dict(saved["optimizer"])
    trainer.curves = saved["curves"]
    return saved["epoch"], saved["best"]


def _state(trainer: Trainer, fitted: nn.Module, adam: torch.optim.Adam, step: int, best: float) -> dict[str, Any]:
    weights = trainer.model.state_dict()
    return {
        **dict.fromkeys(STATE),
        "stage": NAME,
        "epoch": step,
        "best": best,
        "curves": trainer.curves,
        "model": weights,
        "best_state": weights,
        "optimizer": adam.state_dict(),
        "fitted": fitted.state_dict(),
    }
