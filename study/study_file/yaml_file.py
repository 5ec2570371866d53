"""Reads a study file safely, and remembers on which line each key stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from components.core.errors import KnockoutError

__all__ = ["YamlFile"]


class _Loader(yaml.SafeLoader):
    """Reads plain words as YAML 1.2 does: ``off`` and ``no`` are words, ``1e-3`` is a number, no word is a date."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if tag.rpartition(":")[2] not in ("bool", "float", "timestamp")]
    for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.\d+|\d+\.\d*|\d+(?=[eE]))([eE][-+]?\d+)?$|^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$"),
    list("-+.0123456789"),
)


class YamlFile:
    """A YAML mapping with the line of every key path, for messages.

    Raises
    ------
    KnockoutError
        If the file is missing, is not UTF-8 YAML, holds a key twice, or is not a mapping.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            text = path.read_text(encoding="utf-8")
            node = yaml.compose(text, Loader=_Loader)
            self.values = yaml.load(text, Loader=_Loader)  # a SafeLoader, in essence
            self._lines: dict[str, int] = {}
            self._walk(node, "")
        except FileNotFoundError:
            raise KnockoutError("there is no such study file.", where=str(path)) from None
        except IsADirectoryError:
            raise KnockoutError("this is a folder; a study file is a YAML file.", where=str(path)) from None
        except OSError as error:
            raise KnockoutError(f"the file cannot be read: {error.strerror}.", where=str(path)) from None
        except UnicodeDecodeError:
            raise KnockoutError("the file is not UTF-8 text.", where=str(path)) from None
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            at = f"{path}, line {mark.line + 1}" if mark else str(path)
            raise KnockoutError(f"not valid YAML: {getattr(error, 'problem', error)}.", where=at) from None
        except RecursionError:
            raise KnockoutError("an alias holds itself.", where=str(path)) from None
        if not isinstance(self.values, dict):
            raise KnockoutError("a study file is a mapping of keys such as 'datasets' and 'design'.", where=str(path))

    def where(self, key_path: str) -> str:
        """Say where a key path stands: file, line, key."""
        path = key_path
        while path and path not in self._lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        line = f", line {self._lines[path]}" if path else ""
        return f"{self.path}{line}, {key_path}" if key_path else f"{self.path}{line}"

    def _walk(self, node: Any, path: str) -> None:
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                child = f"{path}.{key.value}" if path else str(key.value)
                self._lines[child] = key.start_mark.line + 1
                if key.value in seen:
                    raise KnockoutError(f"the key {key.value!r} stands here twice.", where=self.where(child))
                seen.add(key.value)
                self._walk(value, child)
        elif isinstance(node, yaml.SequenceNode):
            for position, value in enumerate(node.value):
                child = f"{path}[{position}]"
                self._lines[child] = value.start_mark.line + 1
                self._walk(value, child)
