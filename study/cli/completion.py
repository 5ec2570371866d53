"""What a shell offers on TAB, of which typer leaves out what does not begin as it was typed.

It has to answer at once, so nothing here waits for a library of numbers.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator
from pathlib import Path

from typer import Context

# the keys of a study file, whose own module takes seconds to import; a test compares them
KEYS = (
    *("name", "datasets", "preset", "reference", "design", "search", "controls", "baselines", "split", "repeats"),
    *("metric", "margin", "alpha", "looks", "training", "embeddings", "lanes", "plugins", "silent_arms"),
    "first_repeat",
)
MAPPINGS = ("reference", "design", "search", "training")  # keys that have keys of their own


def studies(incomplete: str) -> list[str]:
    """Return ready-made studies, the study files that begin so, and folders on the way to one."""
    from search_spaces.studies import named_studies

    return [*named_studies(), *_files(incomplete)]


def factors() -> list[str]:
    """Return the factors."""
    from components.core.registry import FACTORS

    return [*FACTORS]


def metrics() -> list[str]:
    """Return the metrics."""
    from reports.words.metrics import METRICS

    return [*METRICS]


def overrides(ctx: Context, incomplete: str) -> list[str]:
    """Return keys that can be set, and the values of those that take a name.

    Bash hands ``preset=scu`` over as three words, other shells as one.
    """
    words = [*(ctx.params.get("overrides") or ())]
    if words[-1:] == ["="]:
        return _values(words[-2] if len(words) > 1 else "")
    key, equals, _ = incomplete.partition("=")
    if equals:
        return [f"{key}={name}" for name in _values(key)]
    sign = incomplete[: len(incomplete) - len(incomplete.lstrip("+~"))]
    names = [sign + name for name in _keys(incomplete)]
    return [name.rstrip("=") for name in names] if sign == "~" else names


def _keys(incomplete: str) -> Iterator[str]:
    from components.core.budget import Budget
    from components.core.registry import FACTORS

    if "." not in incomplete:
        for key in dict.fromkeys([*KEYS, *FACTORS]):
            yield f"{key}." if key in MAPPINGS else f"{key}="
    yield from (f"training.{key}=" for key in Budget.model_fields)
    yield from (f"{place}.{key}=" for key in FACTORS for place in ("reference", "design.factors", "search.vary"))


def _values(key: str) -> list[str]:
    if key == "preset":
        from search_spaces.presets import PRESETS

        return [*PRESETS]
    return metrics() if key == "metric" else []


def _files(incomplete: str) -> Iterator[str]:
    for name in sorted(glob.glob(f"{glob.escape(incomplete)}*")):  # noqa: PTH207  # as it was typed: ./a, ../a
        if Path(name).is_dir():
            yield f"{name}/"
        elif name.endswith((".yaml", ".yml")):
            yield name
