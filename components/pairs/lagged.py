"""What one gene's expression says of another's later on, along pseudotime."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from components.core.dataset import Floats, Ints
from components.core.metrics import Scores
from components.pairs.dependence import centred_unit_rows
from components.pairs.graph import TrainingGraph

WINDOWS, LEAST_CELLS = 40, 5  # along a lineage, at most; cells in one, at least
LONGEST = 3  # a lag is a third of the lineage, at most


class LaggedFeatures:
    """Correlation of a pair's genes at a lag along pseudotime: of the TF with the later target, and the other way.

    Called with a graph, which is not read, and pairs ``[pairs, 2]``, it returns ``[pairs, 2]``: of all lags and
    lineages the correlation that is largest in size. Cells of a lineage are averaged in windows of equal size. Memory
    grows with genes squared.

    Source: Specht & Li 2017 (LEAP), with windows in place of single cells.

    Parameters
    ----------
    expression
        ``[genes, cells]``.
    pseudotime
        ``[cells, lineages]``, NaN where a cell is not part of a lineage.
    """

    def __init__(self, expression: Floats, pseudotime: Scores) -> None:
        self.expression, self.pseudotime = expression, pseudotime

    def __call__(self, graph: TrainingGraph, pairs: Ints) -> Floats:
        """Return features ``[pairs, 2]``."""
        tf, target = pairs.T
        return np.column_stack([self._leads[tf, target], self._leads[target, tf]])

    @cached_property
    def _leads(self) -> Floats:
        """Correlation ``[genes, genes]`` of the gene of a row with the later one of a column."""
        best = np.zeros((len(self.expression),) * 2, dtype=np.float32)
        for lineage in self.pseudotime.T:
            windows = self._windows(lineage)
            for lag in range(1, windows.shape[1] // LONGEST + 1):
                earlier, later = (centred_unit_rows(part) for part in (windows[:, :-lag], windows[:, lag:]))
                correlation = (earlier @ later.T).astype(np.float32)
                np.copyto(best, correlation, where=np.abs(correlation) > np.abs(best))
        return best

    def _windows(self, lineage: Scores) -> Floats:
        """Return means of cells along a lineage, ``[genes, windows]``; cells of one pseudotime share a window."""
        cells = np.flatnonzero(np.isfinite(lineage))
        earlier = np.searchsorted(np.sort(lineage[cells]), lineage[cells])  # cells before each
        window = earlier * max(min(WINDOWS, len(cells) // LEAST_CELLS), 1) // len(cells)
        return np.stack([self.expression[:, cells[window == w]].mean(axis=1) for w in np.unique(window)], axis=1)
