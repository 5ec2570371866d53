"""The shape of an arm: what of it decides how long its cells take, and how far two shapes are apart."""

from __future__ import annotations

import math
from collections.abc import Mapping
from threading import RLock
from typing import Any, TypeAlias

from cachetools import LRUCache, cached

from components.core import registry
from components.core.budget import Budget
from search_spaces.arm import Arm, canonical_json
from study.spec.cell import Cell

Shape: TypeAlias = frozenset[tuple[str, Any]]  # (factor.setting, value), with a level as a setting of its own
Kind: TypeAlias = tuple[Shape, Shape, Budget, str]

PACED_BY = ("batch_size", "graph_batch_size", "precision")
LEVEL = "level"
OTHER_LEVEL = 3.0  # how far another level is away, in settings that differ


@cached(LRUCache(8192), key=lambda arm, budget: (arm.digest, budget), lock=RLock())
def shape_of(arm: Arm, budget: Budget) -> Shape:
    """Return what decides the seconds of a batch: parts of the model, and of the budget.

    A setting that a level names in ``same_cost`` is left out. So are, of an assembled model, what it is shown and how
    its negatives are drawn: they do not change what a batch computes.
    """
    left_out = ("negatives", "scorer") if arm.trains else ("negatives",) if arm.learns else ()
    settings = {f"training.{name}": getattr(budget, name) for name in PACED_BY if arm.budgeted}
    for factor, choice in arm.canonical.items():
        if factor not in left_out:
            settings |= _settings(factor, choice)
    return frozenset(settings.items())


def draw_of(arm: Arm) -> Shape:
    """Return what decides how many negatives an arm draws; nothing where it draws none."""
    choice = arm.canonical.get("negatives")
    return frozenset(_settings("negatives", choice).items()) if choice else frozenset()


def like(cell: Cell) -> Kind:
    """Return what cells share that take as long: shape, draws, budget and data set."""
    return shape_of(cell.arm, cell.budget), draw_of(cell.arm), cell.budget, cell.labels.dataset


def distance(one: Shape, other: Shape) -> float:
    """Return how far two shapes are apart: 0 for the same, about 1 for a setting, and more for a level."""
    here, there = dict(one), dict(other)
    return sum(_apart(name, here.get(name), there.get(name)) for name in {name for name, _ in one ^ other})


def _apart(name: str, one: Any, other: Any) -> float:
    if name.endswith(f".{LEVEL}"):
        return OTHER_LEVEL
    numbers = all(isinstance(value, int | float) and value > 0 for value in (one, other))
    return min(abs(math.log(one / other)), 1.0) if numbers else 1.0


def _settings(factor: str, choice: Mapping[str, Any]) -> dict[str, Any]:
    free = getattr(registry.level(factor, choice["level"]), "same_cost", ())
    values = {name: value for name, value in choice["settings"].items() if name not in free}
    plain = {name: v if isinstance(v, int | float | str) else canonical_json(v) for name, v in values.items()}
    return {f"{factor}.{LEVEL}": choice["level"], **{f"{factor}.{name}": value for name, value in plain.items()}}
