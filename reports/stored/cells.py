"""Which finished cells have a file of their own beside its table: predictions, embeddings, a record."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from reports.table.status import Status
from reports.words.names import plain_names


def cells_beside(table: Path, folder: Path, suffix: str) -> pd.DataFrame:
    """Return arm, dataset, repeat and cell of each finished cell in a study's table that has a file in a folder.

    Files of cells that the table does not hold are left alone: it may have been searched with them.
    """
    stems = {path.stem for path in folder.glob(f"*{suffix}")}
    if not stems or not table.is_file():
        return pd.DataFrame(columns=["arm", "dataset", "repeat", "cell"])
    cells = pd.read_parquet(table, columns=["arm", "dataset", "repeat", "cell", "status"])
    cells = cells[(cells["status"] == Status.OK) & cells["cell"].isin(stems)].drop(columns="status").drop_duplicates()
    cells = cells.assign(**{name: plain_names(cells[name]) for name in ("arm", "dataset")})
    return cells.sort_values("repeat", kind="stable", ignore_index=True)
