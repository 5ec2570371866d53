"""Resolves what a study file leaves open: its scale, and the data sets that its entries and patterns stand for."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from components.core.errors import KnockoutError, UnknownNameError
from components.core.settings import parse_settings
from components.data import readers
from components.data.simulator import SimulatorSettings
from search_spaces.arm import Choice, parse_choice
from study.study_file.keys import DatasetSpec, StudyFile

SCALES = ("cpu", "paper")  # what a machine without a GPU can do in an evening, and what the paper did


def at_scale(values: dict[str, Any], scale: str | None) -> dict[str, Any]:
    """Return a study file's values with every ``{cpu: A, paper: B}`` replaced by what is meant at a scale.

    Raises
    ------
    KnockoutError
        If the scale is unknown, or the file offers none to choose from.
    """
    if scale is not None and scale not in SCALES:
        raise UnknownNameError.of("scale", scale, SCALES, where="--scale")
    chosen: dict[str, Any] = _resolve(values, scale or SCALES[0])
    if scale is not None and chosen == values:  # a choice is never equal to what it is chosen from
        raise KnockoutError("this study has one scale; leave --scale away.", where="--scale")
    return chosen


def _resolve(value: Any, scale: str) -> Any:
    if isinstance(value, dict):
        if set(value) == set(SCALES):
            return _resolve(value[scale], scale)
        return {key: _resolve(part, scale) for key, part in value.items()}
    return [_resolve(item, scale) for item in value] if isinstance(value, list) else value


def entry(raw: StudyFile, item: str | DatasetSpec, position: int) -> tuple[DatasetSpec, Choice]:
    """Return an entry of a study's data sets with its exam.

    Raises
    ------
    KnockoutError
        If it is no data set, or its exam is not one for it, with the key path.
    """
    at = f"datasets[{position}]"
    spec = _dataset(item, at)
    if spec.train_on is None and spec.split is None:
        return spec, parse_choice("split", raw.split, where="split")
    # the study's exam is about one data set
    choice = parse_choice("split", "transfer" if spec.split is None else spec.split, where=f"{at}.split")
    if spec.train_on is not None and choice.level != "transfer":
        message = f"{choice.level!r} cuts one data set; an entry with train_on is examined by 'transfer'."
        raise KnockoutError(message, where=f"{at}.split")
    return spec, choice


def _dataset(item: str | DatasetSpec, at: str) -> DatasetSpec:
    if item == "simulated":
        return DatasetSpec(simulate={})
    spec = DatasetSpec(path=item) if isinstance(item, str) else item
    if (spec.path is None) == (spec.simulate is None):
        raise KnockoutError("a data set is either a 'path' or 'simulate'.", where=at)
    if spec.orthologs and spec.train_on is None:
        raise KnockoutError("orthologs match genes with those of train_on; name that, too.", where=f"{at}.orthologs")
    if spec.simulate is not None:
        if spec.train_on is not None:
            raise KnockoutError("a simulated data set shares no genes with another.", where=f"{at}.train_on")
        parse_settings(SimulatorSettings, spec.simulate, owner="simulate", where=f"{at}.simulate")
        if spec.network_file or spec.tfs_file:
            raise KnockoutError("a simulated data set brings its own network and TFs; give no file.", where=at)
    return spec


def choose(
    entries: Sequence[tuple[DatasetSpec, Choice]], root: Path, only: Sequence[str] = (), *, may_miss: bool = False
) -> list[tuple[DatasetSpec, Choice]]:
    """Return the data sets that a study's entries stand for, patterns replaced by the folders that fit them.

    Parameters
    ----------
    only
        Patterns: what fits none of them, by path or name, is left out.
    may_miss
        Whether a pattern may fit nothing, as long as another does: a ready-made study names all published sets.

    Raises
    ------
    KnockoutError
        If a pattern fits nothing, or nothing is left.
    """
    expanded: list[tuple[DatasetSpec, Choice]] = []
    for position, (spec, exam) in enumerate(entries):
        expanded += [(one, exam) for one in _expand(spec, root, f"datasets[{position}]", may_miss)]
    if not expanded:
        patterns = ", ".join(str(spec.path) for spec, _ in entries)
        raise KnockoutError(f"there is no data set under {str(root)!r} that fits {patterns}.", where="--data")
    selected = [(spec, exam) for spec, exam in expanded if not only or any(_fits(spec, pattern) for pattern in only)]
    if not selected:
        known = ", ".join(str(spec.path or spec.name or "simulated") for spec, _ in expanded)
        raise KnockoutError(f"no data set fits {', '.join(only)}. The study has: {known}.", where="--only")
    return selected


def _expand(spec: DatasetSpec, root: Path, at: str, may_miss: bool) -> list[DatasetSpec]:
    """Return the data sets of an entry: itself, or every one that its pattern fits."""
    if spec.path is None or not set("*?[") & set(spec.path) or (root / spec.path).exists():
        return [spec]
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
    return [spec.model_copy(update={"path": path}) for path in fitting]


def _fits(spec: DatasetSpec, pattern: str) -> bool:
    return any(fnmatch(text, pattern) for text in (spec.path, spec.name) if text)
