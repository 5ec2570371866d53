"""Baseline arms: known methods, and published systems assembled from the same levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.core import registry
from components.core.budget import Budget
from components.core.errors import UnknownNameError
from components.core.settings import parse_settings
from search_spaces.arm import Arm, Choice, parse_choice
from search_spaces.own import SHORT, outside_arm, short_keys
from search_spaces.presets import PRESETS


def baselines(reference: Arm, budget: Budget, training: Mapping[str, Any], entries: Sequence[Any]) -> list[Arm]:
    """Return the arms of known methods and systems that a study compares its own arms with.

    Parameters
    ----------
    reference
        The study's reference arm; a known method replaces its scorer.
    budget
        The study's training budget.
    training
        The study's changes to a preset's budget, which apply to the budgets of assembled systems too.
    entries
        Scorers (``genie3``, ``{genie3: {trees: 500}}``), presets (``genelink-small``) and what comes from outside
        (``{name: mine, command: python train.py ...}``), as a user wrote them.

    Raises
    ------
    KnockoutError
        If a name is neither, or a setting is not valid.
    """
    arms = []
    for position, value in enumerate(entries):
        at = f"baselines[{position}]"
        if isinstance(value, Mapping) and (SHORT.keys() & value.keys() or (len(value) > 1 and short_keys(value))):
            arms += outside_arm(reference, value, at)
        elif isinstance(value, str) and value in PRESETS:
            arms.append(_system(value, budget, training))
        else:
            choice = _method(value, at)
            name = choice.label(parse_choice("scorer", choice.level))
            arms.append(reference.vary({"scorer": choice}, name=name, role="baseline"))
    return arms


def _system(name: str, budget: Budget, training: Mapping[str, Any]) -> Arm:
    preset = PRESETS[name]
    own = parse_settings(Budget, preset.budget.model_dump() | dict(training), owner="training", where="training")
    return Arm(name, preset.arm(name).choices, "baseline", None if own == budget else own)


def _method(value: Any, where: str) -> Choice:
    known = [name for name, cls in registry.levels("scorer").items() if _is_method(cls)]
    named = next(iter(value), None) if isinstance(value, Mapping) and len(value) == 1 else value
    if named not in known:
        raise UnknownNameError.of("baseline", named, [*known, *PRESETS], where=where)
    return parse_choice("scorer", value, where=where)


def _is_method(cls: Any) -> bool:
    return not cls.trains and not cls.control
