"""Options of a search for each factor: its levels, the settings that vary, and those that are fixed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from components.core import registry
from components.core.errors import KnockoutError, UnknownNameError
from components.core.settings import divisors, search_range
from search_spaces.arm import Arm, Choice, arm_factors, parse_choice
from search_spaces.designs import refuse_exam
from search_spaces.space.parameter import Parameter, Tie, parse_parameter, varied_levels

Levels = dict[str, dict[str, Parameter]]  # level to the ranges that a user gave for its settings


@dataclass(frozen=True)
class LevelOptions:
    """One level that a search may choose."""

    base: Choice  # the level with its settings, unless ``fixed`` or ``parameters`` replace them
    fixed: dict[str, Any]  # settings that a user set to one value
    parameters: tuple[Parameter, ...]  # settings that vary

    def choice(self, params: Mapping[str, Any]) -> Choice:
        """Return the level with the settings that a search drew."""
        return self.base.having(self.fixed | {p.setting: p.decode(params[p.name]) for p in self.parameters})

    @property
    def ties(self) -> Iterator[Tie]:
        """Yield the pairs of settings that a search must draw together, for one of them must divide the other."""
        cls: Any = self.base.cls
        varied = {parameter.setting: parameter for parameter in self.parameters}
        for divisor, multiple in divisors(cls.Settings).items():
            moved, stays = (multiple, divisor) if multiple in varied else (divisor, multiple)
            if moved in varied:
                values = varied[stays].values if stays in varied else [self.rest[stays]]
                yield Tie(varied[moved], stays, values, multiple=moved == multiple)

    def together(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters that a search drew, with those moved to the nearest value that must fit another's."""
        fitting = dict(params)
        for tie in self.ties:
            stays = f"{self.base.factor}.{self.base.level}.{tie.stays}"
            value, other = tie.nearest(fitting[tie.moved.name], fitting.get(stays, tie.values[0]))
            fitting |= {tie.moved.name: value} | ({stays: other} if stays in fitting else {})
        return fitting

    @property
    def settled(self) -> Choice:
        """The level with the settings that do not vary, and defaults for the others."""
        return self.base.having(self.fixed)

    @property
    def rest(self) -> dict[str, Any]:
        """Settings that do not vary, as plain JSON values."""
        varied = {p.setting for p in self.parameters}
        settings = self.base.settings.identity() | self.fixed
        return {name: value for name, value in settings.items() if name not in varied}


@dataclass(frozen=True)
class FactorOptions:
    """Options for one factor: ``parameter`` chooses among ``levels``, if there are several."""

    parameter: Parameter
    levels: Mapping[str, LevelOptions]

    @property
    def name(self) -> str:
        """The factor."""
        return self.parameter.factor

    @property
    def varies(self) -> bool:
        """Whether there are several levels."""
        return len(self.levels) > 1

    def level(self, params: Mapping[str, Any]) -> str:
        """Return the level that a search drew, or the only level."""
        return str(params[self.name]) if self.varies else next(iter(self.levels))


def all_levels(factor: str) -> Levels:
    """Return every level of a factor that needs nothing of a user's own, with its declared ranges."""
    return {level: {} for level, cls in registry.levels(factor).items() if getattr(cls, "by_default", True)}


def parse_vary(vary: Mapping[str, Any], held: Set[str], where: str) -> dict[str, Levels]:
    """Return the levels, and the ranges of their settings, of each factor that a user wants to vary."""
    varied = {}
    for factor, raw in vary.items():
        at = f"{where}.{factor}"
        refuse_exam(factor, at)
        if factor in held:
            raise KnockoutError(f"{factor!r} is fixed as well; drop one.", where=at)
        varied[factor] = all_levels(factor) if raw is True else _parse_levels(factor, raw, held, at)
    return varied


def parse_fixed(fixed: Sequence[str], where: str) -> frozenset[str]:
    """Return the factors, and the settings as ``factor.level.setting``, that keep the reference's value."""
    held: set[str] = set()
    for position, name in enumerate(fixed):
        at = f"{where}[{position}]"
        factor, *rest = str(name).split(".")
        refuse_exam(factor, at)
        if not rest:
            held.add(factor)
            continue
        *level, setting = rest
        candidates = [".".join(level)] if level else list(registry.levels(factor))
        levels = [name for name in candidates if setting in _fields(factor, name, at)]
        if not levels:
            known = dict.fromkeys(field for name in candidates for field in _fields(factor, name, at))
            raise UnknownNameError.of(f"setting of {'.'.join([factor, *level])}", setting, known, where=at)
        held |= {f"{factor}.{name}.{setting}" for name in levels}
    return frozenset(held)


