"""An arm: one level per factor with settings, and a digest of its canonical form.

The canonical form leaves out factors that cannot act beside the chosen levels (``gnn=none`` leaves ``fusion`` nothing
to fuse), so that two ways to write one model are one arm, trained once and counted once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from components.core import registry
from components.core.budget import Budget
from components.core.errors import KnockoutError, as_written, complaint
from components.core.settings import Settings, parse_value

INACTIVE = "-"  # in tables, in place of the level of a factor that cannot act


@dataclass(frozen=True)
class Choice:
    """A level of one factor with its validated settings."""

    factor: str
    level: str
    settings: Settings

    @property
    def levels(self) -> tuple[str, ...]:
        """The level, and the one that it is built with, if any."""
        part = self.settings.part()
        return (self.level,) if part is None else (self.level, part[0])

    @property
    def title(self) -> str:
        """The level in tables, after the one that it is built with: ``none + features``."""
        return " + ".join(reversed(self.levels))

    @property
    def cls(self) -> Any:
        """The class of the level."""
        return registry.level(self.factor, self.level)

    def has(self, setting: str) -> bool:
        """Return whether the level declares a setting, or was given it as one of a program's own."""
        return setting in type(self.settings).model_fields or setting in (self.settings.model_extra or {})

    def having(self, changes: Mapping[str, Any], where: str = "") -> Choice:
        """Return the same level with some settings replaced, and the others as they were given.

        Raises
        ------
        KnockoutError
            If the level has no such setting, or the settings are not valid together.
        """
        explicit = {name: getattr(self.settings, name) for name in self.settings.model_fields_set}
        return Choice(
            self.factor, self.level, registry.parse(self.factor, self.level, explicit | dict(changes), where=where)
        )

    def build(self, *args: Any) -> Any:
        """Construct the level with its settings, and with what a level of its factor is given beside them."""
        return self.cls(self.settings, *args)

    @property
    def canonical(self) -> dict[str, Any]:
        """Level and all settings, defaults included, as plain JSON values."""
        return {"level": self.level, "settings": self.settings.identity()}

    def label(self, beside: Choice) -> str:
        """Return the level's name, with the settings that differ from what the name alone implies beside a choice."""
        changed = ", ".join(f"{key}={_short(value)}" for key, value in self.changes(beside).items())
        return f"{self.level}({changed})" if changed else self.level

    def changes(self, beside: Choice) -> dict[str, Any]:
        """Return the settings that differ from what the level's name alone implies beside a choice."""
        implied = beside.settings
        if beside.level != self.level:
            implied = registry.parse(self.factor, self.level, _inherited(self.factor, self.level, beside, {}))
        before = implied.model_dump()
        return {key: value for key, value in self.settings.model_dump().items() if before.get(key) != value}


@dataclass(frozen=True)
class Arm:
    """A full model, control or baseline."""

    name: str  # short name in tables: the reference's own name, or what differs from it
    choices: Mapping[str, Choice]  # factor to choice, for every factor that an arm may vary
    role: str = "arm"  # ``reference``, ``arm``, ``control`` or ``baseline``
    # training budget of its own, as a published system has one; None for that of the study
    budget: Budget | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return a copy: one thread may pickle an arm while another fills its cached properties."""
        return self.__dict__.copy()

    @cached_property
    def silenced(self) -> frozenset[str]:
        """Factors that cannot act in this arm."""
        silent: set[str] = set()
        for name in arm_factors():  # in the order of the model: a part that is silent itself silences nothing
            if name in self.choices and name not in silent:
                silent |= registry.silenced_by(name, self.choices[name].level)
        return frozenset(silent)

    @cached_property
    def _made_of(self) -> dict[str, Choice]:
        """Choices that act, sorted; not the absence of an optional factor: a new one leaves arms as they are."""
        return {
            name: choice
            for name, choice in sorted(self.choices.items())
            if name not in self.silenced
            and not (registry.FACTORS[name].optional and choice.level == registry.FACTORS[name].absent)
        }

    @cached_property
    def canonical(self) -> dict[str, Any]:
        """Acting factors with level and settings."""
        return {name: choice.canonical for name, choice in self._made_of.items()}

    @cached_property
    def digest(self) -> str:
        """Digest of the canonical form: two arms with one digest are one arm, whatever their names."""
        return json_digest(self.canonical)

    @property
    def trains(self) -> bool:
        """Whether it is an assembled model, which is trained, and not a rule or a known method."""
        return bool(getattr(self.choices["scorer"].cls, "trains", False))

    @property
    def learns(self) -> bool:
        """Whether it is a model of one's own, which is fitted and then asked."""
        return is_learner(self.choices["scorer"].cls)

    @property
    def tuned(self) -> bool:
        """Whether its settings are worth a search: those of what is trained on known edges."""
        return self.trains or self.learns

    @property
    def budgeted(self) -> bool:
        """Whether its outcome depends on the training budget."""
        return bool(getattr(self.choices["scorer"].cls, "budgeted", self.trains))

    @property
    def probed(self) -> bool:
        """Whether a plan may run it for a moment, to see whether it acts and what it costs."""
        return bool(getattr(self.choices["scorer"].cls, "probed", True))

    @property
    def fits_unsupervised(self) -> bool:
        """Whether its bucketing is fitted to expression alone before any label is read."""
        return self.trains and bool(self.choices["bucketing"].cls.unsupervised)

    def levels(self) -> dict[str, str]:
        """Return the level of each factor for tables, ``INACTIVE`` if it cannot act."""
        return {name: INACTIVE if name in self.silenced else c.title for name, c in self.choices.items()}

    def acting(self) -> tuple[tuple[str, str], ...]:
        """Return the (factor, level) pairs that act, with the levels that others are built with."""
        return tuple((choice.factor, level) for choice in self._made_of.values() for level in choice.levels)

    def vary(self, changes: Mapping[str, Choice], *, name: str = "", role: str = "arm") -> Arm:
        """Return this arm with some choices replaced, named by the difference unless a name is given."""
        choices = {**self.choices, **changes}
        varied = Arm(name, choices, role)
        if name:
            return varied
        labels = [f"{factor}={choices[factor].label(self.choices[factor])}" for factor in varied.differing(self)]
        return replace(varied, name=", ".join(labels) or self.name)

    def differing(self, other: Arm) -> list[str]:
        """Return the factors whose level or settings differ from another arm's, silenced ones included."""
        return [name for name, c in self.choices.items() if c.canonical != other.choices[name].canonical]


