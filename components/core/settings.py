"""Settings of a level: each parameter with its type, default, bounds, search range, unit and meaning."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from components.core.errors import KnockoutError, UnknownNameError, as_written, complaint, suggestion

S = TypeVar("S", bound="Settings")
_START: ContextVar[Path] = ContextVar("start", default=Path())


@contextmanager
def paths_from(folder: Path) -> Iterator[None]:
    """Let relative paths in settings that are parsed inside start from a folder, and not from the working folder."""
    token = _START.set(folder)
    try:
        yield
    finally:
        _START.reset(token)


def _absolute(path: str) -> str:
    return str(Path.cwd() / _START.get() / Path(path).expanduser()) if path else path


def _input_files(path: str) -> str:
    absolute = _absolute(path)
    if path and "{" not in path and not Path(absolute).is_file():
        folder = Path(absolute).parent
        files = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
        raise ValueError(f"there is no file {absolute}.{suggestion(Path(path).name, files)}")
    return absolute


_BY_CONTENT = "by content"  # marks a setting whose identity is what the file holds, and not where it lies
AnyPath = Annotated[str, AfterValidator(_absolute)]  # made absolute; need not exist
InputFiles = Annotated[str, AfterValidator(_input_files), _BY_CONTENT]  # a file that exists, or a pattern


class Settings(BaseModel):
    """Base of all settings: frozen and strictly typed; unknown keys and strings in place of numbers are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @classmethod
    def is_open(cls) -> bool:
        """Whether a user may name settings that the class does not declare."""
        return cls.model_config.get("extra") == "allow"

    @model_validator(mode="after")
    def _divide(self) -> Self:
        for name, other in divisors(type(self)).items():
            if getattr(self, other) % getattr(self, name):
                raise ValueError(f"{name} ({getattr(self, name)}) must divide {other} ({getattr(self, other)})")
        return self

    def inherited(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a user set here, for a choice of the same level with some settings ``raw``."""
        return {name: getattr(self, name) for name in self.model_fields_set}

    def on(self, names: Mapping[str, str]) -> Self:
        """Return the settings for a data set of these names (``dataset``, ``network``, ``cell``): all the same."""
        return self

    def example(self) -> Self:
        """Return the settings for some data set of the study's, where they differ between them."""
        return self

    def part(self) -> tuple[str, Settings] | None:
        """Return another level of the same factor that this one is built with, and its settings; None for none."""
        return None

    @classmethod
    def completed(cls, raw: dict[str, Any], level: str, settings: Settings) -> dict[str, Any]:
        """Return what a user wrote with what it takes over from the reference's choice of this factor."""
        return raw

    def identity(self) -> dict[str, Any]:
        """Return what can change an outcome, as plain JSON values: all settings, an input file by its content."""
        values: dict[str, Any] = self.model_dump(mode="json")
        for name, field in type(self).model_fields.items():
            if values[name] and _BY_CONTENT in field.metadata:
                values[name] = content_digest(Path(values[name]))
        return values


def content_digest(path: Path) -> str:
    """Return the digest of a file's content, read again only where the file has changed; 'missing' without a file."""
    try:
        state = path.stat()
        return _digest(path, state.st_mtime_ns, state.st_size)
    except OSError:
        return "missing"


@lru_cache(maxsize=4096)
def _digest(path: Path, _modified: int, _size: int) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()[:20]}"


def setting(
    default: Any,
    meaning: str,
    *,
    ge: float | None = None,
    le: float | None = None,
    unit: str = "",
    search: tuple[Any, ...] | None = None,
    log: bool = False,
    divides: str = "",
) -> Any:
    """Declare one parameter of a level.

    Parameters
    ----------
    default
        Value of the published model, or the most common one in the field.
    meaning
        One line for ``knockout components`` and the docs.
    ge, le
        Bounds that validation enforces, both inclusive.
    unit
        Unit, where there is one.
    search
        ``(low, high)`` for numbers, or the choices; None keeps the parameter out of searches.
    log
        Whether a search draws on a logarithmic scale.
    divides
        Another setting of the level, of which this one must be a divisor; a search draws the two so.
    """
    extra: dict[str, Any] = {"unit": unit, "search": list(search) if search else None, "log": log}
    extra |= {"divides": divides} if divides else {}
    return Field(default, description=meaning, ge=ge, le=le, json_schema_extra=extra)


