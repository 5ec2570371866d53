"""Baseline arms: known methods, and published systems assembled from the same levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components.core import registry
from components.core.budget import Budget
from components.core.errors import KnockoutError, UnknownNameError
from components.core.settings import parse_settings
from search_spaces.arm import Arm, Choice, parse_choice
from search_spaces.controls import own_controls
from search_spaces.presets import PRESETS
from search_spaces.short_form import SHORT, short_keys, spell_out


def baselines(reference: Arm, budget: Budget, training: Mapping[str, Any], entries: Sequence[Any]) -> list[Arm]:
    """Return the arms of known methods and systems that a study compares its own arms with.

    Parameters
    ----------
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
            arms += _outside(reference, value, at)
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
    scorers: dict[str, Any] = dict(registry.levels("scorer"))
    known = [name for name, cls in scorers.items() if not cls.trains and not cls.control]
    named = next(iter(value), None) if isinstance(value, Mapping) and len(value) == 1 else value
    if named not in known:
        raise UnknownNameError.of("baseline", named, [*known, *PRESETS], where=where)
    return parse_choice("scorer", value, where=where)


def _outside(reference: Arm, raw: Mapping[str, Any], where: str) -> list[Arm]:
    """Return the baseline that a mapping with a short key describes, then its controls."""
    spelt = spell_out(raw, where)
    stem = Path(str(spelt["scorer"].get("edges", {}).get("file", ""))).stem  # of a list of edges
    name = str(spelt.pop("name", "") or ("" if "{" in stem else stem))
    level = next(iter(spelt["scorer"]))
    if not name and level not in SHORT:
        name = parse_choice("scorer", spelt["scorer"], where=f"{where}.scorer").label(parse_choice("scorer", level))
    if not name:
        raise KnockoutError("a command needs a name for tables: {name: mine, command: ...}.", where=where)
    names = spelt.pop("controls", [])
    changes = {key: parse_choice(key, value, where=f"{where}.{key}") for key, value in spelt.items()}
    arm = reference.vary(changes, name=name, role="baseline")
    return [arm, *own_controls(arm, names, f"{where}.controls")]
