"""One parameter of a search with its Optuna distribution; no other file of search_spaces imports Optuna."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)
from optuna.trial import BaseTrial

from components.core import registry
from components.core.errors import KnockoutError, UnknownNameError
from components.core.settings import Search, parse_value, search_range

Distribution = CategoricalDistribution | IntDistribution | FloatDistribution


@dataclass(frozen=True)
class Parameter:
    """The level of a factor (``gnn``), or a setting of one level (``gnn.gat.heads``)."""

    name: str  # name in Optuna and in tables
    distribution: Distribution  # Optuna distribution of its values
    factor: str  # its factor
    # level and setting; both are empty if the parameter is the level itself
    level: str = ""
    setting: str = ""
    lists: bool = False  # whether values are lists, which are JSON text for Optuna

    @property
    def range(self) -> str:
        """Choices or range for tables: ``gat | none``, ``1 .. 8``, ``0.0001 .. 0.01 (log)``."""
        drawn = self.distribution
        if isinstance(drawn, CategoricalDistribution):
            return " | ".join(map(str, drawn.choices))
        return f"{drawn.low:g} .. {drawn.high:g}" + (" (log)" if drawn.log else "")

    @property
    def plain(self) -> Any:
        """The distribution as plain JSON values."""
        return json.loads(distribution_to_json(self.distribution))

    def suggest(self, trial: BaseTrial) -> Any:
        """Draw a value for a trial."""
        drawn = self.distribution
        if isinstance(drawn, CategoricalDistribution):
            return trial.suggest_categorical(self.name, drawn.choices)
        if isinstance(drawn, IntDistribution):
            return trial.suggest_int(self.name, drawn.low, drawn.high, log=drawn.log)
        return trial.suggest_float(self.name, drawn.low, drawn.high, log=drawn.log)

    def holds(self, value: Any) -> bool:
        """Return whether a search could draw this value."""
        drawn = self.distribution
        if isinstance(drawn, CategoricalDistribution):
            return value in drawn.choices
        numbers = int if isinstance(drawn, IntDistribution) else (int, float)
        return isinstance(value, numbers) and not isinstance(value, bool) and drawn.low <= value <= drawn.high

    def encode(self, value: Any) -> Any:
        """Return the value of a setting as Optuna stores it."""
        return json.dumps(value) if self.lists else value

    def decode(self, value: Any) -> Any:
        """Return the value of a setting that Optuna stores as this."""
        return json.loads(value) if self.lists else value

    @property
    def listed(self) -> bool:
        """Whether its values are choices, and no range."""
        return isinstance(self.distribution, CategoricalDistribution)

    @property
    def values(self) -> Sequence[Any]:
        """Every value of a whole number or of choices."""
        drawn = self.distribution
        if isinstance(drawn, CategoricalDistribution):
            return drawn.choices
        assert isinstance(drawn, IntDistribution)
        return range(drawn.low, drawn.high + 1)

    def points(self, count: int) -> list[Any]:
        """Return the values of a grid: every choice, or up to ``count`` numbers, evenly spread and with both ends."""
        drawn = self.distribution
        if isinstance(drawn, CategoricalDistribution):
            return list(drawn.choices)
        whole = isinstance(drawn, IntDistribution)
        if whole and drawn.high - drawn.low < count:
            return list(range(int(drawn.low), int(drawn.high) + 1))
        low, high = (math.log(drawn.low), math.log(drawn.high)) if drawn.log else (drawn.low, drawn.high)
        between = [low + (high - low) * step / (count - 1) for step in range(1, count - 1)]
        values = [math.exp(value) if drawn.log else value for value in between]
        inner = [round(value) if whole else float(f"{value:.12g}") for value in values]  # 0.001, not 0.0010000000000002
        return list(dict.fromkeys([drawn.low, *inner, drawn.high]))


@dataclass(frozen=True)
class Tie:
    """Two settings of a level of which one must divide the other, as ``heads`` must divide ``dim``."""

    moved: Parameter  # the one that gives way: the multiple, if it varies, else the divisor
    stays: str  # name of the other setting
    values: Sequence[int]  # its values: one, if it is fixed
    multiple: bool  # whether ``moved`` is the multiple

    def nearest(self, value: int, other: int) -> tuple[int, int]:
        """Return the closest values that fit, of ``moved`` and the other: the other stays, if anything fits it."""
        stays = other if self.fitting(other) else _closest(other, [v for v in self.values if self.fitting(v)])
        return _closest(value, self.fitting(stays)), stays

    def fitting(self, other: int) -> list[int]:
        """Return the values of ``moved`` that fit a value of the other setting."""
        return [v for v in self.moved.values if (v % other if self.multiple else other % v) == 0]


def _closest(value: int, values: Sequence[int]) -> int:
    return min(values, key=lambda v: (abs(v - value), v))


def varied_levels(factor: str, levels: list[str]) -> Parameter:
    """Return the parameter that chooses among levels of a factor."""
    return Parameter(factor, CategoricalDistribution(levels), factor)


def parse_parameter(factor: str, level: str, setting: str, raw: Any, *, where: str) -> Parameter:
    """Return the parameter for a setting as a user wrote it: ``[low, high]``, a list of choices, or one value.

    Raises
    ------
    KnockoutError
        If a value is of the wrong type or out of the setting's bounds, or the range is empty.
    """
    cls: Any = registry.level(factor, level)
    name = f"{factor}.{level}"
    if setting not in cls.Settings.model_fields and cls.Settings.is_open():
        return _undeclared(factor, level, setting, raw, where)
    if setting not in cls.Settings.model_fields:
        raise UnknownNameError.of(f"setting of {name}", setting, cls.Settings.model_fields, where=where)
    search = search_range(cls.Settings, setting)
    lists = isinstance(cls.Settings.model_fields[setting].default, tuple)
    several = isinstance(raw, list) and (not lists or any(isinstance(value, list | tuple) for value in raw))
    values = [
        parse_value(cls.Settings, setting, value, owner=name, where=f"{where}[{i}]" if several else where)
        for i, value in enumerate(raw if several else [raw])
    ]
    if not values:
        raise KnockoutError(f"{name}.{setting}: no value is listed.", where=where)
    name = f"{name}.{setting}"
    if search.number and len(values) == 2:
        return Parameter(name, _numbers(name, search, values[0], values[1], where), factor, level, setting)
    choices = [json.dumps(value) if lists else value for value in dict.fromkeys(values)]
    return Parameter(name, CategoricalDistribution(choices), factor, level, setting, lists)


def _undeclared(factor: str, level: str, setting: str, raw: Any, where: str) -> Parameter:
    """Return the parameter of a program's own setting: ``[1, 8]``, ``[1e-4, 1e-2, log]``, a list of choices, or one."""
    name = f"{factor}.{level}.{setting}"
    values = list(raw) if isinstance(raw, list | tuple) else [raw]
    log = len(values) == 3 and values[-1] == "log"
    bounds = values[:2] if log else values
    if len(bounds) == 2 and all(isinstance(value, int | float) and not isinstance(value, bool) for value in bounds):
        kind = int if all(isinstance(value, int) for value in bounds) else float
        drawn = _numbers(name, Search(kind, (), log), kind(bounds[0]), kind(bounds[1]), where)
        return Parameter(name, drawn, factor, level, setting)
    if not values or any(not isinstance(value, str | int | float | bool) for value in values):
        message = f"{name}: a range is [low, high] or [low, high, log]; or list the choices; got {raw!r}."
        raise KnockoutError(message, where=where)
    return Parameter(name, CategoricalDistribution(list(dict.fromkeys(values))), factor, level, setting)


def _numbers(name: str, search: Search, low: Any, high: Any, where: str) -> IntDistribution | FloatDistribution:
    if low > high:
        raise KnockoutError(f"{name}: a range is [low, high], got [{low}, {high}].", where=where)
    if search.log and low <= 0:
        raise KnockoutError(f"{name}: a logarithmic range starts above 0, got [{low}, {high}].", where=where)
    kind = IntDistribution if search.number is int else FloatDistribution
    return kind(low, high, log=search.log)
