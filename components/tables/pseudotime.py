"""Pseudotime of cells, as BEELINE has it: a row per cell and a column per lineage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from components.core.errors import KnockoutError, suggestion
from components.core.metrics import Scores
from components.tables.csvfile import is_number, rows_of

ABSENT = ("", "NA", "NaN", "nan")  # a cell that is not part of a lineage


def read_pseudotime(path: Path, cells: Sequence[str]) -> Scores:
    """Return the pseudotime ``[cells, lineages]`` of cells, NaN where one is not part of a lineage.

    Raises
    ------
    KnockoutError
        For a value that is no number, a cell that stands twice or not at all, and a lineage without two times.
    """
    rows = rows_of(path, "a header row, then a row per cell: its name and its pseudotime in each lineage")
    next(rows)
    known = dict.fromkeys(cells)
    of: dict[str, list[float]] = {}
    strangers = []
    for line, (cell, *values) in rows:
        if cell in of:
            raise KnockoutError(f"cell {cell!r} stands twice.", where=f"{path}, row {line}")
        if cell in known:
            of[cell] = [_number(value, cell, f"{path}, row {line}") for value in values]
        else:
            strangers.append(cell)
    missing = [cell for cell in cells if cell not in of]
    if missing:
        message = f"{len(missing)} of {len(cells)} cells have no row, such as {missing[0]!r}."
        cure = " Give each cell a row (NA where it is part of no lineage), or take the file away."
        raise KnockoutError(message + (suggestion(missing[0], strangers) or cure), where=str(path))
    times = np.array([of[cell] for cell in cells], dtype=np.float64)
    for number, lineage in enumerate(times.T, start=1):
        if len(np.unique(lineage[np.isfinite(lineage)])) < 2:
            raise KnockoutError(f"lineage {number} has no two cells of different pseudotime.", where=str(path))
    if not times.shape[1]:
        raise KnockoutError("there is no column of pseudotime.", where=str(path))
    return times


def _number(value: str, cell: str, where: str) -> float:
    if value in ABSENT:
        return float("nan")
    if not is_number(value) or not np.isfinite(float(value)):
        raise KnockoutError(f"cell {cell!r}: pseudotime {value!r} is not a number; NA stands for none.", where=where)
    return float(value)
