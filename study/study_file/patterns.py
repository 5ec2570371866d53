"""Resolves what a study file leaves open: its scale, and the data sets that its patterns stand for."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from components.core.errors import KnockoutError, UnknownNameError
from components.data import readers

if TYPE_CHECKING:
    from study.spec.datasets import DatasetSpec

SCALES = ("cpu", "paper")  # what a machine without a GPU can do in an evening, and what the paper did


T = TypeVar("T")


def at_scale(values: dict[str, Any], scale: str | None) -> dict[str, Any]:
    """Return a study file's values with every ``{cpu: A, paper: B}`` replaced by what is meant at a scale.

    Raises
    ------
    KnockoutError
        If the scale is unknown, or the file offers none to choose from.
    """
    if scale is not None and scale not in SCALES:
        raise UnknownNameError.of("scale", scale, SCALES, where="--scale")
    chosen, offered = _resolve(values, scale or SCALES[0])
    if scale is not None and not offered:
        raise KnockoutError("this study has one scale; leave --scale away.", where="--scale")
    return chosen


def _resolve(value: Any, scale: str) -> tuple[Any, bool]:
    if isinstance(value, dict):
        if set(value) == set(SCALES):
            return _resolve(value[scale], scale)[0], True
        parts = {key: _resolve(part, scale) for key, part in value.items()}
        return {key: part for key, (part, _) in parts.items()}, any(offered for _, offered in parts.values())
    if isinstance(value, list):
        items = [_resolve(item, scale) for item in value]
        return [item for item, _ in items], any(offered for _, offered in items)
    return value, False


def choose(
    entries: Sequence[tuple[DatasetSpec, T]], root: Path, only: Sequence[str] = (), *, may_miss: bool = False
) -> list[tuple[DatasetSpec, T]]:
    """Return the data sets that a study's entries stand for, patterns replaced by the folders that fit them.

    Parameters
    ----------
    entries
        Data sets as written, each with its exam.
    root
        Folder that paths are relative to.
    only
        Patterns: what fits none of them, by path or name, is left out.
    may_miss
        Whether a pattern may fit nothing, as long as another does: a ready-made study names all published sets.

    Raises
    ------
    KnockoutError
        If a pattern fits nothing, or nothing is left.
    """
    expanded: list[tuple[DatasetSpec, T]] = []
    for position, (spec, exam) in enumerate(entries):
        paths = _expand(spec, root, f"datasets[{position}]", may_miss)
        expanded += [(spec if path is None else spec.model_copy(update={"path": path}), exam) for path in paths]
    if not expanded:
        patterns = ", ".join(str(spec.path) for spec, _ in entries)
        raise KnockoutError(f"there is no data set under {str(root)!r} that fits {patterns}.", where="--data")
    selected = [(spec, exam) for spec, exam in expanded if not only or any(_fits(spec, pattern) for pattern in only)]
    if not selected:
        known = ", ".join(str(spec.path or spec.name or "simulated") for spec, _ in expanded)
        raise KnockoutError(f"no data set fits {', '.join(only)}. The study has: {known}.", where="--only")
    return selected


def _expand(spec: DatasetSpec, root: Path, at: str, may_miss: bool) -> list[str | None]:
    """Return the paths of an entry: its own, or those of every data set that its pattern fits."""
    if spec.path is None or not set("*?[") & set(spec.path) or (root / spec.path).exists():
        return [None]
    if spec.name:
        raise KnockoutError("a pattern stands for several data sets; they cannot share a 'name'.", where=f"{at}.name")
    base = root.resolve()
    sets = [path.relative_to(base).as_posix() for path in readers.find(base)]
    fitting = [path for path in sets if Path(path).match(spec.path) and path.count("/") == spec.path.count("/")]
    if not fitting and not may_miss:
        raise KnockoutError(
            f"no data set under {str(root)!r} fits {spec.path!r}. There are: {', '.join(sets) or 'none'}.",
            where=f"{at}.path",
        )
    return list(fitting)


def _fits(spec: DatasetSpec, pattern: str) -> bool:
    return any(fnmatch(text, pattern) for text in (spec.path, spec.name) if text)