def is_learner(scorer: type | None) -> bool:
    """Return whether a level of scorer is a model of one's own, and no assembled model, rule or known method."""
    return hasattr(scorer, "fit")


def arm_factors() -> list[str]:
    """Return the factors of an arm: all but those of the exam."""
    return [name for name, factor in registry.FACTORS.items() if not factor.exam]


def canonical_json(value: Any) -> str:
    """Return a value as JSON with sorted keys and no spaces; NaN is an error."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def json_digest(value: Any, length: int = 16) -> str:
    """Return the digest of a value's canonical JSON, ``length`` hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:length]


def parse_choice(factor: str, raw: Any, *, beside: Choice | None = None, where: str = "") -> Choice:
    """Return the choice that a user wrote: ``gat`` or ``{gat: {heads: 4}}``.

    Parameters
    ----------
    beside
        Choice of the reference arm. Settings that a user gave there and that this level declares too are inherited, so
        that arms differ in the level and not in its size.

    Raises
    ------
    KnockoutError
        If the factor, level or a setting is unknown or out of range.
    """
    registry.factor(factor, where=where)
    level: Any
    settings: Any = {}
    if isinstance(raw, str):
        level = raw
    elif isinstance(raw, Mapping) and len(raw) == 1:
        level, settings = next(iter(raw.items()))
        settings = {} if settings is None else settings
    else:
        only = raw[0] if isinstance(raw, list | tuple) and len(raw) == 1 else None
        cure = f" Here: {as_written(only, quoted=False)}." if isinstance(only, str | Mapping) else ""
        raise KnockoutError(
            f"{as_written(raw)} is no choice for {factor}; write a level, or one level with settings: "
            f"{{level: {{setting: value}}}}.{cure}",
            where=where,
        )
    if not isinstance(level, str) or not isinstance(settings, Mapping):
        needed = complaint({"type": "dict_type", "input": settings}, str(level))
        raise KnockoutError(f"{as_written(raw)} is no choice for {factor}; its settings: {needed}", where=where)
    registry.level(factor, level, where=where)
    level = registry.level_named(factor, level)
    merged = {**_inherited(factor, level, beside, settings), **settings}
    if beside is not None:
        cls: Any = registry.level(factor, level)
        merged = cls.Settings.completed(merged, beside.level, beside.settings)
    return Choice(factor, level, registry.parse(factor, level, merged, where=where))


def _short(value: Any) -> Any:
    """Return a path's last name, and any other value as it is."""
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def _inherited(factor: str, level: str, beside: Choice | None, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings given for the reference that this level declares too and allows."""
    if beside is None:
        return {}
    if beside.level == level:
        return beside.settings.inherited(raw)
    part = beside.settings.part()
    if part is not None and part[0] == level:  # the same level, without the one that is built with it
        return part[1].inherited(raw)
    cls: Any = registry.level(factor, level)
    inherited: dict[str, Any] = {}
    for key in beside.settings.model_fields_set & cls.Settings.model_fields.keys():
        value = getattr(beside.settings, key)
        try:
            parse_value(cls.Settings, key, value, owner=f"{factor}.{level}")
        except KnockoutError:
            continue
        inherited[key] = value
    return inherited
