"""Factors and their levels, found by name: what can be swapped in a model or its exam.

A level is a class decorated with :func:`register`, with its frozen settings class nested as ``Settings``. Importing the
package ``components.<factor>`` registers the built-in levels of a factor. Other packages add levels through the
entry-point group ``knockout.levels``: an entry point names a module, and importing that module registers its levels,
metrics, presets and readers. One group for all: a module that adds a loss and a preset that uses it is imported once,
and no kind of part depends on the order in which groups are read.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any, TypeVar

from components.core.errors import KnockoutError, UnknownNameError
from components.core.settings import Settings, parse_settings

ENTRY_POINTS = "knockout.levels"

T = TypeVar("T", bound=type)


@dataclass(frozen=True)
class Factor:
    """One part of a model, or of its exam, that can be swapped.

    Attributes
    ----------
    name
        Name in study files, tables and MLflow.
    meaning
        One line for ``knockout components``.
    absent
        Level that stands for 'without this part' in a leave-one-out design; of an exam the default.
    exam
        Whether the factor belongs to the exam, which is the same for every arm, and so cannot vary in a design.
    acts
        What a plug-in's factor changes: ``expression``, ``embeddings`` or ``scores``; empty for the factors here.
    optional
        Whether an arm need not name the factor: its absence leaves the arm what it was before the factor was known.
    """

    name: str
    meaning: str
    absent: str
    exam: bool = False
    acts: str = ""
    optional: bool = False


FACTORS: dict[str, Factor] = {
    factor.name: factor
    for factor in (
        Factor("scorer", "what gives a pair its score: the assembled model, a known method, or a control", "assembled"),
        Factor("bucketing", "what a gene carries in", "none"),
        Factor("gnn", "reads gene features over the graph of training positives", "none"),
        Factor("pair_encoder", "encodes the two genes of a candidate pair", "mlp"),
        Factor("pair_features", "what is told of a pair beside its two genes", "none", optional=True),
        Factor("fusion", "joins pair encoding and graph embeddings", "late"),
        Factor("contrast", "contrastive loss over gene pairs", "off"),
        Factor("negatives", "draws the training negatives", "uniform"),
        Factor("optimizer", "fits the weights", "adam"),
        Factor("split", "the exam: which pairs train, validate and test", "all_non_targets", exam=True),
    )
}

# names that a table, a study file or an arm uses otherwise
RESERVED = {
    *("name", "controls", "arm", "role", "dataset", "network", "block", "repeat", "part", "metric", "value", "status"),
    *("reason", "study", "cell", "protocol", "trial", "row", "arm_digest", "data_digest", "split_digest"),
    *("code_digest", "settings", "levels", "training", "versions", "device", "seconds", "parameters", "best_epoch"),
    *("test_share", "peak_memory_mb", "exam_differs"),
}

_LEVELS: dict[str, dict[str, type]] = {name: {} for name in FACTORS}
_ALIASES: dict[tuple[str, str], str] = {}


def register(factor_name: str, level_name: str, *, aliases: Sequence[str] = ()) -> Callable[[T], T]:
    """Register the decorated class as a level of a factor.

    A level may carry ``version: ClassVar[int]``. Raise it to have every cell that uses the level trained anew, where
    its results changed and its code did not (a new version of a library, say).

    Parameters
    ----------
    factor_name
        One of :data:`FACTORS`.
    level_name
        Name of the level in study files.
    aliases
        Other names that a study file may use, such as a former one; tables and digests have the name alone.

    Raises
    ------
    UnknownNameError
        If there is no such factor.
    KnockoutError
        If another class has the name, or the class has no ``Settings`` or no docstring.

    Examples
    --------
    >>> @register("gnn", "mine")  # doctest: +SKIP
    ... class Mine(GraphBranch):
    ...     class Settings(GraphBranch.Settings):
    ...         heads: int = setting(3, "attention heads", ge=1, le=16)
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
        _ALIASES.update({(factor_name, alias): level_name for alias in aliases})
        return cls

    return add


def add_factor(added: Factor) -> None:
    """Make a factor of a plug-in known, without levels yet: the part of :func:`components.steps.register_factor`."""
    name = added.name
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in RESERVED:
        raise KnockoutError(f"factor {name!r}: a name is small letters, digits and _, and none of a table's columns.")
    if FACTORS.get(name, added) != added:
        raise KnockoutError(f"factor {name!r} is taken: {FACTORS[name].meaning}.")
    FACTORS[name] = added
    _LEVELS.setdefault(name, {})


def factor(name: str, *, where: str = "") -> Factor:
    """Return a factor by name; raise :class:`UnknownNameError`, which lists the factors, if there is none."""
    if name not in FACTORS:
        raise UnknownNameError.of("factor", name, FACTORS, where=where)
    return FACTORS[name]


def levels(factor_name: str) -> dict[str, type]:
    """Return every level of a factor by name: built-in ones and those of plug-ins."""
    _load_built_in(factor_name)
    load_installed()
    return dict(_LEVELS[factor_name])


def level_named(factor_name: str, name: str) -> str:
    """Return the name of the level that an alias stands for; any other name as it is."""
    _load_built_in(factor_name)
    return _ALIASES.get((factor_name, name), name)


def level(factor_name: str, level_name: str, *, where: str = "") -> type:
    """Return the class of a level by name; raise :class:`UnknownNameError`, with the nearest name, if there is none."""
    known = levels(factor(factor_name, where=where).name)
    level_name = level_named(factor_name, level_name)
    if level_name not in known:
        aliases = [alias for name, alias in _ALIASES if name == factor_name]
        raise UnknownNameError.of(f"level of {factor_name}", level_name, [*known, *aliases], where=where)
    return known[level_name]


def parse(factor_name: str, level_name: str, raw: dict[str, Any] | None = None, *, where: str = "") -> Settings:
    """Validate what a user wrote for a level and return its settings; raise :class:`KnockoutError` for a mistake."""
    cls: Any = level(factor_name, level_name, where=where)
    settings: type[Settings] = cls.Settings
    return parse_settings(settings, raw or {}, owner=f"{factor_name}.{level_name}", where=where)


def silenced_by(factor_name: str, level_name: str) -> frozenset[str]:
    """Return the factors that cannot act beside this level (``gnn=none`` leaves ``fusion`` nothing to fuse)."""
    silenced = frozenset(getattr(level(factor_name, level_name), "silences", ()))
    if "negatives" in silenced:  # nothing learns from known edges: factors of plug-ins act on what does
        silenced |= {name for name, known in FACTORS.items() if known.acts}
    if silenced & {"fusion", "pair_encoder"}:  # no graph branch, or its own score alone: nothing reads embeddings
        silenced |= {name for name, known in FACTORS.items() if known.acts == "embeddings"}
    return silenced


def _load_built_in(factor_name: str) -> None:
    if not factor(factor_name).acts:  # a plug-in's factor has no package here
        importlib.import_module(f"components.{factor_name}")


def _origin(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


@cache
def load_installed() -> None:
    """Import the plug-ins of installed packages, once: what they register is known from then on."""
    for entry in entry_points(group=ENTRY_POINTS):
        try:
            entry.load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a module may call sys.exit
            failed = f"could not be loaded: {type(error).__name__}: {error}"
            reason = error.message if isinstance(error, KnockoutError) else failed
            raise KnockoutError(reason, where=f"plug-in {entry.name} ({entry.value})") from error
