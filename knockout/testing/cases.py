"""Small networks, small settings and one way to construct each kind of level: what all suites share."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from components.core import registry
from components.core.budget import Budget
from components.core.dataset import Dataset, Ints, pair_keys
from components.core.errors import KnockoutError
from components.core.exam import Split
from components.core.settings import Settings, parse_value
from components.core.streams import Streams
from components.model import GRNModel, Parts
from study.train.fit import Trained, train

IN_WIDTH, PAIR_WIDTH, GRAPH_WIDTHS = 7, 8, (6, 5, 4)

# Only size is shrunk; a new level whose settings have these names is shrunk as well.
SMALL: dict[str, Any] = {
    "dim": 32,
    "layers": 1,
    "heads": 2,
    "width": 8,
    "widths": (6, 4),
    "expert_widths": (5, 3),
    "learning_rate": 1e-2,
}
BUDGET = Budget(
    epochs=3,
    patience=9,
    batch_size=32,
    graph_epochs=2,
    graph_patience=9,
    graph_batch_size=32,
    unsupervised_steps=3,
)
ARM = {
    "bucketing": "none",
    "gnn": "gcn",
    "pair_encoder": "transformer",
    "pair_features": "none",
    "fusion": "multiscale",
    "contrast": "off",
    "negatives": "same_tf",
    "optimizer": "adam",
}


def small(factor: str, level: str, **given: Any) -> Settings:
    """Return a level's settings, shrunk where only size matters and the level allows it."""
    cls: Any = registry.level(factor, level)
    shrunk = {}
    for name, value in SMALL.items():
        if name in cls.Settings.model_fields:
            with suppress(KnockoutError):
                parse_value(cls.Settings, name, value, owner=level)
                shrunk[name] = value
    return registry.parse(factor, level, shrunk | needed(factor, level) | given)


def needed(factor: str, level: str) -> dict[str, Any]:
    """Return the settings without which a level cannot be built: a file that only a user has."""
    return {"file": features_file()} if (factor, level) == ("bucketing", "features") else {}


@cache
def features_file() -> str:
    """Return a file of features of the genes of every small network here, by either of their names."""
    names = [f"{word}{k}" for word in ("G", "gene") for k in range(70)]
    names += [f"G{k:03}" for k in range(1, 70)] + [f"TF{k:02}" for k in range(1, 20)]  # as the simulator names them
    values = np.random.default_rng(0).normal(size=(len(names), 5))
    path = Path(tempfile.mkdtemp(prefix="knockout-test-")) / "features.parquet"
    pd.DataFrame(values, index=names, columns=[f"f{k}" for k in range(5)]).to_parquet(path)
    return str(path)


def bucketing_arguments(cls: Any, expression: np.ndarray, order: Any = None) -> tuple[Any, ...]:
    """Return what a bucketing is given beside its settings, for genes G0 to Gn, or those in another order."""
    names = tuple(f"G{k}" for k in (range(len(expression)) if order is None else order))
    named = (names, np.random.default_rng(0)) if getattr(cls, "named", False) else ()
    return (torch.from_numpy(expression), *named)


def construct(factor: str, level: str, settings: Settings, dataset: Dataset, split: Split) -> Any:
    """Construct a level of any factor the way the assembled model or the harness does."""
    cls: Any = registry.level(factor, level)
    arguments: dict[str, tuple[Any, ...]] = {
        "bucketing": bucketing_arguments(cls, dataset.expression),
        "gnn": (IN_WIDTH,),
        "pair_encoder": (IN_WIDTH,),
        "fusion": (PAIR_WIDTH, GRAPH_WIDTHS),
        "contrast": (PAIR_WIDTH,),
        "negatives": (split, dataset.expression),
        "optimizer": (),
        "split": (),
        "pair_features": (split.training, torch.from_numpy(dataset.expression), np.random.default_rng(0)),
        "scorer": scorer_arguments(cls, dataset, split) if factor == "scorer" else (),
    }
    return cls(settings, *arguments.get(factor, ()))


