"""Errors that a user can correct: what was given, what is allowed, the nearest match, and where."""

from __future__ import annotations

import difflib
import os
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

MASK = "***"
_LONGEST = 200  # characters of a value in a message
_SHORTEST = 4  # letters of a secret that is masked wherever it stands; a shorter one would mask half a sentence


class KnockoutError(Exception):
    """A mistake that the user can correct in a study file, its data or a command: exit code 2, no traceback."""

    def __init__(self, message: str, *, where: str = "") -> None:
        self.message, self.where = redact(message), redact(where)
        super().__init__(f"{self.where}: {self.message}" if where else self.message)

    def __reduce__(self) -> tuple[object, ...]:
        """Keep ``where`` when pickled on the way back from a worker: keyword arguments are lost by default."""
        return partial(type(self), where=self.where), (self.message,)


class UnknownNameError(KnockoutError):
    """A name that does not exist."""

    @classmethod
    def of(cls, kind: str, name: object, allowed: Iterable[str], *, where: str = "") -> UnknownNameError:
        """Return the error for an unknown ``kind`` of name: which was given, the nearest one, and all that exist."""
        names = list(allowed)
        hint = suggestion(str(name), names)
        return cls(f"unknown {kind} {name!r}.{hint} Known: {', '.join(names) or 'none'}.", where=where)


