"""Factors and their levels: what can be swapped in a GRN model, found by name.

A level is one class, decorated with :func:`register`, that carries its frozen settings class as ``Settings``.
Levels of other packages are found through the entry-point group ``knockout.levels``: an entry point names a
module, and importing that module registers what it holds.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar

from components.core.errors import KnockoutError, UnknownNameError
from components.core.settings import Settings, parse_settings

__all__ = [
    "ENTRY_POINTS",
    "FACTORS",
    "Factor",
    "code_digest",
    "factor",
    "level",
    "levels",
    "parse",
    "register",
    "silenced_by",
]

ENTRY_POINTS = "knockout.levels"

T = TypeVar("T", bound=type)


@dataclass(frozen=True)
class Factor:
    """One thing of a GRN model or its exam that can be swapped.

    Attributes
    ----------
    name
        Word used in study files, tables and MLflow.
    meaning
        One line for ``knockout components``.
    modules
        Modules that register the built-in levels; imported when first asked for.
    absent
        Level that stands for 'without this part' in a leave-one-out design.
    exam
        Whether the factor belongs to the exam (same for every arm) and so cannot be varied in a design.
    """

    name: str
    meaning: str
    modules: tuple[str, ...]
    absent: str
    exam: bool = False


FACTORS: dict[str, Factor] = {
    f.name: f
    for f in (
        Factor(
            "scorer",
            "what gives a pair its score: the assembled model, a known method, or a control",
            (
                "components.scorer.base",
                "components.scorer.correlation",
                "components.scorer.trees",
                "components.scorer.cnnc",
                "components.scorer.deepsem",
            ),
            "assembled",
        ),
        Factor(
            "bucketing",
            "what a gene carries in",
            ("components.bucketing.base", "components.bucketing.coexpression", "components.bucketing.gene_cell"),
            "none",
        ),
        Factor(
            "gnn",
            "reads gene features over the graph of training positives",
            ("components.gnn.base", "components.gnn.gin"),
            "none",
        ),
        Factor(
            "pair_encoder",
            "encodes the two genes of a candidate pair",
            ("components.pair_encoder.base", "components.pair_encoder.gpdht"),
            "mlp",
        ),
        Factor("fusion", "joins pair encoding and graph embeddings", ("components.fusion.base",), "late"),
        Factor(
            "contrast",
            "contrastive loss over gene pairs",
            ("components.contrast.base", "components.contrast.supcon"),
            "off",
        ),
        Factor(
            "negatives",
            "draws the training negatives",
            ("components.negatives.base", "components.negatives.cooccurrence", "components.negatives.degree_matched"),
            "uniform",
        ),
        Factor("optimizer", "fits the weights", ("components.optimizer",), "adam"),
        Factor(
            "split",
            "the exam: which pairs train, validate and test",
            (
                "components.split.published",
                "components.split.kfold",
                "components.split.honest",
                "components.split.transfer",
            ),
            "per_tf",
            exam=True,
        ),
    )
}

_LEVELS: dict[str, dict[str, type]] = {name: {} for name in FACTORS}


def register(factor_name: str, level_name: str) -> Callable[[T], T]:
    """Make a class a level of a factor.

    Examples
    --------
    >>> @register("gnn", "mine")  # doctest: +SKIP
    ... class Mine(GNN):
    ...     class Settings(GNN.Settings):
    ...         heads: int = setting(3, "attention heads", ge=1, le=16)

    Raises
    ------
    UnknownNameError
        If there is no such factor.
    KnockoutError
        If the name is taken by another class, or the class has no ``Settings`` or no docstring.
    """
    factor(factor_name)

    def add(cls: T) -> T:
        owner = f"{factor_name} level {level_name!r}"
        settings = getattr(cls, "Settings", None)
        if not (inspect.isclass(settings) and issubclass(settings, Settings)):
            raise KnockoutError(f"{owner}: {cls.__qualname__} needs a nested class Settings(Settings).")
        if not cls.__doc__:  # inspect.getdoc would take the base's
            raise KnockoutError(f"{owner}: {cls.__qualname__} needs a docstring; it becomes the documentation.")
        taken = _LEVELS[factor_name].get(level_name)
        if taken is not None and _origin(taken) != _origin(cls):
            raise KnockoutError(f"{owner} is taken: {_origin(taken)} and {_origin(cls)} both want it.")
        _LEVELS[factor_name][level_name] = cls
        return cls

    return add


def factor(name: str, *, where: str = "") -> Factor:
    """Return a factor by name, or say which exist."""
    if name not in FACTORS:
        raise UnknownNameError.of("factor", name, FACTORS, where=where)
    return FACTORS[name]


def levels(factor_name: str) -> dict[str, type]:
    """Return every registered level of a factor, built-in and plug-in, by name."""
    for module in factor(factor_name).modules:
        importlib.import_module(module)
    _load_plugins()
    return dict(_LEVELS[factor_name])


def level(factor_name: str, level_name: str, *, where: str = "") -> type:
    """Return the class of a level by name, or say which exist and which was probably meant."""
    known = levels(factor(factor_name, where=where).name)
    if level_name not in known:
        raise UnknownNameError.of(f"level of {factor_name}", level_name, known, where=where)
    return known[level_name]


def parse(factor_name: str, level_name: str, given: dict[str, Any] | None = None, *, where: str = "") -> Settings:
    """Return the validated settings of a level from what a user wrote."""
    cls: Any = level(factor_name, level_name, where=where)
    settings: type[Settings] = cls.Settings
    return parse_settings(settings, given or {}, owner=f"{factor_name}.{level_name}", where=where)


def silenced_by(factor_name: str, level_name: str) -> frozenset[str]:
    """Return the factors that cannot act beside this level (``gnn=none`` leaves ``fusion`` nothing to fuse)."""
    return frozenset(getattr(level(factor_name, level_name), "silences", ()))


@cache
def code_digest(parts: tuple[tuple[str, str], ...], extra: tuple[str, ...] = ()) -> str:
    """Digest the source files of the named levels and of the ``extra`` modules: the code version of a cell.

    What a level inherits from other levels and bases counts; further modules it leaves work to it names in ``uses``.
    """
    classes = [level(f, name) for f, name in parts]
    modules = {inspect.getmodule(base) for cls in classes for base in cls.__mro__ if hasattr(base, "Settings")}
    used = {name for cls in classes for name in getattr(cls, "uses", ())}
    modules |= {importlib.import_module(name) for name in (*used, *extra)}
    sha = hashlib.sha256()
    for path in sorted(str(m.__file__) for m in modules if m is not None and m.__file__):
        sha.update(Path(path).name.encode())
        sha.update(Path(path).read_bytes())
    return sha.hexdigest()[:16]


def _origin(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


@cache
def _load_plugins() -> None:
    for entry in entry_points(group=ENTRY_POINTS):
        try:
            entry.load()
        except KnockoutError as error:
            raise KnockoutError(error.message, where=f"plug-in {entry.name} ({entry.value})") from error
        except Exception as error:
            raise KnockoutError(
                f"could not be loaded: {type(error).__name__}: {error}",
                where=f"plug-in {entry.name} ({entry.value})",
            ) from error
