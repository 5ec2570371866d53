"""The durable record of a study: one file per cell.

A cell's record is written last, after its predictions and what else it saves; a cell is done when its record is there.
So a kill at any moment loses no more than the cells in flight, and any number of writers may share the folder: the
first one's record stays.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from search_spaces.arm import json_digest
from study.spec.files import write_arrays, write_atomically, write_columns, write_first, write_text
from study.spec.folder import OutFolder
from study.spec.records import CellRecord, DamagedRecordError, Status, read_record


class Ledger:
    """Reads and writes the cells of one output folder."""

    def __init__(self, out: Path) -> None:
        self.folder = OutFolder(out)

    def write(
        self,
        record: CellRecord,
        predictions: Mapping[str, np.ndarray] | None = None,
        embeddings: Mapping[str, np.ndarray] | None = None,
        traceback: str = "",
    ) -> bool:
        """Record a cell, its predictions, embeddings and traceback first; return False if another writer was faster.

        Raises
        ------
        KnockoutError
            If the files cannot be written.
        """
        path = self.folder.record(record.cell)
        if path.exists():
            return False
        if predictions is not None:
            write_columns(self.folder.predictions(record.cell), predictions)
        if embeddings is not None:
            write_arrays(self.folder.embeddings(record.cell), embeddings)
        if traceback:
            write_text(self.folder.traceback(record.cell), traceback)
        return write_first(path, lambda file: file.write_text(record.text(), encoding="utf-8"))

    def write_like(self, record: CellRecord, other: str) -> bool:
        """Record a cell with the predictions and embeddings of another; return False if another writer was faster."""
        for path in (self.folder.predictions, self.folder.embeddings):
            if path(other).exists():
                write_atomically(path(record.cell), functools.partial(shutil.copyfile, path(other)))
        return self.write(record)

    def read(self, cell: str) -> CellRecord | None:
        """Return a cell's record, None if it has none yet; one that is damaged is the cell's failure."""
        try:
            return read_record(self.folder.record(cell), CellRecord, cell=cell)
        except DamagedRecordError as error:
            reason = f"the record is damaged: {error.message} ({error.where}); --retry-failed runs the cell again"
            return CellRecord(cell=cell, status=Status.DAMAGED, reason=reason)

    def read_all(self, cells: Iterable[str]) -> dict[str, CellRecord]:
        """Return the records there are of the given cells, by digest."""
        recorded = self.cells()
        records = {cell: self.read(cell) for cell in cells if cell in recorded}
        return {cell: record for cell, record in records.items() if record is not None}

    def trained(self) -> dict[str, CellRecord]:
        """Return the finished cells of the folder, by what was trained, whatever metrics were computed of it."""
        records = self.read_all(sorted(self.cells())).values()
        return {training_of(record.identity): record for record in records if record.ok}

    def cells(self) -> set[str]:
        """Return the digests of all cells that have a record."""
        return {path.stem for path in self.folder.ledger.glob("*.json")}

    def forget(self, cell: str) -> None:
        """Remove a record, so that the cell is run again."""
        self.folder.record(cell).unlink(missing_ok=True)
        self.folder.traceback(cell).unlink(missing_ok=True)


def training_of(identity: Mapping[str, Any]) -> str:
    """Return the digest of a cell's identity without its metrics: cells that share it differ in no score of a pair."""
    return json_digest({key: value for key, value in identity.items() if key != "metrics"}, 20)
