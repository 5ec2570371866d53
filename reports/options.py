"""What can be asked of a report, and how it came to be."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from reports.words.metrics import ALPHA

Columns = str | Sequence[str] | None
_LIBRARIES = ("knockout", "numpy", "pandas", "scipy", "statsmodels", "scikit-posthocs", "scikit-learn", "matplotlib")


@dataclass(frozen=True)
class ReportOptions:
    """How a table is read, and at which level and margin it is analysed.

    Attributes
    ----------
    arm
        Column or columns that together name the method (default ``arm``, ``method``, ``model``, or the factors that
        vary). Several make names like ``gnn=gat, fusion=late``; so do commas in one text.
    block
        Column or columns that together name the independent unit (default ``block``; else the cell type, ``cell`` or
        ``cell_type``, where every data set lies in one; else ``dataset``).
    dataset
        Column or columns that name what lies inside a block (default ``dataset``, or those of ``network`` and
        ``genes`` that vary).
    metric
        Primary metric (default: ``auroc`` where there is one, else the first); higher must be better.
    reference
        Arm that the others are compared with (default: the one whose ``role`` is ``reference``).
    alpha
        Level of every family of tests, in (0, 1); intervals are at ``1 - alpha``.
    margin
        Differences of the primary metric below it do not matter; to be stated before the scores are seen (default:
        that of the metric, .01 where it is one between 0 and 1, none for others).

    Raises
    ------
    ValueError
        If ``alpha`` does not lie between 0 and 1.
    """

    arm: Columns = None
    block: Columns = None
    dataset: Columns = None
    metric: str | None = None
    reference: str | None = None
    alpha: float = ALPHA
    margin: float | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.alpha < 1.0:
            raise ValueError(f"alpha must lie between 0 and 1, got {self.alpha}")


DEFAULTS = ReportOptions()


@dataclass(frozen=True)
class Registration:
    """A question that was registered before its scores were seen.

    Attributes
    ----------
    date, digest
        When it was registered, and the SHA-256 of what it says.
    ended
        How many of its cells had ended by then.
    broken
        Why it cannot be trusted: it was edited, or cannot be read; empty if it is sound.
    content
        What it asks: ``kind``, ``metric``, ``margin``, ``alpha``, ``looks``, ``reference``, ``arms``, ``datasets``,
        ``repeats``, ``training``; empty where it cannot be read.
    """

    date: str = ""
    digest: str = ""
    ended: int = 0
    broken: str = ""
    content: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Planned:
    """What a study set out to measure.

    Attributes
    ----------
    cells
        Arm, block, data set and repeat of every planned cell.
    registration
        The question as it was registered, if it was.
    """

    cells: frozenset[tuple[str, str, str, int]]
    registration: Registration | None = None

    @property
    def looks(self) -> tuple[int, ...]:
        """Numbers of blocks at which verdicts were to be read early, as a sound registration has them."""
        known = self.registration
        return tuple(sorted(known.content.get("looks", ()))) if known and not known.broken else ()


@dataclass(frozen=True)
class Provenance:
    """How a report came to be, as its last section tells it.

    Attributes
    ----------
    commands
        What was typed to make the study and the report, in that order.
    git_commit
        Of the checkout that the report is made in, if it is one.
    """

    commands: tuple[str, ...] = ()
    git_commit: str = ""

    @property
    def versions(self) -> list[str]:
        """What computes the statistics, with versions."""
        names = [f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in _LIBRARIES)]
        return [*names, f"git commit {self.git_commit}"] if self.git_commit else names
