"""What a model makes of test pairs before and after its training, and how far that tells edges apart."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from reports.errors import ReportError
from reports.stored.cells import CellFiles, cells_beside

NEIGHBOURS = 15
FEWEST = 3 * NEIGHBOURS  # pairs; among fewer, the neighbours of a pair are a third of all
_ARRAYS = ("tf", "target", "label", "before", "after", "asked")


@dataclass(frozen=True)
class Embedded:
    """Test pairs of one cell, with the vectors ``[pairs, width]`` that its classifier read.

    ``pairs`` has one row (tf, target, label) each; ``asked`` are the test pairs they were drawn from, ``known`` those
    of them that are edges.
    """

    repeat: int
    pairs: pd.DataFrame
    before: NDArray[np.float32]
    after: NDArray[np.float32]
    asked: int
    known: int


class Embeddings(CellFiles):
    """Where the embeddings lie: one file per cell that saved them."""

    def of(self, arm: str, dataset: str) -> Embedded | None:
        """Return what an arm made of test pairs on a data set, in its first repeat that was saved."""
        first = next(self.read(arm, dataset, ".npz", _read), None)
        return None if first is None else first[1]


def read_embeddings(table: Path, folder: Path) -> Embeddings | None:
    """Find the embeddings in a folder that belong to the cells of a table; None where there are none."""
    cells = cells_beside(table, folder, ".npz")
    return None if cells.empty else Embeddings(folder, cells)


def separation(vectors: NDArray[np.float32], labels: NDArray[np.int8]) -> float:
    """Return the AUROC of the share of edges among the nearest neighbours of each pair, itself left out.

    Distances are Euclidean over the full width. Missing with fewer than ``FEWEST`` pairs or one class alone.
    """
    if len(labels) < FEWEST or len(set(labels.tolist())) < 2:
        return float("nan")
    near = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(vectors).kneighbors(return_distance=False)
    return float(roc_auc_score(labels, labels[near].mean(axis=1)))


def _read(path: Path, repeat: int) -> Embedded:
    try:
        with np.load(path, allow_pickle=False) as file:
            tf, target, label, before, after, n_asked = (file[name] for name in _ARRAYS)
    except KeyError as error:
        raise ReportError(f"embeddings lack {error}; they need {', '.join(_ARRAYS)}.", where=str(path)) from None
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ReportError(f"not readable embeddings: {error}", where=str(path)) from error
    sound = before.shape == after.shape and before.ndim == 2 and {len(tf), len(target), len(label)} == {len(before)}
    if not sound or not (np.isfinite(before).all() and np.isfinite(after).all()):
        raise ReportError("embeddings are damaged: vectors are missing, or not finite numbers.", where=str(path))
    pairs = pd.DataFrame({"tf": tf, "target": target, "label": label})
    return Embedded(repeat, pairs, before, after, *map(int, n_asked))
