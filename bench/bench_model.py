"""How fast arms train: epochs of published shapes, number formats, and several repeats as one model."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cases import STEPS, alternate, data, get_ready
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional as F

from components.core.budget import Budget
from components.model import training_graph
from study.train.fit import train

REPEATS = 4  # trained at once


@pytest.mark.parametrize("name", ["scgreat-small", "genelink-small"])
def bench_epoch(once, tell, tmp_path: Path, name: str):
    """Three epochs of a published system's shape, each with its draw and its validation."""
    ready = get_ready(tmp_path, name)
    epochs = 3
    given = {**ready.budget.model_dump(), "epochs": epochs, "patience": epochs, "graph_epochs": 0}
    pairs = len(ready.split.train) + len(ready.sampler.draw(np.random.default_rng(0)))

    def measure() -> float:
        started = time.perf_counter()
        train(ready.model, ready.split, ready.sampler, ready.optimizer, ready.streams, Budget(**given))
        return (time.perf_counter() - started) / epochs

    seconds = once(measure)
    label = f"one epoch of {name} ({pairs:,} pairs, validation included), {data()[1]}"
    tell(label, f"{pairs / seconds:,.0f} pairs/s")


def bench_bf16(once, tell, tmp_path: Path):
    """A training step of scunigp-small with forward and backward pass in bf16, against fp32."""
    ready = get_ready(tmp_path, "scunigp-small")
    graph = training_graph(torch.from_numpy(ready.split.train))
    pairs, labels = _batch(ready, 512, 0)
    fitter = ready.optimizer.joint(ready.model.parameters())
    ready.model.train()

    def step(*, bf16: bool) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits, _ = ready.model.score(ready.model.encode(graph), pairs)
        fitter.step(F.binary_cross_entropy_with_logits(logits.float(), labels))

    fp32, bf16 = once(lambda: alternate(lambda: step(bf16=False), lambda: step(bf16=True)))
    tell("bf16 against fp32, time of a step of scunigp-small, batch 512", f"x {bf16 / fp32:.2f}")


@pytest.mark.parametrize("size", [512, 32])
@pytest.mark.parametrize("encoder", ["transformer", "mlp"])
def bench_repeats_at_once(once, tell, tmp_path: Path, encoder: str, size: int):
    """Four repeats of scunigp-small without its graph as one batched model, against one after the other."""
    level = {"transformer": {"dropout": 0.0}, "mlp": {"dropout": 0.0}}
    changes = {"gnn": "none", "pair_encoder": {encoder: level[encoder]}}
    ready = [get_ready(tmp_path, "scunigp-small", repeat, **changes) for repeat in range(REPEATS)]
    models = [_PairArm(r.model).train() for r in ready]
    for model in models:
        _without_dropout(model)
    batches = [_batch(r, size, i) for i, r in enumerate(ready)]
    together = _Together([copy.deepcopy(m) for m in models], batches)
    singles = [_single(model, batch) for model, batch in zip(models, batches, strict=True)]

    def measure() -> tuple[float, float, float]:
        apart = max(
            float((together() - torch.stack([single() for single in singles])).abs().max()) for _ in range(STEPS)
        )
        return *alternate(lambda: [single() for single in singles], together), apart

    one_by_one, at_once, apart = once(measure)
    label = f"{REPEATS} repeats as one batched model against one by one: {encoder} on pairs, no graph, batch {size}"
    tell(label, f"x {at_once / one_by_one:.2f}")
    tell(f"  largest difference of a loss in {STEPS} steps, no dropout", f"{apart:.1e}")


class _PairArm(nn.Module):
    """A model without a graph, from pairs to logits."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, pairs: Tensor) -> Tensor:
        return self.model.score(self.model.encode(pairs), pairs)[0]


class _Together:
    """Several repeats of one arm as one model: each step takes all of them one step."""

    def __init__(self, models: list[_PairArm], batches: list[tuple[Tensor, Tensor]]) -> None:
        self.weights, self.buffers = stack_module_state(models)
        self.adam = torch.optim.Adam(list(self.weights.values()), lr=3e-4, weight_decay=1e-5)
        self.pairs, self.labels = (torch.stack(part) for part in zip(*batches, strict=True))
        self.base = copy.deepcopy(models[0]).to("meta")

    def __call__(self) -> Tensor:
        def forward(weights: dict[str, Tensor], buffers: dict[str, Tensor], pairs: Tensor) -> Tensor:
            return functional_call(self.base, (weights, buffers), (pairs,))

        logits = vmap(forward, randomness="different")(self.weights, self.buffers, self.pairs)
        losses = F.binary_cross_entropy_with_logits(logits, self.labels, reduction="none").mean(dim=1)
        self.adam.zero_grad(set_to_none=True)
        losses.sum().backward()
        self.adam.step()
        return losses.detach()


def _single(model: _PairArm, batch: tuple[Tensor, Tensor]) -> Callable[[], Tensor]:
    adam = torch.optim.Adam(model.parameters(), lr=3e-4, weight_decay=1e-5)

    def step() -> Tensor:
        loss = F.binary_cross_entropy_with_logits(model(batch[0]), batch[1])
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
        return loss.detach()

    return step


def _without_dropout(model: nn.Module) -> None:
    for part in model.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
        if isinstance(part, nn.MultiheadAttention):
            part.dropout = 0.0


def _batch(ready: Any, size: int, seed: int) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    positives, negatives = ready.split.train, ready.sampler.draw(rng)
    half = size // 2
    pairs = np.concatenate([rng.permutation(positives)[:half], rng.permutation(negatives)[:half]])
    labels = torch.cat([torch.ones(half), torch.zeros(half)])
    return torch.from_numpy(np.ascontiguousarray(pairs)), labels
