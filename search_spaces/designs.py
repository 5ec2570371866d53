"""Designs: the arms that an ablation trains, from a reference arm and the levels to vary."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.core import registry
from components.core.budget import Budget
from components.core.errors import KnockoutError, UnknownNameError
from search_spaces.arm import Arm, Choice, arm_factors, parse_choice
from search_spaces.crossed import CrossedSetting, parse_crossed
from search_spaces.own import (
    OF_EXPRESSION,
    OF_FEATURES,
    feature_control,
    own_controls,
    reads_expression,
    reads_features,
    spell_out,
    told_of_expression,
)

CONTROLS = ("degree", "reverse_degree", "identity", "topology", "noise")

Change = Choice | CrossedSetting
Levels = Mapping[str, Sequence[Change]]


@dataclass(frozen=True)
class Arms:
    """The arms of a design, each once.

    Attributes
    ----------
    arms
        Distinct arms, the reference first.
    aliases
        Name of each point of the design that is the same as another arm, to that arm's name.
    """

    arms: tuple[Arm, ...]
    aliases: Mapping[str, str]


def full_factorial(reference: Arm, levels: Levels) -> Iterator[Arm]:
    """Cross every level of every factor."""
    for point in itertools.product(*levels.values()):
        yield changed(reference, point)


def one_factor_at_a_time(reference: Arm, levels: Levels) -> Iterator[Arm]:
    """Vary one factor through its levels, the others at the reference."""
    for choices in levels.values():
        for choice in choices:
            yield changed(reference, [choice])


def leave_one_out(reference: Arm, levels: Levels) -> Iterator[Arm]:
    """Replace one factor of the reference at a time by the levels given for it, or by its absent level."""
    for name, choices in levels.items():
        for choice in choices or [_absent(reference, name)]:
            yield changed(reference, [choice])


def _absent(reference: Arm, factor: str) -> Choice:
    return parse_choice(factor, registry.factor(factor).absent, beside=reference.choices[factor])


def changed(reference: Arm, changes: Sequence[Change]) -> Arm:
    """Return the reference with some levels replaced, then settings of the levels that it has."""
    choices = {change.factor: change for change in changes if isinstance(change, Choice)}
    for change in changes:
        if isinstance(change, CrossedSetting):
            choices[change.factor] = change.on(choices.get(change.factor, reference.choices[change.factor]))
    return reference.vary(choices)


DESIGNS: dict[str, Callable[[Arm, Levels], Iterator[Arm]]] = {
    "full_factorial": full_factorial,
    "leave_one_out": leave_one_out,
    "one_factor_at_a_time": one_factor_at_a_time,
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
    reference
        The arm that others are compared with.
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


def controls(reference: Arm, names: Sequence[str], others: Sequence[Arm] = ()) -> list[Arm]:
    """Return the control arms of these names: the reference with another scorer, which reads no true expression.

    Of a reference that is a model of one's own, noise and permuted are that model on other expression. Controls of
    features are made of the reference or, where it reads none, of each of the other arms that does.
    """
    arms = []
    for position, name in enumerate(names):
        at = f"controls[{position}]"
        if name in OF_EXPRESSION and reference.learns:
            arms += own_controls(reference, [name], "controls")
            continue
        if name in OF_FEATURES:
            if reads_features(reference) or not any(map(reads_features, others)):
                arms.append(feature_control(reference, name, at, name))
            else:
                readers = [arm for arm in others if reads_features(arm)]
                arms += [feature_control(arm, name, at, f"{arm.name} ({name})") for arm in readers]
            continue
        choice = parse_choice("scorer", name, where=at)
        if not getattr(registry.level("scorer", name), "control", False):
            known = [n for n, cls in registry.levels("scorer").items() if getattr(cls, "control", False)]
            raise UnknownNameError.of("control arm", name, [*known, *OF_FEATURES], where=at)
        arms.append(reference.vary({"scorer": choice}, name=name, role="control"))
    return arms


def default_controls(reference: Arm) -> list[str]:
    """Return the names of the controls that stand beside an arm where nothing else is asked for."""
    names = [name for name in CONTROLS if name not in OF_EXPRESSION or not blind(reference)]
    return names + (list(OF_FEATURES) if reads_features(reference) else [])


def blind(arm: Arm) -> bool:
    """Return whether an arm is known to read no expression, so that it cannot be shown another."""
    if not arm.trains:  # of a rule or a known method, noise would be another model
        return not reads_expression(arm)
    return not told_of_expression(arm) and reads_features(arm) and arm.choices["bucketing"].settings.part() is None


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
        crossed[name] = parse_crossed(name, values, levels, f"design.factors.{name}")
    return {**choices, **crossed}


def _refuse_written_twice(factor: str, values: Sequence[Any], factors: Mapping[str, Any], where: str) -> None:
    """Refuse a setting that is written in a level and crossed as well."""
    written = [
        (position, f"{factor}.{level}.{setting}")
        for position, value in enumerate(values)
        if isinstance(value, Mapping)
        for level, settings in value.items()
        for setting in settings or ()
    ]
    for position, name in written:
        if name in factors:
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
        yield from own_controls(arm, spelt.get("controls", []), f"{at}.controls", f"{arm.name} ({{}})")


def refuse_exam(name: str, where: str) -> None:
    """Raise :class:`KnockoutError` for a factor that is unknown, or part of the exam and so the same for every arm."""
    factor = registry.factor(name, where=where)
    if factor.exam:
        raise KnockoutError(
            f"{name!r} cannot be varied between arms: it is the exam, the same for all. Set it per data set. "
            f"Factors that can: {', '.join(arm_factors())}.",
            where=where,
        )
