"""What can be asked of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Columns = str | Sequence[str] | None


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
    alpha: float = 0.05
    margin: float | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.alpha < 1.0:
            raise ValueError(f"alpha must lie between 0 and 1, got {self.alpha}")


DEFAULTS = ReportOptions()
