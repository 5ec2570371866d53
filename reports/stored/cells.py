"""Which finished cells have a file of their own beside its table: predictions, embeddings, a record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pandas as pd

from reports.errors import ReportError
from reports.table.status import Status
from reports.words.names import plain_names

Content = TypeVar("Content")


@dataclass(frozen=True)
class CellFiles:
    """Files that cells left beside a table, read only where somebody asks for them.

    Attributes
    ----------
    folder
        Where they lie.
    cells
        One row (arm, dataset, repeat, cell) per file.
    unread
        Why a file could not be read, by path, of those that were asked for: they are left out, and nothing else is.
    """

    folder: Path
    cells: pd.DataFrame
    unread: dict[str, str] = field(default_factory=dict)

    def read(
        self, arm: str, dataset: str, suffix: str, content_of: Callable[[Path, int], Content]
    ) -> Iterator[tuple[int, Content]]:
        """Yield repeat and content of the files of an arm on a data set that can be read, by repeat."""
        mine = self.cells[(self.cells["arm"] == arm) & (self.cells["dataset"] == dataset)]
        for repeat, cell in zip(mine["repeat"].astype(int), mine["cell"], strict=True):
            path = self.folder / f"{cell}{suffix}"
            try:
                content = content_of(path, repeat)
            except ReportError as error:
                self.unread[str(path)] = error.message
            else:
                yield repeat, content


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
