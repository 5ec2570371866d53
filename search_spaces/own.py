"""Arms that come from outside, as a study file writes them: ``{name: mine, command: python train.py ...}``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components.core import registry
from components.core.errors import KnockoutError, UnknownNameError
from search_spaces.arm import Arm, arm_factors, is_learner, parse_choice

SHORT = {"command": "run", "edges": "file"}  # scorers that a value stands for: the setting that it gives
OF_EXPRESSION = ("noise", "permuted")  # controls that are the model itself on other expression
OF_FEATURES = {"permuted_features": "permuted", "random_features": "random"}  # on other rows of a file of features


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


def outside_arm(reference: Arm, raw: Mapping[str, Any], where: str) -> list[Arm]:
    """Return the baseline that a mapping with a short key describes, then its controls.

    Raises
    ------
    KnockoutError
        If it has no name, or a key that is neither a setting nor a factor.
    """
    spelt = spell_out(raw, where)
    name = str(spelt.pop("name", "") or _name_of(spelt["scorer"]))
    level = next(iter(spelt["scorer"]))
    if not name and level not in SHORT:
        name = parse_choice("scorer", spelt["scorer"], where=f"{where}.scorer").label(parse_choice("scorer", level))
    if not name:
        raise KnockoutError("a command needs a name for tables: {name: mine, command: ...}.", where=where)
    names = spelt.pop("controls", [])
    changes = {key: parse_choice(key, value, where=f"{where}.{key}") for key, value in spelt.items()}
    arm = reference.vary(changes, name=name, role="baseline")
    return [arm, *own_controls(arm, names, f"{where}.controls", f"{name} ({{}})")]


def own_controls(arm: Arm, names: Sequence[str], where: str, called: str = "{}") -> list[Arm]:
    """Return an arm on other expression (a model of one's own) or on other features of genes, as controls.

    Raises
    ------
    KnockoutError
        If a name is none of these, or the arm reads no expression, or no features.
    """
    if not isinstance(names, list | tuple):
        raise KnockoutError(f"a list is needed: write [{names}].", where=where)
    controls = []
    for position, name in enumerate(names):
        at, choice = f"{where}[{position}]", arm.choices["scorer"]
        if name in OF_FEATURES:
            controls.append(feature_control(arm, name, at, called.format(name)))
            continue
        if name not in OF_EXPRESSION:
            raise UnknownNameError.of("control of one arm", name, [*OF_EXPRESSION, *OF_FEATURES], where=at)
        if not reads_expression(arm):
            raise KnockoutError(f"arm {arm.name!r} reads no expression: it has no such control.", where=at)
        varied = parse_choice("scorer", {choice.level: {"expression": name}}, beside=choice, where=at)
        controls.append(arm.vary({"scorer": varied}, name=called.format(name), role="control"))
    return controls


def feature_control(arm: Arm, control: str, where: str, name: str) -> Arm:
    """Return an arm with features of other genes, or random ones, in place of those of its file.

    Raises
    ------
    KnockoutError
        If the arm reads no features.
    """
    if not reads_features(arm):
        raise KnockoutError(
            f"arm {arm.name!r} reads no features of genes: it has no control {control!r}. Give it some: "
            "{bucketing: {features: {file: embeddings.parquet}}}.",
            where=where,
        )
    choice = arm.choices["bucketing"]
    varied = parse_choice("bucketing", {choice.level: {"rows": OF_FEATURES[control]}}, beside=choice, where=where)
    return arm.vary({"bucketing": varied}, name=name, role="control")


def reads_features(arm: Arm) -> bool:
    """Return whether an arm gives each gene its own row of a file of features."""
    settings = arm.choices["bucketing"].settings
    return "bucketing" not in arm.silenced and getattr(settings, "rows", "") == "own"


def told_of_expression(arm: Arm) -> bool:
    """Return whether a trained model is told of pairs by expression, beside what it makes of the two genes."""
    settings = arm.choices["pair_features"].settings
    return "pair_features" not in arm.silenced and getattr(settings, "reads_expression", False)


def reads_expression(arm: Arm) -> bool:
    """Return whether a model of one's own can be shown other expression, and reads any."""
    settings = arm.choices["scorer"].settings
    return arm.learns and "expression" in type(settings).model_fields and getattr(settings, "reads_expression", True)


def _name_of(scorer: Mapping[str, Any]) -> str:
    """Return the name that a list of edges has by its file, if that says anything."""
    file = Path(str(scorer.get("edges", {}).get("file", "")))
    return "" if "{" in file.stem else file.stem
