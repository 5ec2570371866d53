"""A search space: the arms that a search may propose, with parameters that depend on the levels chosen.

``gnn.gat.heads`` exists only with ``gnn=gat``, and no parameter of ``fusion`` with ``gnn=none``: an arm has exactly one
set of parameters.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from components.core import registry
from components.core.errors import KnockoutError, UnknownNameError
from search_spaces.arm import Arm, Choice, arm_factors, json_digest
from search_spaces.space.options import (
    FactorOptions,
    LevelOptions,
    Levels,
    all_levels,
    factor_options,
    parse_fixed,
    parse_vary,
)
from search_spaces.space.parameter import Parameter

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


@dataclass(frozen=True)
class Space:
    """The arms that a search may propose."""

    reference: Arm  # the arm whose choices are used where nothing varies
    factors: tuple[FactorOptions, ...]  # every factor that can act, each after those that can silence it

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """All parameters: each factor that varies, then the settings of its levels."""
        parameters: list[Parameter] = []
        for factor in self.factors:
            parameters += [factor.parameter] if factor.varies else []
            parameters += [parameter for options in factor.levels.values() for parameter in options.parameters]
        return tuple(parameters)

    @cached_property
    def digest(self) -> str:
        """Digest of the parameters with their ranges, and of everything that does not vary."""
        described = [
            [f.name, [[level, o.rest, [[p.name, p.plain] for p in o.parameters]] for level, o in f.levels.items()]]
            for f in self.factors
        ]
        budget = self.reference.budget
        value = {"factors": described, "budget": budget and budget.model_dump(mode="json")}
        return json_digest(value)

    def describe(self) -> list[dict[str, str]]:
        """Return name and range of every parameter."""
        return [{"name": parameter.name, "range": parameter.range} for parameter in self.parameters]

    @property
    def settled(self) -> dict[str, Choice]:
        """What every arm has that a search proposes, by factor: the reference's level, or the one that was named."""
        return {f.name: options.settled for f in self.factors for options in f.levels.values() if not f.varies}

    def acting(self, params: Mapping[str, Any]) -> Iterator[Parameter]:
        """Yield the parameters that act beside the levels in ``params``.

        A level is read only after its parameter is yielded, so that a caller may fill ``params`` while iterating.
        """
        for factor in self._acting(params):
            if factor.varies:
                yield factor.parameter
            yield from factor.levels[factor.level(params)].parameters

    def distributions_of(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the Optuna distribution of each parameter that acts."""
        return {parameter.name: parameter.distribution for parameter in self.acting(params)}

    def suggest(self, trial: BaseTrial) -> Arm:
        """Return the arm that a trial proposes.

        What must be a multiple or a divisor of another setting is moved to the nearest value that is one: ``dim`` to a
        multiple of ``heads``. :meth:`params_of` returns the moved value, and so a sampler learns from what was scored.

        Raises
        ------
        KnockoutError
            If the settings are not valid together for another reason, which a level of a user's own may have.
        """
        params: dict[str, Any] = {}
        for parameter in self.acting(params):
            params[parameter.name] = parameter.suggest(trial)
        for factor in list(self._acting(params)):
            params = factor.levels[factor.level(params)].together(params)
        return self.arm(params)

    def arm(self, params: Mapping[str, Any]) -> Arm:
        """Return the arm with these parameters.

        Raises
        ------
        KnockoutError
            If a parameter is missing, out of range or does not act, or settings are not valid together.
        """
        names = []
        for parameter in self.acting(params):
            if parameter.name not in params:
                raise KnockoutError(f"the parameter {parameter.name!r} is missing.")
            value = params[parameter.name]
            if not parameter.holds(value):
                raise KnockoutError(f"{parameter.name}: {value!r} lies outside of {parameter.range}.")
            names.append(parameter.name)
        for name in params:
            if name not in names:
                raise UnknownNameError.of("parameter of this arm", name, names)
        changes = {f.name: f.levels[f.level(params)].choice(params) for f in self._acting(params)}
        return replace(self.reference.vary(changes), budget=self.reference.budget)

    def params_of(self, arm: Arm) -> dict[str, Any] | None:
        """Return the parameters of an arm, or None if it lies outside of the space."""
        params: dict[str, Any] = {}
        for parameter in self.acting(params):
            choice = arm.choices[parameter.factor]
            if parameter.level and parameter.level != choice.level:
                return None
            value = parameter.encode(getattr(choice.settings, parameter.setting)) if parameter.level else choice.level
            if not parameter.holds(value):
                return None
            params[parameter.name] = value
        try:
            proposed = self.arm(params)
        except KnockoutError:  # fixed settings are not valid together with those of the arm
            return None
        return params if (proposed.digest, proposed.budget) == (arm.digest, arm.budget) else None

    def grid(self, points: int) -> Iterator[Arm]:
        """Yield every arm of a grid: all choices, and up to ``points`` values of each number with both ends.

        Arms whose settings are not valid together are left out.
        """
        for params in self._grid({}, points):
            try:
                yield self.arm(params)
            except KnockoutError:
                continue

    def _acting(self, params: Mapping[str, Any]) -> Iterator[FactorOptions]:
        silent: set[str] = set()
        for factor in self.factors:
            if factor.name not in silent:
                yield factor
                silent |= registry.silenced_by(factor.name, factor.level(params))

    def _grid(self, params: dict[str, Any], points: int) -> Iterator[dict[str, Any]]:
        following = next((p for p in self.acting(params) if p.name not in params), None)
        if following is None:
            yield params
            return
        for value in following.points(points):
            yield from self._grid({**params, following.name: value}, points)


def parse_space(reference: Arm, vary: Mapping[str, Any] | None = None, fixed: Sequence[str] = ()) -> Space:
    """Return the space of a search that a user wrote.

    Parameters
    ----------
    vary
        Factor to list of levels, or true for all of them; a level may have ranges of its settings in place of the
        declared ones, or single values. None is every factor but ``scorer``, with all levels, and of a model of one's
        own its settings.
    fixed
        What does not vary: factors (``contrast``), settings of one level (``gnn.gat.heads``) or of every level
        (``gnn.dropout``).

    Raises
    ------
    KnockoutError
        If a factor, level, setting or range is not valid, or nothing varies.
    """
    held = parse_fixed(fixed, "search.fixed")
    if vary is None:
        varied = {name: all_levels(name) for name in arm_factors() if name != "scorer" and name not in held}
        if reference.learns and "scorer" not in held:
            varied["scorer"] = {reference.choices["scorer"].level: {}}
    else:
        varied = parse_vary(vary, held, "search.vary")
    space = Space(reference, factor_options(reference, varied, held, "search.vary"))
    acting = [factor.name for factor in space.factors]
    for name in vary or ():
        if name not in acting:
            raise KnockoutError(_without_part(name, space), where=f"search.vary.{name}")
    if not space.parameters:
        raise KnockoutError("nothing varies: name factors, or hold less.", where="search")
    return space


def settings_space(arm: Arm, fixed: Sequence[str] = (), vary: Mapping[str, Any] | None = None, *, where: str) -> Space:
    """Return the space of one arm's settings, its levels fixed; it may have no parameters.

    ``vary`` has ranges in place of the declared ones, and those of a program's own settings, which declare none; the
    ranges of levels and settings that the arm does not have are not read, see :func:`refuse_idle_ranges`.
    """
    held = parse_fixed(fixed, f"{where}.fixed")
    parsed = parse_vary(vary or {}, held, f"{where}.vary")
    varied: dict[str, Levels] = {}
    for name, choice in arm.choices.items():
        if name not in held:
            ranges = parsed.get(name, {}).get(choice.level, {})
            varied[name] = {choice.level: {key: value for key, value in ranges.items() if choice.has(key)}}
    return Space(arm, factor_options(arm, varied, held, where))


def refuse_idle_ranges(arms: Sequence[Arm], vary: Mapping[str, Any], fixed: Sequence[str], *, where: str) -> None:
    """Refuse what :func:`settings_space` would read for no arm: a level, or a program's setting, that none has.

    Raises
    ------
    KnockoutError
        If a range stands for nothing, or a level is listed without one: levels are what arms are compared by.
    """
    for factor, levels in parse_vary(vary, parse_fixed(fixed, f"{where}.fixed"), f"{where}.vary").items():
        for level, ranges in levels.items():
            at = f"{where}.vary.{factor}.{level}"
            if not ranges:
                message = f"a range is needed, for levels are not tuned: {{{level}: {{setting: [low, high]}}}}."
                raise KnockoutError(message, where=at)
            choices = [arm.choices[factor] for arm in arms if arm.tuned and factor not in arm.silenced]
            beside = [choice for choice in choices if choice.level == level]
            if not beside:
                known = dict.fromkeys(choice.level for choice in choices)
                raise UnknownNameError.of(f"{factor} of these arms", level, known, where=at)
            for setting in ranges:
                if not any(choice.has(setting) for choice in beside):
                    known = dict.fromkeys(name for choice in beside for name in choice.settings.model_extra or {})
                    raise UnknownNameError.of(f"setting of {level}", setting, known, where=f"{at}.{setting}")


def _without_part(name: str, space: Space) -> str:
    """Say beside which levels a factor cannot act, and what to do."""
    silencing = [f for f in space.factors if all(name in registry.silenced_by(f.name, level) for level in f.levels)]
    beside = " or ".join(f"{f.name}: {', '.join(f.levels)}" for f in silencing)
    cures = [f"vary {f.name} as well (scorer: [assembled])" for f in silencing if f.name == "scorer"]
    cures = cures or [f"vary {f.name} as well" for f in silencing]
    return f"{name!r} cannot act beside {beside or 'the other levels'}; {' or '.join([*cures, 'drop it'])}."


def corners(space: Space, factors: Collection[str]) -> Iterator[Arm]:
    """Yield arms with each level of some factors, and with every choice and both ends of each range of its settings.

    One thing is moved at a time: the rest is as in the reference, as far as the space and what must act beside allow.
    Arms whose settings are not valid together are left out, as a search leaves them out.
    """
    for factor in space.factors:
        for level, options in factor.levels.items() if factor.name in factors else ():
            params = _beside(space, factor, level)
            moved = [{p.name: value} for p in options.parameters if p.name in params for value in p.points(2)]
            for change in [{}, *moved]:
                try:
                    yield space.arm(options.together(params | change))
                except KnockoutError:
                    continue


def _beside(space: Space, asked: FactorOptions, level: str) -> dict[str, Any]:
    """Return the parameters of an arm that has a level of a factor and is else the reference, if that can be."""
    by_name = {factor.name: factor for factor in space.factors}
    params: dict[str, Any] = {}
    for parameter in space.acting(params):
        factor = by_name[parameter.factor]
        if parameter.level:
            params[parameter.name] = _usual(parameter, factor.levels[parameter.level])
        else:
            params[parameter.name] = level if factor is asked else _level_that_lets_act(space, factor, asked.name)
    return params


def _level_that_lets_act(space: Space, factor: FactorOptions, other: str) -> str:
    usual = space.reference.choices[factor.name].level
    levels = [name for name in factor.levels if other not in registry.silenced_by(factor.name, name)]
    return usual if usual in levels or not levels else levels[0]


def _usual(parameter: Parameter, options: LevelOptions) -> Any:
    """Return the value that a setting has where it is not searched, or the first of its range."""
    if options.base.has(parameter.setting):
        value = parameter.encode(getattr(options.base.settings, parameter.setting))
        if parameter.holds(value):
            return value
    return parameter.points(2)[0]