def scorer_arguments(
    cls: Any, dataset: Dataset, split: Split, rng: np.random.Generator | None = None
) -> tuple[Any, ...]:
    """Return what a scorer is given beside its settings: a rule no expression, whatever is fitted later nothing."""
    if cls.trains or hasattr(cls, "fit"):
        return ()
    inputs = () if cls.control else (dataset.expression, dataset.tfs)
    return (split, *inputs, rng or np.random.default_rng(0))


def make_dataset(seed: int = 0, *, genes: int = 40, tfs: int = 8, cells: int = 25, edges: int = 80) -> Dataset:
    """Return a random network in which some edges are listed both ways."""
    rng = np.random.default_rng(seed)
    regulators = np.sort(rng.choice(genes, tfs, replace=False))
    pairs = np.argwhere(np.ones((tfs, genes), dtype=bool))
    pairs[:, 0] = regulators[pairs[:, 0]]
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    listed = pairs[rng.choice(len(pairs), edges, replace=False)]
    mirrored = listed[np.isin(listed[:, 1], regulators)][:6, ::-1]
    listed = np.concatenate([listed, mirrored])
    _, first = np.unique(pair_keys(listed, genes), return_index=True)
    return dataset_of(listed[np.sort(first)], regulators, genes, rng.gamma(1.0, 1.0, (genes, cells)))


def dataset_of(edges: Ints, tfs: Ints, genes: int, expression: np.ndarray | None = None) -> Dataset:
    """Wrap a network as a data set."""
    values = np.zeros((genes, 2)) if expression is None else expression
    names = tuple(f"G{k}" for k in range(genes))
    return Dataset("tiny", names, values.astype(np.float32), tfs.astype(np.int64), edges.astype(np.int64))


def make_split(dataset: Dataset, level: str = "per_tf", *, seed: int = 0, **settings: Any) -> Split:
    """Set the exam of one data set."""
    splitter: Any = registry.level("split", level)(registry.parse("split", level, settings))
    return splitter.split(dataset, np.random.default_rng(seed))


def make_parts(**levels: str | tuple[str, dict[str, Any]]) -> Parts:
    """Return the small reference arm with some levels, and their settings, replaced."""
    chosen = {}
    for factor, choice in (ARM | levels).items():
        name, settings = (choice, {}) if isinstance(choice, str) else choice
        chosen[factor] = (name, small(factor, name, **settings))
    return Parts(chosen)


def make_model(dataset: Dataset, parts: Parts, repeat: int = 0, split: Split | None = None) -> GRNModel:
    """Assemble a small model."""
    training = None if split is None else split.training
    return GRNModel(
        parts, torch.from_numpy(dataset.expression), Streams(dataset.digest, repeat), dataset.genes, training
    )


def fit(dataset: Dataset, split: Split, parts: Parts | None = None, budget: Budget = BUDGET, **given: Any) -> Trained:
    """Train a small model; ``model``, ``sampler`` and ``optimizer`` may be given to be watched."""
    parts = parts or make_parts()
    model = given.get("model") or make_model(dataset, parts, split=split)
    sampler = given.get("sampler") or parts.build("negatives", split, dataset.expression)
    optimizer = given.get("optimizer") or parts.build("optimizer")
    return train(model, split, sampler, optimizer, Streams(dataset.digest, 0), budget)


def keys(pairs: Ints, n_genes: int) -> set[int]:
    """Return pairs as a set, to compare parts."""
    return set(pair_keys(np.asarray(pairs), n_genes).tolist())


def same_state(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    """Say whether two modules hold the same weights bit for bit."""
    left, right = a.state_dict(), b.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def assert_gradients_reach_all(module: torch.nn.Module, loss: torch.Tensor) -> None:
    """Check that every weight of a module is told how to change by a loss."""
    loss.backward()
    for name, weight in module.named_parameters():
        assert weight.grad is not None, f"{name} gets no gradient"
        assert torch.isfinite(weight.grad).all(), name
        assert weight.ndim < 2 or weight.grad.any(), f"{name} gets a gradient of zeros"
