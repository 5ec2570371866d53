"""Keys of a study set on the command line, in the grammar of Hydra: ``key=value``, ``+key=value``, ``~key``.

Source of the grammar: https://hydra.cc/docs/advanced/override_grammar/basic
"""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from components.core import registry
from components.core.errors import KnockoutError, UnknownNameError
from study.study_file.keys import StudyFile, section_of
from study.study_file.yaml_file import parse_value

_FORM = re.compile(r"(?P<sign>\+\+|\+|~|)(?P<key>[^=~+\s][^=]*?)\s*(?:=(?P<value>.*))?", re.DOTALL)
_GRAMMAR = "write key=value, +key=value to add or ~key to drop: training.epochs=3, 'gnn=[gat,gcn]', datasets.0.name=a"


@dataclass(frozen=True)
class Override:
    """One key that was set, added or dropped."""

    argument: str  # as it was typed
    path: tuple[str, ...]  # keys and positions that lead to it
    line: str  # what was done, for the user


def override(values: dict[str, Any], arguments: Sequence[str]) -> tuple[dict[str, Any], tuple[Override, ...]]:
    """Return the content of a study file with keys set, added and dropped, and what was done, in the order given.

    A value is YAML and replaces what stands there. A factor's name alone is short for where its levels stand: a list
    for ``design.factors`` (``search.vary`` in a search), one level for ``reference``.

    Raises
    ------
    KnockoutError
        If an argument is none of these, or what it names is not there; ``where`` is the argument. Whether a value is
        allowed is asked later, of the whole study.
    """
    changed = copy.deepcopy(values)
    return changed, tuple(_apply(changed, argument) for argument in arguments)


def place(error: KnockoutError, overrides: Sequence[Override]) -> str:
    """Return the argument that an error about a key path is about; empty where the file itself is."""
    at, fault = tuple(_parts(error.where)), re.split(" (?:Did you mean|Known:) ", error.message)[0]
    for one in reversed(overrides):
        inside = at[: len(one.path)] == one.path
        rest = one.path[len(at) :] if at == one.path[: len(at)] else ()
        above = any(re.search(rf"\b{re.escape(part)}\b", fault) for part in rest)
        if at and (inside or above):
            return one.argument
    return ""


def _apply(values: dict[str, Any], argument: str) -> Override:
    form = _FORM.fullmatch(argument.strip())
    if form is None or (form["value"] is None) != (form["sign"] == "~"):
        raise KnockoutError(f"no override; {_GRAMMAR}.", where=argument)
    sign, path = form["sign"], _parts(form["key"])
    value = None if form["value"] is None else parse_value(form["value"], path[-1], where=argument)
    path = _full(path, value, sign, values, argument)
    if path[:2] == ["design", "factors"] and len(path) >= 5 and not path[3].isdecimal():
        path = [*path[:2], ".".join(path[2:5]), *path[5:]]  # a setting that a design crosses, gnn.gat.heads, is one key
    holder: Any = values
    for i, part in enumerate(path[:-1]):
        holder = _step(holder, part, path[i + 1], argument, datasets=path[:i] == ["datasets"], create=sign != "~")
    _change(holder, path[-1], value, sign, argument)
    at = ".".join(path)
    return Override(argument, tuple(_parts(at)), f"dropped {at}" if sign == "~" else f"set {at}: {_text(value)}")


def _full(path: list[str], value: Any, sign: str, values: dict[str, Any], argument: str) -> list[str]:
    """Return the path that a path stands for: one that begins with a factor's name is short for a longer one."""
    head, keys = path[0], list(StudyFile.model_fields)
    if head in keys or (head in values and head not in registry.FACTORS):
        return path
    if head not in registry.FACTORS:
        if section := section_of(head):
            cure = f"unknown key {head!r}: it stands below {section}. Write {section}.{head}=..."
            raise KnockoutError(cure, where=argument)
        raise UnknownNameError.of("key", head, dict.fromkeys([*keys, *registry.FACTORS]), where=argument)
    varied = ["search", "vary"] if "search" in values else ["design", "factors"]
    if len(path) == 1 and isinstance(value, str) and "," in value:
        raise KnockoutError(f"write levels as a list: '{head}=[{value}]'.", where=argument)
    if sign == "~":
        among = values.get(varied[0], {}) if isinstance(values.get(varied[0]), dict) else {}
        return [*varied, *path] if head in (among.get(varied[1]) or {}) else ["reference", *path]
    return [*varied, *path] if len(path) == 1 and isinstance(value, list) else ["reference", *path]


def _step(holder: Any, part: str, following: str, argument: str, *, datasets: bool, create: bool) -> Any:
    """Return what stands under a key or at a position, as a list or mapping that can be changed."""
    key: Any = _position(holder, part, argument) if isinstance(holder, list) else part
    if isinstance(holder, dict) and key not in holder:
        if not create:
            raise UnknownNameError.of("key", part, holder, where=argument)
        holder[key] = {}
    child = holder[key]
    if child is None:
        child = {}
    elif isinstance(child, str) and datasets:  # a data set by its path alone
        child = {"simulate": {}} if child == "simulated" else {"path": child}
    elif isinstance(child, str) and child == following:  # a level by its name alone
        child = {child: {}}
    if not isinstance(child, dict | list):
        raise KnockoutError(f"{part!r} is {_text(child)} here, which has no key {following!r}.", where=argument)
    holder[key] = child
    return child


def _change(holder: Any, last: str, value: Any, sign: str, argument: str) -> None:
    if isinstance(holder, list):
        if sign == "+" and last == str(len(holder)):
            holder.append(value)
            return
        position = _position(holder, last, argument)
        if sign == "~":
            del holder[position]
        elif sign == "+":
            raise KnockoutError(f"position {last} is taken; +...{len(holder)}=value adds at the end.", where=argument)
        else:
            holder[position] = value
    elif sign == "~":
        if last not in holder:
            raise UnknownNameError.of("key", last, holder, where=argument)
        del holder[last]
    elif sign == "+" and last in holder:
        raise KnockoutError(
            f"{last!r} is {_text(holder[last])} already; leave out the + to replace it.", where=argument
        )
    else:
        holder[last] = value


def _position(holder: Sequence[Any], part: str, argument: str) -> int:
    if not part.isdecimal() or int(part) >= len(holder):
        known = f"0 to {len(holder) - 1}; +...{len(holder)}=value adds one" if holder else "none"
        raise KnockoutError(f"{part!r} is no position in a list; there are {known}.", where=argument)
    return int(part)


def _parts(key: str) -> list[str]:
    """Return the keys of ``datasets.0.name``, or of ``datasets[0].name`` as messages write it."""
    return key.strip().replace("[", ".").replace("]", "").split(".")


def _text(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), allow_unicode=True, sort_keys=False)
    return text.removesuffix("...\n").strip()