def redact(text: str, *uris: str) -> str:
    """Mask what may be a secret in the URLs of a text: user, password, query, fragment.

    Parameters
    ----------
    text
        What is printed or written.
    uris
        URLs in use; their passwords, tokens and queries are masked wherever they stand, as libraries quote them alone.
    """
    if "://" in text and text in uris:  # a URL alone: a password may hold anything
        return re.sub(r"[?#].+", f"?{MASK}", re.sub(r"(?<=://)[^/].*@", f"{MASK}@", text, flags=re.S), flags=re.S)
    for secret in sorted({part for uri in uris for part in _secrets(uri)}, key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = re.sub(r"(?<=://)[^\s/'\"<>][^\s'\"<>]*@", f"{MASK}@", text)
    return re.sub(r"(://[^\s'\"<>?#]*)[?#][^\s'\"<>,;)\]]+", rf"\1?{MASK}", text)


def brief(error: Exception, *uris: str) -> str:
    """Return what a library's error says, in a line of a sentence or two, without the secrets of the URLs in use."""
    text = redact(str(error).strip() or type(error).__name__, *uris)
    line = " ".join(text.split("\n[SQL")[0].split())[:300]
    return line if line.endswith((".", "!", "?")) else f"{line}."


def unwritable(error: OSError, path: Path) -> str:
    """Return why a file, or a folder, cannot be made: a file that stands where a folder must be is named."""
    file = next((above for above in path.parents if os.path.lexists(above) and not above.is_dir()), None)
    return f"{file} is a file, and no folder" if file else error.strerror or str(error)


def command(*words: object) -> str:
    """Return a command as a shell takes it, words with spaces in quotes; all that are printed come from here."""
    return shlex.join(map(str, words))


def count(n: int, one: str) -> str:
    """Write a number of things: '1 edge', '7 edges'."""
    return f"{n} {one}" if n == 1 else f"{n} {one}s"


def first_of(names: Sequence[str], most: int = 5) -> str:
    """Write names side by side: the first ones, and that there are more where there are."""
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def _secrets(uri: str) -> list[str]:
    """Return what of a URL is masked wherever it stands: the password, a user without one (a token), the query."""
    rest = uri.partition("://")[2]
    user = "" if rest.startswith("/") else rest.rpartition("@")[0]
    query = rest.removeprefix(user).partition("?")[2]
    name, _, password = user.partition(":")
    parts = [user, password or name, query, *(value for _, value in parse_qsl(query))]
    return [part for text in parts for part in {text, unquote(text)} if len(part) >= _SHORTEST]


def nearest(word: str, allowed: Iterable[str]) -> str | None:
    """Return the allowed name closest to what was typed, in any case, or None if none is close."""
    by_lower, typed = {name.lower(): name for name in allowed}, word.lower()
    matches = difflib.get_close_matches(typed, by_lower, n=3, cutoff=0.5)
    swapped = [match for match in matches if sorted(match) == sorted(typed)]  # 'gnc' means 'gcn', not 'gin'
    return by_lower[(swapped or matches)[0]] if matches else None


def suggestion(word: str, allowed: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the nearest allowed name, or nothing if none is close."""
    match = nearest(word, allowed)
    return f" Did you mean {match!r}?" if match else ""


_NEEDED = {  # by the start of pydantic's type of an error
    "bool": "true or false is needed",
    "int": "a whole number is needed",
    "float": "a number is needed",
    "finite": "a finite number is needed",
    "string": "a text is needed",
    "list": "a list is needed",
    "tuple": "a list is needed",
    "dict": "a mapping is needed",
    "mapping": "a mapping is needed",
    "model": "a mapping is needed",
}
_BOUNDS = {
    "greater_than_equal": "at least {} is needed",
    "greater_than": "more than {} is needed",
    "less_than_equal": "at most {} is needed",
    "less_than": "less than {} is needed",
    "literal_error": "one of {} is needed",
    "too_short": "a list that is not empty is needed",
    "string_too_short": "a text that is not empty is needed",
    "string_too_long": "a text of at most {} letters is needed",
}


def complaint(problem: Mapping[str, Any], key: str = "", known: Iterable[str] = ()) -> str:
    """Say what is needed, what was given and, where that can be told, how to write it.

    Parameters
    ----------
    problem
        ``type, input, msg, ctx`` of one of pydantic's errors.
    key
        Key under which the value stands.
    known
        Keys of the mapping that is needed, where they are known.
    """
    kind, value = str(problem["type"]), problem["input"]
    if kind in _BOUNDS:
        need = _BOUNDS[kind].format(*problem.get("ctx", {}).values())
    else:
        need = _NEEDED.get(kind.partition("_")[0]) or str(problem["msg"]).lower()
    cure = _as_mapping(value, list(known)) if need == _NEEDED["dict"] else _as_value(need, value)
    if known and not cure:
        return f"{need}, got {as_written(value)}. Its keys: {', '.join(known)}."
    return f"{need}, got {as_written(value)}.{f' Write {key}: {cure}.' if cure and key else ''}"


def _as_value(need: str, value: Any) -> str:
    """Write what was meant as a list, or as what alone stands in one; nothing where that cannot be told."""
    many = isinstance(value, list | tuple)
    if need == _NEEDED["list"] and value is not None and not many:
        return f"[{as_written(value, quoted=False)}]"
    if many and len(value) == 1 and not isinstance(value[0], list | tuple | Mapping):
        return as_written(value[0], quoted=False)
    return ""


def _as_mapping(raw: Any, known: list[str]) -> str:
    """Write what was meant as a mapping: a list of mappings as one, names with their values to come."""
    items = list(raw) if isinstance(raw, list | tuple) else [raw]
    if items and all(isinstance(item, Mapping) for item in items):
        return as_written({key: value for item in items for key, value in item.items()})
    names = [item for item in items if isinstance(item, str) and (not known or item in known)]
    return f"{{{', '.join(f'{name}: ...' for name in names)}}}" if names else ""


def as_written(value: Any, *, quoted: bool = True) -> str:
    """Return a value as a study file has it on one line, a text in quotes."""
    import yaml

    if isinstance(value, str):
        return repr(value) if quoted else value
    try:
        text = yaml.safe_dump(_plain(value), default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True)
    except yaml.YAMLError:
        return repr(value)
    text = text.removesuffix("\n").removesuffix("\n...")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _plain(value: Any) -> Any:
    """Return a value with lists in place of tuples."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
