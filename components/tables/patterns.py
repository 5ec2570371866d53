"""Patterns of file names: ``{dataset}``, ``{network}``, ``{cell}`` stand for those of each data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from components.core.errors import KnockoutError
from components.tables.files import sibling_suggestion

PER_DATASET = ("dataset", "network", "cell")


def is_pattern(pattern: str) -> bool:
    """Return whether a file's name has a part in braces."""
    return "{" in pattern


def files_of(pattern: str, names: Sequence[str] = PER_DATASET) -> list[Path]:
    """Return the files that a pattern stands for, whatever the data sets are; their names may hold slashes."""
    if not pattern or not fits(pattern, names):
        return []
    stars = pattern.format_map(dict.fromkeys(names, "*") | {"dataset": "**/*"})
    root = Path(stars).anchor
    return sorted(path for path in Path(root).glob(str(Path(stars).relative_to(root))) if path.is_file())


def file_for(pattern: str, values: Mapping[str, object], what: str) -> Path:
    """Return the file of a data set, whose names are ``values``.

    Raises
    ------
    KnockoutError
        If the pattern has an unknown name in braces, or the file is not there, saying ``what`` it would be.
    """
    if not fits(pattern, [*values]):
        raise KnockoutError(f"{pattern}: in braces may stand {', '.join(values)}.")
    path = Path(pattern.format_map(values))
    if not path.is_file():
        raise KnockoutError(f"{values['dataset']} has no {what} {path}.{sibling_suggestion(path)}")
    return path


def fits(pattern: str, names: Sequence[str]) -> bool:
    """Return whether nothing but ``names`` stands in braces."""
    try:
        pattern.format_map(dict.fromkeys(names, ""))
    except (KeyError, ValueError, IndexError, AttributeError):
        return False
    return True
