"""Settings of a level: each parameter with its type, default, bounds, search range, unit and meaning."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from components.core.errors import KnockoutError, UnknownNameError

S = TypeVar("S", bound="Settings")


class Settings(BaseModel):
    """Base of all settings: frozen and strictly typed; unknown keys and strings in place of numbers are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def heads_divide_dim(settings: Any) -> Any:
    """Return settings whose ``heads`` divide their ``dim``; raise ValueError for others: an 'after' validator."""
    if settings.dim % settings.heads:
        raise ValueError(f"heads ({settings.heads}) must divide dim ({settings.dim})")
    return settings


def setting(
    default: Any,
    meaning: str,
    *,
    ge: float | None = None,
    le: float | None = None,
    unit: str = "",
    search: tuple[Any, ...] | None = None,
    log: bool = False,
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
    """
    extra: dict[str, Any] = {"unit": unit, "search": list(search) if search else None, "log": log}
    return Field(default, description=meaning, ge=ge, le=le, json_schema_extra=extra)


def parse_settings(cls: type[S], given: dict[str, Any], *, owner: str, where: str = "") -> S:
    """Validate settings as a user wrote them.

    Raises
    ------
    UnknownNameError
        For a key that the level does not declare.
    KnockoutError
        For a value of the wrong type or out of bounds.
    """
    for key in given:
        if key not in cls.model_fields:
            raise UnknownNameError.of(f"setting of {owner}", key, cls.model_fields, where=where)
    try:
        return cls(**{key: tuple(v) if isinstance(v, list) else v for key, v in given.items()})
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:  # a validator of the class: each setting is valid, their combination is not
            raise KnockoutError(f"{owner}: {first['msg'].removeprefix('Value error, ')}.", where=where) from None
        raise KnockoutError(_first_error(error, owner), where=where) from None


def parse_value(cls: type[Settings], name: str, given: Any, *, owner: str, where: str = "") -> Any:
    """Validate one setting regardless of the others and return its value.

    Raises
    ------
    KnockoutError
        For a value of the wrong type or out of bounds.
    """
    try:
        return _validator(cls, name).validate_python(tuple(given) if isinstance(given, list) else given)
    except ValidationError as error:
        raise KnockoutError(_first_error(error, f"{owner}.{name}"), where=where) from None


@dataclass(frozen=True)
class Search:
    """Declared search range of one setting.

    Attributes
    ----------
    number
        ``int`` or ``float`` for a setting that can be drawn from a range, None for one with choices only.
    values
        ``(low, high)`` of a number, or the choices; empty if a search does not vary the setting.
    log
        Whether numbers are drawn on a logarithmic scale.
    """

    number: type | None
    values: tuple[Any, ...]
    log: bool


def search_range(cls: type[Settings], name: str) -> Search:
    """Return the declared search range of one setting."""
    field = cls.model_fields[name]
    extra: Any = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    kind: Any = field.annotation
    return Search(kind if kind in (int, float) else None, tuple(extra.get("search") or ()), bool(extra.get("log")))


def describe(cls: type[Settings]) -> list[dict[str, str]]:
    """Return one row per setting: name, default, range, search range, unit and meaning, as text."""
    rows = []
    schema = cls.model_json_schema().get("properties", {})
    for name, field in cls.model_fields.items():
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        rows.append(
            {
                "setting": name,
                "default": str(field.default),
                "range": _range(schema[name]),
                "search": _search(extra),
                "unit": str(extra.get("unit", "")),
                "meaning": field.description or "",
            }
        )
    return rows


def _first_error(error: ValidationError, owner: str) -> str:
    first = error.errors()[0]
    key = ".".join([owner, *map(str, first["loc"])])
    return f"{key}: {first['msg'].lower()}, got {first['input']!r}."


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


def _search(extra: dict[str, Any]) -> str:
    search = extra.get("search")
    if not search:
        return ""
    scale = " (log)" if extra.get("log") else ""
    return "{" + ", ".join(map(str, search)) + "}" + scale
