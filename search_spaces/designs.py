"""Designs: the arms that an ablation trains, from a reference arm and the levels to vary."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.core import registry
from components.core.budget import Budget
from components.core.errors import KnockoutError, UnknownNameError
from search_spaces.arm import INACTIVE, Arm, Choice, arm_factors, parse_choice
from search_spaces.controls import own_controls
from search_spaces.short_form import spell_out


@dataclass(frozen=True)
class CrossedSetting:
    """One value of a setting of a level; it acts in the arms that have the level."""

    # whose setting it is, and its name
    factor: str
    level: str
    setting: str
    value: Any  # the value, valid beside the other settings of the reference
    where: str = ""  # its key path, for messages

    def on(self, choice: Choice) -> Choice:
        """Return the choice with the setting at the value, or as it is where it is another level."""
        return choice if choice.level != self.level else choice.having({self.setting: self.value}, self.where)


Change = Choice | CrossedSetting
Levels = Mapping[str, Sequence[Change]]


@dataclass(frozen=True)
class Arms:
    """The arms of a design, each once."""

    arms: tuple[Arm, ...]  # distinct arms, the reference first
    aliases: Mapping[str, str]  # name of each point of the design that is the same as another arm, to that arm's name


def full_factorial(reference: Arm, levels: Levels) -> Iterator[Arm]:
    """Cross every level of every factor."""
    for point in itertools.product(*levels.values()):
        yield changed(reference, point)


def one_at_a_time(reference: Arm, levels: Levels) -> Iterator[Arm]:
    """Vary one factor through the levels given for it, or to its absent level, the others at the reference."""
    for name, choices in levels.items():
        absent = registry.factor(name.partition(".")[0]).absent
        for choice in choices or [parse_choice(name, absent, beside=reference.choices[name])]:
            yield changed(reference, [choice])


def changed(reference: Arm, changes: Sequence[Change]) -> Arm:
    """Return the reference with some levels replaced, then settings of the levels that it has."""
    choices = {change.factor: change for change in changes if isinstance(change, Choice)}
    for change in changes:
        if isinstance(change, CrossedSetting):
            choices[change.factor] = change.on(choices.get(change.factor, reference.choices[change.factor]))
    return reference.vary(choices)


DESIGNS: dict[str, Callable[[Arm, Levels], Iterator[Arm]]] = {
    "full_factorial": full_factorial,
    "leave_one_out": one_at_a_time,
    "one_factor_at_a_time": one_at_a_time,
}


def expand(
    reference: Arm,
    kind: str,
    factors: Mapping[str, Any],
    explicit: Sequence[Mapping[str, Any]] = (),
) -> Arms:
    """Return the distinct arms of a design.

    Parameters
    ----------
    kind
        ``full_factorial``, ``leave_one_out``, ``one_factor_at_a_time`` or ``explicit``.
    factors
        Factor to list of levels, as a user wrote them, or ``factor.level.setting`` to list of values.
    explicit
        Arms of an explicit design: factor to level, and optionally ``name``.

    Raises
    ------
    KnockoutError
        For an unknown kind, factor, level or setting, or a design with nothing to compare.
    """
    if kind == "explicit":
        points: Iterator[Arm] = _explicit(reference, explicit)
    elif kind in DESIGNS:
        points = DESIGNS[kind](reference, _parse_levels(reference, kind, factors))
    else:
        raise UnknownNameError.of("design", kind, [*DESIGNS, "explicit"], where="design.kind")
    unread = ("factors" if factors else "") if kind == "explicit" else ("arms" if explicit else "")
    if unread:
        raise KnockoutError(f"a design of kind {kind!r} does not read {unread!r}; drop one.", where=f"design.{unread}")
    arms = distinct([reference, *points])
    if len(arms.arms) < 2:
        raise KnockoutError(
            "the design has no arm besides the reference; name levels that differ from it.", where="design"
        )
    return arms


def distinct(points: Sequence[Arm], *, where: str = "design") -> Arms:
    """Return each arm once, under its first name, with its other names as aliases.

    Raises
    ------
    KnockoutError
        If two different arms share a name: a report tells arms apart by name.
    """
    by_digest: dict[tuple[str, Budget | None], Arm] = {}
    names: dict[str, tuple[str, Budget | None]] = {}
    aliases: dict[str, str] = {}
    for arm in points:
        identity = (arm.digest, arm.budget)
        if names.setdefault(arm.name, identity) != identity:
            raise KnockoutError(
                f"two different arms are named {arm.name!r}; give them names of their own.", where=where
            )
        first = by_digest.setdefault(identity, arm)
        if first.name != arm.name:
            aliases[arm.name] = first.name
    return Arms(tuple(by_digest.values()), aliases)


def _parse_levels(reference: Arm, kind: str, factors: Mapping[str, Any]) -> Levels:
    if not factors:
        raise KnockoutError(f"{kind} needs factors: a mapping of factor to list of levels.", where="design.factors")
    choices: dict[str, list[Choice]] = {}
    settings: dict[str, list[Any]] = {}
    for name, raw in factors.items():
        at = f"design.factors.{name}"
        factor = str(name).partition(".")[0]
        refuse_exam(factor, at)
        values = raw if isinstance(raw, list) else [] if raw is None else [raw]
        if not values and (kind != "leave_one_out" or factor != name):
            raise KnockoutError(f"no {'level' if factor == name else 'value'} is listed.", where=at)
        if factor != name:
            settings[name] = values
            continue
        choices[name] = [
            parse_choice(name, value, beside=reference.choices[name], where=f"{at}[{i}]")
            for i, value in enumerate(values)
        ]
        _refuse_written_twice(name, values, factors, at)
    crossed = {}
    for name, values in settings.items():
        factor = name.partition(".")[0]
        # one by one, a setting of a level that the reference has not would act in no arm
        added = choices.get(factor, []) if kind == "full_factorial" else []
        levels = {choice.level: choice for choice in [*added, reference.choices[factor]]}
        crossed[name] = _parse_crossed(name, values, levels, f"design.factors.{name}")
    return {**choices, **crossed}


def _parse_crossed(name: str, values: Sequence[Any], levels: Mapping[str, Choice], where: str) -> list[CrossedSetting]:
    """Return the values of ``factor.level.setting`` that a design lists; ``levels`` are those of its arms."""
    factor, *rest = name.split(".")
    if len(rest) != 2:
        raise KnockoutError(f"{name!r} names no setting; write factor.level.setting, as gnn.gat.heads.", where=where)
    level, setting = rest
    if level not in levels:
        raise UnknownNameError.of(f"level of {factor} in this design", level, levels, where=where)
    if not levels[level].has(setting):
        fields = type(levels[level].settings).model_fields
        raise UnknownNameError.of(f"setting of {factor}.{level}", setting, fields, where=where)
    crossed = [CrossedSetting(factor, level, setting, value, f"{where}[{i}]") for i, value in enumerate(values)]
    for one in crossed:
        one.on(levels[level])
    return crossed


def _refuse_written_twice(factor: str, values: Sequence[Any], factors: Mapping[str, Any], where: str) -> None:
    """Refuse a setting that is written in a level and crossed as well."""
    for position, value in enumerate(values):
        for level, settings in value.items() if isinstance(value, Mapping) else ():
            for setting in settings or ():
                if (name := f"{factor}.{level}.{setting}") in factors:
                    raise KnockoutError(f"{name} is crossed as well; drop one.", where=f"{where}[{position}]")


def _explicit(reference: Arm, arms: Sequence[Mapping[str, Any]]) -> Iterator[Arm]:
    if not arms:
        raise KnockoutError("an explicit design needs arms: a list of factor-to-level mappings.", where="design.arms")
    for position, raw in enumerate(arms):
        at = f"design.arms[{position}]"
        changes = {}
        spelt = spell_out(raw, at)
        for name, value in spelt.items():
            if name not in ("name", "controls"):
                refuse_exam(name, f"{at}.{name}")
                changes[name] = parse_choice(name, value, beside=reference.choices[name], where=f"{at}.{name}")
        arm = reference.vary(changes, name=str(spelt.get("name", "")))
        yield arm
        yield from own_controls(arm, spelt.get("controls", []), f"{at}.controls")


def refuse_exam(name: str, where: str) -> None:
    """Raise :class:`KnockoutError` for a factor that is unknown, or part of the exam and so the same for every arm."""
    factor = registry.factor(name, where=where)
    if factor.exam:
        raise KnockoutError(
            f"{name!r} cannot be varied between arms: it is the exam, the same for all. Set it per data set. "
            f"Factors that can: {', '.join(arm_factors())}.",
            where=where,
        )


def value_in(arm: Arm, name: str) -> str:
    """Return the value that an arm has of ``factor.level.setting`` for tables, ``INACTIVE`` if it cannot act."""
    factor, level, setting = name.split(".")
    choice = arm.choices[factor]
    if factor in arm.silenced or choice.level != level:
        return INACTIVE
    return str(getattr(choice.settings, setting))
