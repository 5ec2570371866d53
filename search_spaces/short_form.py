"""Arms with a model of one's own, as a study file may write them: ``{name: mine, command: python train.py ...}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.core import registry
from components.core.errors import KnockoutError, UnknownNameError
from search_spaces.arm import arm_factors, is_learner

SHORT = {"command": "run", "edges": "file"}  # scorers that a value stands for: the setting that it gives


def spell_out(raw: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return an arm as factor to level, its ``name`` and ``controls`` kept, where it is written by a short key.

    ``{name: mine, command: python train.py ..., lr: 0.1}`` is ``{name: mine, scorer: {command: {run: ..., lr: 0.1}}}``.

    Raises
    ------
    KnockoutError
        If it has two short keys, a scorer beside one, or a key that is neither a factor nor such a model.
    """
    short = short_keys(raw)
    if not short:
        for key in raw:
            if key not in ("name", "controls", *registry.FACTORS):
                factor, _, rest = str(key).partition(".")
                if factor in registry.FACTORS and rest.count(".") == 1:
                    level, setting = rest.split(".")
                    cure = f"write {factor}: {{{level}: {{{setting}: ...}}}}"
                    raise KnockoutError(f"{key!r} is a setting, and no factor; {cure}.", where=f"{where}.{key}")
                models = [name for name, cls in registry.levels("scorer").items() if is_learner(cls)]
                known = [*arm_factors(), *models]
                raise UnknownNameError.of("factor or model of your own", key, known, where=f"{where}.{key}")
        return dict(raw)
    level = short[0]
    if len(short) > 1 or "scorer" in raw:
        others = ", ".join([*short, *(["scorer"] if "scorer" in raw else [])])
        raise KnockoutError(f"an arm has one scorer, and here are several: {others}. Keep one.", where=where)
    common = {key: value for key, value in raw.items() if key in ("name", "controls", *arm_factors())}
    settings = {key: value for key, value in raw.items() if key not in common and key != level}
    value = raw[level]
    if not isinstance(value, Mapping | None) and level not in SHORT:
        raise KnockoutError(f"settings are a mapping: {{{level}: {{setting: value}}}}.", where=f"{where}.{level}")
    settings |= {SHORT[level]: value} if not isinstance(value, Mapping | None) else value or {}
    return {**common, "scorer": {level: settings}}


def short_keys(raw: Mapping[str, Any]) -> list[str]:
    """Return the keys of an arm that name a scorer of one's own: ``{name: mine, my_model: {lr: 1e-3}}``."""
    candidates = [key for key in raw if key not in ("name", "controls", *arm_factors())]
    if not candidates:
        return []
    levels = registry.levels("scorer")
    return [key for key in candidates if is_learner(levels.get(registry.level_named("scorer", key)))]