def factor_options(
    reference: Arm, varied: Mapping[str, Levels], held: Set[str], where: str
) -> tuple[FactorOptions, ...]:
    """Return the options of every factor that can act beside the others; those not varied keep the reference's."""
    options: list[FactorOptions] = []
    never: set[str] = set()  # factors that cannot act, whatever is chosen
    at_times: set[str] = set()  # factors that cannot act beside some levels
    for name in _in_order():
        if name in never:
            continue
        beside = reference.choices[name]
        if name in varied:
            levels = {
                level: _level_options(name, level, beside, ranges, held, f"{where}.{name}")
                for level, ranges in varied[name].items()
            }
        else:
            levels = {beside.level: LevelOptions(beside, {}, ())}
        options.append(FactorOptions(varied_levels(name, list(levels)), levels))
        silenced = [registry.silenced_by(name, level) for level in levels]
        never |= frozenset.intersection(*silenced) if name not in at_times else frozenset()
        at_times |= frozenset.union(*silenced)
    return tuple(options)


def _parse_levels(factor: str, raw: Any, held: Set[str], where: str) -> Levels:
    levels: Levels = {}
    entries = {f"{where}[{i}]": value for i, value in enumerate(raw)} if isinstance(raw, list) else {where: raw}
    for at, value in entries.items():
        level, ranges = _parse_level(factor, value, at)
        if level in levels:
            raise KnockoutError(
                f"{level!r} is listed twice; list the values of its settings: {{{level}: {{setting: [...]}}}}.",
                where=at,
            )
        for setting in ranges:
            if f"{factor}.{level}.{setting}" in held:
                raise KnockoutError(
                    "the setting is held as well, by 'fixed' or since the design crosses it; drop one.",
                    where=f"{at}.{level}.{setting}",
                )
        levels[level] = ranges
    if not levels:
        raise KnockoutError("no level is listed.", where=where)
    return levels


def _parse_level(factor: str, raw: Any, where: str) -> tuple[str, dict[str, Parameter]]:
    level, settings = raw, None
    if isinstance(raw, Mapping) and len(raw) == 1:
        level, settings = next(iter(raw.items()))
    if not isinstance(level, str) or not isinstance(settings, Mapping | None):
        raise KnockoutError(
            f"{raw!r} is nothing that {factor} can vary over; write true for all levels, or a list of levels, each "
            "with ranges where you like: {level: {setting: [low, high]}}.",
            where=where,
        )
    registry.level(factor, level, where=where)
    at = f"{where}.{level}"
    return level, {
        key: parse_parameter(factor, level, key, value, where=f"{at}.{key}") for key, value in (settings or {}).items()
    }


def _level_options(
    factor: str, level: str, beside: Choice, ranges: Mapping[str, Parameter], held: Set[str], where: str
) -> LevelOptions:
    base = beside if beside.level == level else parse_choice(factor, level, beside=beside, where=where)
    cls: Any = registry.level(factor, level)
    fixed: dict[str, Any] = {}
    varied = []
    undeclared = [setting for setting in ranges if setting not in cls.Settings.model_fields]
    for setting in [*cls.Settings.model_fields, *undeclared]:
        declared = [] if setting in undeclared else list(search_range(cls.Settings, setting).values)
        if setting in ranges:
            parameter = ranges[setting]
        elif declared and f"{factor}.{level}.{setting}" not in held:
            parameter = parse_parameter(factor, level, setting, declared, where=where)
        else:
            continue
        if parameter.distribution.single():
            fixed[setting] = parameter.decode(parameter.points(2)[0])
        else:
            varied.append(parameter)
    options = LevelOptions(base, fixed, tuple(varied))
    _refuse_unfit(options, where)
    return options


def _refuse_unfit(options: LevelOptions, where: str) -> None:
    """Refuse a range without a multiple, or a divisor, of a value that was listed; of a range, of all its numbers."""
    listed = {p.setting for p in options.parameters if p.listed}
    for tie in options.ties:
        unfit = [value for value in tie.values if not tie.fitting(value)]
        if unfit and (tie.stays in listed or len(unfit) == len(tie.values)):
            kind = "multiple" if tie.multiple else "divisor"
            raise KnockoutError(
                f"{tie.moved.name}: no value of {tie.moved.range} is a {kind} of {tie.stays} {unfit[0]}. "
                f"Widen the range, or leave {tie.stays} {unfit[0]} out.",
                where=f"{where}.{options.base.level}.{tie.moved.setting}",
            )


def _fields(factor: str, level: str, where: str) -> list[str]:
    cls: Any = registry.level(factor, level, where=where)
    return list(cls.Settings.model_fields)


def _in_order() -> list[str]:
    """Return the factors in the order of the model, but each after those that can silence it."""
    waiting, order = arm_factors(), list[str]()
    silenced = {
        name: {s for level in registry.levels(name) for s in registry.silenced_by(name, level)} for name in waiting
    }
    while waiting:
        free = [name for name in waiting if not any(name in silenced[other] for other in waiting if other != name)]
        order.append((free or waiting)[0])
        waiting.remove(order[-1])
    return order
