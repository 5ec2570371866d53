"""Computes metrics anew from stored scores, where a cell was trained before a metric of a plug-in was added or changed.

Scores are stored to the last bit, and what the record says of every other metric must come out again: else, and
whatever goes wrong, the cell is trained.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from components.core.metrics import OWN
from study.spec.cell import Cell
from study.spec.datasets import load_dataset
from study.spec.records import CellRecord
from study.store.ledger import Ledger, training_of
from study.store.table import scores_of
from study.train.cell import metrics_of


class Rescorer:
    """Records cells whose training is on record under other metrics."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.recorded = ledger, 0  # how many cells were recorded
        self._trained = cache(ledger.trained)

    def record(self, cell: Cell) -> CellRecord | None:
        """Record a cell from the scores of its training; return its record, None where it must be trained."""
        trained = self._trained().get(training_of(cell.identity)) if OWN else None
        if trained is None:
            return None
        try:
            scores = _scores(cell, self.ledger.folder.predictions(trained.cell))
        except Exception:  # a metric of one's own may raise anything; training says what, in the cell's record
            return None
        then, now = (identity.get("metrics", {}) for identity in (trained.identity, cell.identity))
        unchanged = [score for score in scores_of(trained) if then.get(score[1]) == now.get(score[1])]
        if any(scores[part][name] != value for part, name, value in unchanged):
            return None
        record = trained.model_copy(update={"cell": cell.digest, "identity": cell.identity, "scores": scores})
        if not self.ledger.write_like(record, trained.cell):
            return self.ledger.read(cell.digest)
        self.recorded += 1
        return record


def _scores(cell: Cell, predictions: Path) -> dict[str, dict[str, float | None]]:
    """Return every metric of either part, from the stored scores of all folds."""
    import pandas as pd  # 80 MB, which no worker needs

    dataset = load_dataset(cell.dataset, cell.root)
    if dataset.digest != cell.labels.data_digest:
        raise ValueError("the data have changed")
    stored = pd.read_parquet(predictions)
    genes = pd.Index(dataset.genes)
    pairs = np.stack([genes.get_indexer(pd.Index(stored[end])) for end in ("tf", "target")], axis=1).astype(np.int64)
    scores, labels = stored["score"].to_numpy(np.float64), stored["label"].to_numpy(np.int64)
    parts = {part: np.flatnonzero(stored["part"] == part) for part in ("validation", "test")}
    return {part: metrics_of(scores[rows], labels[rows], pairs[rows]) for part, rows in parts.items()}
