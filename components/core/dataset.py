"""A data set: expression, TFs and known edges."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
Reals = NDArray[np.float64]
PSEUDOTIME = "PseudoTime.csv"  # file beside the expression, as BEELINE has it: a row per cell, a column per lineage


@dataclass(frozen=True, eq=False)
class Dataset:
    """Expression of one experiment, the genes that count as TFs, and the known regulations between them.

    Attributes
    ----------
    name
        Name of the data set in tables.
    genes
        Gene names, in the row order of ``expression``.
    expression
        ``[genes, cells]``, log-scale values, finite.
    tfs
        ``[tfs]``, sorted row indices of the regulators.
    edges
        ``[edges, 2]``, distinct (TF, target) row indices, no self-regulation, in file order.
    block
        The unit that statistics take as independent: the cell type.
    network
        Where the edges come from (STRING, Specific ...).
    target
        Data set with the same genes in the same order whose edges are tested (transfer); None for this one.
    pseudotime
        ``[cells, lineages]``, NaN where a cell is not part of a lineage; None where nobody inferred one.
    """

    name: str
    genes: tuple[str, ...]
    expression: Floats
    tfs: Ints
    edges: Ints
    block: str = ""
    network: str = ""
    target: Dataset | None = None
    pseudotime: NDArray[np.float64] | None = None

    @property
    def n_genes(self) -> int:
        """Number of genes."""
        return len(self.genes)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return int(self.expression.shape[1])

    @cached_property
    def digest(self) -> str:
        """Digest of everything that can change a result: values, gene names and order, but not the data set's name."""
        sha = hashlib.sha256("\x1f".join(self.genes).encode())
        arrays: list[NDArray[Any]] = [self.expression, self.tfs, self.edges]
        for array in arrays if self.pseudotime is None else [*arrays, self.pseudotime]:
            sha.update(str(array.shape).encode())
            sha.update(np.ascontiguousarray(array).data)
        if self.target is not None:
            sha.update(self.target.digest.encode())
        return sha.hexdigest()[:16]


def pair_keys(pairs: Ints, n_genes: int) -> Ints:
    """Return one integer per pair of ``[pairs, 2]`` gene indices, so that sets of pairs are fast to compare."""
    return pairs[:, 0] * np.int64(n_genes) + pairs[:, 1]


def write_pseudotime(path: Path, times: Reals, cells: Sequence[str]) -> None:
    """Write the pseudotime ``[cells, lineages]`` of cells, which a data set is read with unchanged."""
    import pandas as pd

    lineages = [f"PseudoTime{number}" for number in range(1, times.shape[1] + 1)]
    pd.DataFrame(times, index=list(cells), columns=lineages).to_csv(path, na_rep="NA")
