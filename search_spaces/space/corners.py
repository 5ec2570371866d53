"""The corners of a space: few arms that between them have every level of some factors and the ends of its ranges."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from components.core import registry
from components.core.errors import KnockoutError
from search_spaces.arm import Arm
from search_spaces.space.options import FactorOptions, LevelOptions
from search_spaces.space.parameter import Parameter
from search_spaces.space.space import Space


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
