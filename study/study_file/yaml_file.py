"""Reads a study file safely, and remembers on which line each key stands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from components.core.errors import KnockoutError

MOST_VALUES = 100_000  # of a study file, every alias unfolded
_NAMES = ("name", "block")  # keys whose values are names
_TYPED = tuple(f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "bool"))


class _Loader(yaml.SafeLoader):
    """Reads plain words as YAML 1.2 does: ``off`` and ``no`` are words, ``1e-3`` is a number, no word is a date.

    Whole numbers are written in decimal digits alone: YAML 1.1 would read ``010`` as 8 and ``1:30`` as 90.

    Keys and names are text as written: YAML would read the names ``1.10`` and ``0256`` as the numbers 1.1 and 174.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return a mapping, its keys and its names as text."""
        for key, value in node.value:
            for part in (key, value) if key.value in _NAMES else (key,):
                if isinstance(part, yaml.ScalarNode) and part.tag in _TYPED:
                    part.tag = "tag:yaml.org,2002:str"
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if tag.rpartition(":")[2] not in ("bool", "int", "float", "timestamp")]
    for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?(0|[1-9]\d*)$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.\d+|\d+\.\d*|\d+(?=[eE]))([eE][-+]?\d+)?$|^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$"),
    list("-+.0123456789"),
)


@dataclass(frozen=True)
class YamlFile:
    """A YAML mapping with the line of every key path, for messages."""

    path: Path
    values: dict[str, Any]
    lines: dict[str, int]  # key path (``design.factors.gnn[0]``) to the line on which it stands

    def where(self, key_path: str) -> str:
        """Say where a key path stands: file, line, key."""
        path = key_path
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        line = f", line {self.lines[path]}" if path else ""
        return f"{self.path}{line}, {key_path}" if key_path else f"{self.path}{line}"


def read_yaml(path: Path) -> YamlFile:
    """Read a YAML mapping safely.

    Raises
    ------
    KnockoutError
        If the file is missing, is not UTF-8 YAML, holds a key twice, or is not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise KnockoutError("there is no such study file.", where=str(path)) from None
    except IsADirectoryError:
        raise KnockoutError("this is a folder; a study file is a YAML file.", where=str(path)) from None
    except OSError as error:
        raise KnockoutError(f"the file cannot be read: {error.strerror}.", where=str(path)) from None
    except UnicodeDecodeError:
        raise KnockoutError("the file is not UTF-8 text.", where=str(path)) from None
    return parse_yaml(text, path)


def parse_yaml(text: str, path: Path) -> YamlFile:
    """Return the mapping that a text of YAML is; see :func:`read_yaml`. ``path`` says where it stands."""
    node, values = _load(text, str(path))
    if not isinstance(values, dict):
        message = "a study file is a mapping of keys such as 'datasets' and 'design'."
        raise KnockoutError(message, where=str(path))
    file = YamlFile(path, values, {})
    _note_lines(file, node, "")
    return file


def parse_value(text: str, key: str, *, where: str) -> Any:
    """Return one value as a study file would read it under a key: a name is text, whatever it looks like.

    Raises
    ------
    KnockoutError
        If it is empty or no YAML.
    """
    if not text.strip():
        raise KnockoutError("the value is empty; write null for none, or '\"\"' for an empty text.", where=where)
    if key in _NAMES and not text.lstrip().startswith(("'", '"')):
        return text.strip()
    return _load(text, where)[1]


def study_text(name: str, content: Mapping[str, Any]) -> str:
    """Return a study file that says what a validated one said: :attr:`study.study_file.study.Study.content`."""
    values = {key: value for key, value in content.items() if value is not None}
    if "search" in values:
        values.pop("design", None)  # one or the other
    values["datasets"] = [
        {k: v for k, v in entry.items() if v not in (None, "")} for entry in map(_entry, values["datasets"])
    ]
    return yaml.safe_dump({"name": name, **values}, sort_keys=False, allow_unicode=True)


def _entry(item: str | dict[str, Any]) -> dict[str, Any]:
    return {"simulate": {}} if item == "simulated" else {"path": item} if isinstance(item, str) else item


def _load(text: str, where: str) -> tuple[Any, Any]:
    """Return the node and the value of a text of YAML."""
    try:
        node = yaml.compose(text, Loader=_Loader)
        _refuse_bomb(node, where)
        return node, yaml.load(text, Loader=_Loader)  # a SafeLoader, in essence
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f"{where}, line {mark.line + 1}" if mark and "\n" in text.strip() else where
        raise KnockoutError(f"not valid YAML: {getattr(error, 'problem', error)}.", where=at) from None
    except RecursionError:
        raise KnockoutError("an alias holds itself.", where=where) from None


def _refuse_bomb(root: Any, where: str) -> None:
    """Refuse aliases that unfold to more than any study says: a few hundred bytes can stand for billions of values."""
    sizes: dict[int, int] = {}  # of the nodes that were met, unfolded

    def size(node: Any) -> int:
        if id(node) not in sizes:
            children: list[Any] = node.value if isinstance(node, yaml.CollectionNode) else []
            pairs = [part for child in children for part in (child if isinstance(child, tuple) else (child,))]
            sizes[id(node)] = 1 + sum(map(size, pairs))
        return sizes[id(node)]

    if root is not None and size(root) > MOST_VALUES:
        raise KnockoutError(f"its aliases unfold to more than {MOST_VALUES:,} values.", where=where)


def _note_lines(file: YamlFile, node: Any, path: str) -> None:
    """Enter the lines of a node's keys, and refuse a key that stands twice."""
    if isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            child = f"{path}.{key.value}" if path else str(key.value)
            file.lines[child] = key.start_mark.line + 1
            if key.value in keys:
                raise KnockoutError(f"the key {key.value!r} stands here twice.", where=file.where(child))
            keys.add(key.value)
            _note_lines(file, value, child)
    elif isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            child = f"{path}[{position}]"
            file.lines[child] = value.start_mark.line + 1
            _note_lines(file, value, child)
