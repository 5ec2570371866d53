"""The edges that the cells predicted on their test pairs, read only where a figure asks for them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from reports.errors import ReportError
from reports.stored.cells import CellFiles, cells_beside

COLUMNS = ("tf", "target", "label", "score")
PARTS = ("part", "fold")  # of the exam; predictions of earlier versions have those of the test alone


class Predictions(CellFiles):
    """Where the predictions lie: one file per cell."""

    def of(self, arm: str, dataset: str) -> list[pd.DataFrame]:
        """Return what an arm predicted on a data set, one table (tf, target, label, score) per repeat."""
        tables = self.every_part(arm, dataset).values()
        return [table.loc[table["part"] == "test", [*COLUMNS]].reset_index(drop=True) for table in tables]

    def every_part(self, arm: str, dataset: str) -> dict[int, pd.DataFrame]:
        """Return what an arm predicted on a data set in validation and test, by repeat, with columns part and fold."""
        return dict(self.read(arm, dataset, ".parquet", _read))


def read_predictions(table: Path, folder: Path) -> Predictions | None:
    """Find the predictions in a folder that belong to the cells of a table; None where there are none."""
    cells = cells_beside(table, folder, ".parquet")
    return None if cells.empty else Predictions(folder, cells)


def _read(path: Path, _: int) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(path)
    except (ValueError, OSError) as error:
        raise ReportError(f"not readable predictions: {error}", where=str(path)) from error
    lacking = [column for column in COLUMNS if column not in frame]
    if lacking:
        raise ReportError(f"predictions lack {', '.join(lacking)}; they need {', '.join(COLUMNS)}.", where=str(path))
    if not set(PARTS) <= set(frame):
        frame = frame.assign(part="test", fold=0)
    return frame[[*COLUMNS, *PARTS]]