def parse_settings(cls: type[S], raw: dict[str, Any], *, owner: str, where: str = "") -> S:
    """Validate settings as a user wrote them.

    Raises
    ------
    UnknownNameError
        For a key that the level does not declare.
    KnockoutError
        For a value of the wrong type or out of bounds.
    """
    for key in raw:
        if key not in cls.model_fields and not cls.is_open():
            raise UnknownNameError.of(f"setting of {owner}", key, cls.model_fields, where=where)
    try:
        return cls(**{key: tuple(v) if isinstance(v, list) else v for key, v in raw.items()})
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:  # a validator of the class: each setting is valid, their combination is not
            raise KnockoutError(f"{owner}: {first['msg'].removeprefix('Value error, ')}.", where=where) from None
        raise KnockoutError(_first_error(error, owner), where=where) from None


def parse_value(cls: type[Settings], name: str, raw: Any, *, owner: str, where: str = "") -> Any:
    """Validate one setting regardless of the others and return its value.

    Raises
    ------
    KnockoutError
        For a value of the wrong type or out of bounds.
    """
    try:
        return _validator(cls, name).validate_python(tuple(raw) if isinstance(raw, list) else raw)
    except ValidationError as error:
        raise KnockoutError(_first_error(error, f"{owner}.{name}"), where=where) from None


@dataclass(frozen=True)
class Search:
    """Declared search range of one setting."""

    number: type | None  # int or float for a setting that can be drawn from a range, None for one with choices only
    values: tuple[Any, ...]  # (low, high) of a number, or the choices; empty if a search does not vary the setting
    log: bool  # whether numbers are drawn on a logarithmic scale


def search_range(cls: type[Settings], name: str) -> Search:
    """Return the declared search range of one setting."""
    field = cls.model_fields[name]
    extra: Any = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    kind: Any = field.annotation
    return Search(kind if kind in (int, float) else None, tuple(extra.get("search") or ()), bool(extra.get("log")))


@cache
def divisors(cls: type[Settings]) -> dict[str, str]:
    """Return the settings that must divide another one, each with that other: ``heads``, which divides ``dim``."""
    extras = {name: field.json_schema_extra for name, field in cls.model_fields.items()}
    return {name: str(e["divides"]) for name, e in extras.items() if isinstance(e, dict) and e.get("divides")}


def describe(cls: type[Settings]) -> list[dict[str, str]]:
    """Return one row per setting: name, default, range, search range, unit and meaning, as text."""
    rows = []
    schema = cls.model_json_schema().get("properties", {})
    for name, field in cls.model_fields.items():
        extra: Any = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        search = ", ".join(map(str, extra.get("search") or ()))
        rows.append(
            {
                "setting": name,
                "default": str(field.default),
                "range": _range(schema[name]),
                "search": f"{{{search}}}{' (log)' if extra.get('log') else ''}" if search else "",
                "unit": str(extra.get("unit", "")),
                "meaning": field.description or "",
            }
        )
    return rows


def _first_error(error: ValidationError, owner: str) -> str:
    first = error.errors()[0]
    key = owner + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
    if first["type"] == "value_error":  # a validator of ours, which has names and paths as they are written
        message = str(first["ctx"]["error"])
        if message.endswith((".", "?")):
            return f"{key}: {message}"
        return f"{key}: {message}, got {as_written(first['input'])}."
    name = first["loc"][-1] if first["loc"] else owner.rpartition(".")[2]
    several = isinstance(first["input"], tuple) and len(first["input"]) > 1 and "tuple" not in first["type"]
    more = " An arm has one value here: a design lists levels with one each, a search has ranges." if several else ""
    return f"{key}: {complaint(first, name if isinstance(name, str) else '')}{more}"


@cache
def _validator(cls: type[Settings], name: str) -> TypeAdapter[Any]:
    field = cls.model_fields[name]
    kind: Any = Annotated[field.annotation, field]
    return TypeAdapter(kind, config=cls.model_config)


def _range(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    item = schema.get("items", {}) if schema.get("type") == "array" else schema
    low, high = item.get("minimum"), item.get("maximum")
    kind = str(schema.get("type", "any"))
    if low is None and high is None:
        return kind
    return f"{kind} in [{'-inf' if low is None else low}, {'inf' if high is None else high}]"
