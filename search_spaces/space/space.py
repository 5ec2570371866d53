"""A search space: the arms that a search may propose, their parameters conditional on the levels chosen.

``gnn.gat.heads`` exists only under ``gnn=gat``, and nothing of ``fusion`` does beside ``gnn=none``: one arm is one set
of parameters, and back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from components.core import registry
from components.core.errors import KnockoutError, UnknownNameError
from search_spaces.arm import Arm, arm_factors, json_digest
from search_spaces.space.options import FactorOptions, all_levels, factor_options, parse_fixed, parse_vary
from search_spaces.space.parameter import Parameter, Trial


@dataclass(frozen=True)
class Space:
    """The arms that a search may propose.

    Attributes
    ----------
    reference
        The arm whose choices stay where nothing varies.
    factors
        Every factor that can act, in the order of the model, what may silence a part before that part.
    """

    reference: Arm
    factors: tuple[FactorOptions, ...]

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Everything that varies: each factor, then the settings of its levels."""
        found: list[Parameter] = []
        for factor in self.factors:
            found += [factor.parameter] if factor.varies else []
            found += [parameter for options in factor.levels.values() for parameter in options.parameters]
        return tuple(found)

    @cached_property
    def digest(self) -> str:
        """Digest of what varies, over which range, and of what stays as it is."""
        described = [
            [f.name, [[level, o.rest, [[p.name, p.plain] for p in o.parameters]] for level, o in f.levels.items()]]
            for f in self.factors
        ]
        budget = self.reference.budget
        value = {"factors": described, "budget": budget and budget.model_dump(mode="json")}
        return json_digest(value)

    def describe(self) -> list[dict[str, str]]:
        """List the name and range of every parameter."""
        return [{"name": parameter.name, "range": parameter.range} for parameter in self.parameters]

    def acting(self, params: Mapping[str, Any]) -> Iterator[Parameter]:
        """Yield the parameters that act beside the levels in ``params``.

        A level is read only after its own parameter was yielded, so that ``params`` may be filled on the way.
        """
        for factor in self._acting(params):
            if factor.varies:
                yield factor.parameter
            yield from factor.levels[factor.level(params)].parameters

    def distributions_of(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the Optuna distribution of each parameter that acts."""
        return {parameter.name: parameter.distribution for parameter in self.acting(params)}

    def suggest(self, trial: Trial) -> Arm:
        """Return the arm that a trial proposes.

        Raises
        ------
        KnockoutError
            If the settings drawn do not go together (``heads`` that do not divide ``dim``): propose another.
        """
        params: dict[str, Any] = {}
        for parameter in self.acting(params):
            params[parameter.name] = parameter.suggest(trial)
        return self.arm(params)

    def arm(self, params: Mapping[str, Any]) -> Arm:
        """Return the arm that these parameters stand for.

        Raises
        ------
        KnockoutError
            If a parameter is missing, out of its range or without effect, or settings do not go together.
        """
        known = []
        for parameter in self.acting(params):
            if parameter.name not in params:
                raise KnockoutError(f"the parameter {parameter.name!r} is missing.")
            value = params[parameter.name]
            if not parameter.holds(value):
                raise KnockoutError(f"{parameter.name}: {value!r} lies outside of {parameter.range}.")
            known.append(parameter.name)
        for name in params:
            if name not in known:
                raise UnknownNameError.of("parameter of this arm", name, known)
        changes = {f.name: f.levels[f.level(params)].choice(params) for f in self._acting(params)}
        return replace(self.reference.vary(changes), budget=self.reference.budget)

    def params_of(self, arm: Arm) -> dict[str, Any] | None:
        """Return the parameters that give an arm, those that act alone; None if it lies outside of the space."""
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
            found = self.arm(params)
        except KnockoutError:  # what is held does not go together with what the arm has
            return None
        return params if (found.digest, found.budget) == (arm.digest, arm.budget) else None

    def inside(self, arm: Arm) -> bool:
        """Tell whether a search could propose this arm."""
        return self.params_of(arm) is not None

    def grid(self, points: int) -> Iterator[Arm]:
        """Yield every arm of a grid once: all choices, and up to ``points`` values of each number, both ends included.

        Settings that do not go together are left out.
        """
        if points < 2:
            raise KnockoutError(f"a grid takes at least 2 points per number, both ends of its range; got {points}.")
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


def parse_space(
    reference: Arm, vary: Mapping[str, Any] | None = None, fixed: Sequence[str] = (), *, where: str = "search"
) -> Space:
    """Return the space of a search as a user writes it.

    Parameters
    ----------
    reference
        The arm whose choices stay where nothing varies.
    vary
        Factor to list of levels, or true for all of them; a level may bring ranges of its settings in place of the
        registry's, or values to hold them at. None stands for every factor besides ``scorer``, with all levels.
    fixed
        What stays as in the reference: factors (``contrast``), settings of one level (``gnn.gat.heads``) or of any
        level (``gnn.dropout``).
    where
        Key path for messages.

    Raises
    ------
    KnockoutError
        If a factor, level, setting or range is wrong, or nothing varies.
    """
    held = parse_fixed(fixed, f"{where}.fixed")
    if vary is None:
        wanted = {name: all_levels(name) for name in arm_factors() if name != "scorer" and name not in held}
    else:
        wanted = parse_vary(vary, held, f"{where}.vary")
    space = Space(reference, factor_options(reference, wanted, held, f"{where}.vary"))
    acting = [factor.name for factor in space.factors]
    for name in vary or ():
        if name not in acting:
            raise KnockoutError(f"{name!r} cannot act beside the other levels; drop it.", where=f"{where}.vary.{name}")
    if not space.parameters:
        raise KnockoutError("nothing varies: name factors, or hold less.", where=where)
    return space


def settings_space(arm: Arm, fixed: Sequence[str] = (), *, where: str) -> Space:
    """Return the space of tuning one arm: its levels stay, the settings of what acts in it vary.

    It has no parameters where an arm has nothing to tune.
    """
    held = parse_fixed(fixed, f"{where}.fixed")
    wanted: dict[str, dict[str, Any]] = {
        name: {choice.level: {}} for name, choice in arm.choices.items() if name not in held
    }
    return Space(arm, factor_options(arm, wanted, held, where))
