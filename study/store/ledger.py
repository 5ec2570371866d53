"""The durable record of a study: one atomic file per cell.

``OUT/ledger/<cell>.json`` is written last, by rename, after the cell's predictions and what else it saves; a cell is
done when it is there. So a kill at any moment loses no more than the cells in flight, and any number of writers may
share the folder.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from components.core.errors import KnockoutError
from study.spec.files import write_arrays, write_atomically
from study.train.cell import Result

__all__ = ["Ledger"]


class Ledger:
    """Reads and writes the cells of one output folder."""

    def __init__(self, out: Path) -> None:
        self.records = out / "ledger"
        self.predictions = out / "predictions"
        self.embeddings = out / "embeddings"

    def write(self, result: Result) -> None:
        """Record a cell, its predictions and embeddings first."""
        if result.predictions is not None:
            frame = pd.DataFrame(result.predictions)
            write_atomically(self.predictions_of(result.cell), lambda path: frame.to_parquet(path, index=False))
        if result.embeddings is not None:
            write_arrays(self.embeddings_of(result.cell), result.embeddings)
        record = dataclasses.asdict(dataclasses.replace(result, predictions=None, embeddings=None))
        del record["predictions"], record["embeddings"]
        text = json.dumps(record, allow_nan=False)
        write_atomically(self.records / f"{result.cell}.json", lambda path: path.write_text(text))

    def read(self, cell: str) -> Result | None:
        """Return a cell's record, or None if it has none yet."""
        path = self.records / f"{cell}.json"
        try:
            return Result(**json.loads(path.read_text()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise KnockoutError(
                f"the record is damaged ({error}); delete this file and run again.", where=str(path)
            ) from None

    def read_all(self, cells: Iterable[str]) -> dict[str, Result]:
        """Return the records there are of the given cells."""
        there = {path.stem for path in self.records.glob("*.json")}
        found = {cell: self.read(cell) for cell in cells if cell in there}
        return {cell: record for cell, record in found.items() if record is not None}

    def identities(self) -> list[dict[str, Any]]:
        """Return what every recorded cell is: arm, data, split, repeat, budget and code."""
        found = (self.read(path.stem) for path in sorted(self.records.glob("*.json")))
        return [record.identity for record in found if record is not None]

    def forget(self, cell: str) -> None:
        """Drop a record, so that the cell is run again."""
        (self.records / f"{cell}.json").unlink(missing_ok=True)

    def predictions_of(self, cell: str) -> Path:
        """Return where a cell's test predictions lie: TF, target, label, score."""
        return self.predictions / f"{cell}.parquet"

    def embeddings_of(self, cell: str) -> Path:
        """Return where lies what a cell's model made of test pairs, before its training and after it."""
        return self.embeddings / f"{cell}.npz"
