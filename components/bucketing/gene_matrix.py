"""A file's features for the genes of one data set: matched, standardised, rotated, and filled where a gene has none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np
from cachetools import LRUCache, cached
from numpy.typing import NDArray

from components.core.dataset import Floats, Reals
from components.core.errors import KnockoutError, count, first_of
from components.core.settings import content_digest
from components.tables.features import FeatureTable, read_features, rows_of

FLAT = 1e-9  # of a column's largest value: a spread below it is rounding


@dataclass(frozen=True, eq=False)
class GeneMatrix:
    """Features of the genes of a data set that a file has."""

    path: Path  # the file
    values: Reals  # [genes with a row, width], scaled
    present: NDArray[np.bool_]  # [genes], whether a gene has a row
    lacking: tuple[str, ...]  # names of the genes without one
    notes: tuple[str, ...]  # what was decided, as clauses

    def refuse_below(self, least: float) -> None:
        """Refuse a file that has less than a share of the genes."""
        share = float(self.present.mean())
        if share < least:
            cure = "give a fuller file, or let them be missing (missing: mean)"
            if least < 1:
                cure = "which genes have features tells of them, too; give a fuller file, or lower `least`"
            message = (
                f"has {self.present.sum()} of {len(self.present)} genes of the data set ({100 * share:.1f} %), and "
                f"{'' if least == 1 else 'at least '}{100 * least:.0f} % are asked for; "
                f"missing: {first_of(self.lacking)}"
            )
            raise KnockoutError(f"{message}. Cure: {cure}.", where=str(self.path))

    def filled(self, rows: str, missing: str, rng: np.random.Generator) -> Floats:
        """Return features ``[genes, width]``: of each gene its own, permuted or random, and what a missing gene has.

        The genes without a row are the same for all three, so that what their absence tells is in a control, too.
        """
        values = self.values
        if rows == "permuted":
            values = rng.permutation(values, axis=0)
        elif rows == "random":
            values = rng.standard_normal(values.shape) * values.std(axis=0)
        filled = np.zeros((len(self.present), values.shape[1]))
        filled[self.present] = values
        lacking = np.flatnonzero(~self.present)
        if missing == "draw":
            filled[lacking] = values[rng.integers(len(values), size=len(lacking))]
        elif missing == "indicator":
            filled = np.column_stack([filled, ~self.present])
        return filled.astype(np.float32)


def _read_from(file: str, names: str, *rest: Any) -> tuple[Any, ...]:
    return file, content_digest(Path(file)), names, content_digest(Path(names)), *rest


@cached(LRUCache(8), key=_read_from, lock=RLock())
def gene_matrix(file: str, names: str, genes: tuple[str, ...], standardise: str, components: int) -> GeneMatrix:
    """Return a file's features for the genes of a data set; the last few are kept in memory.

    Parameters
    ----------
    file, names
        File of features, and of gene names if they are apart (else empty).
    genes
        Names in the data set.
    standardise
        ``column`` or ``matrix``.
    components
        Principal components to keep, 0 for all columns.

    Raises
    ------
    KnockoutError
        If the file cannot be read, has no gene of the data set or two different rows for one, a value that is not
        finite, or no column that varies.
    """
    table = read_features(Path(file), Path(names) if names else None)
    rows = rows_of(table, genes)
    present = rows >= 0
    values = table.values[rows[present]]
    _refuse_infinite(table, values, [gene for gene, known in zip(genes, present, strict=True) if known])
    lacking = tuple(gene for gene, known in zip(genes, present, strict=True) if not known)
    spread = values.std(axis=0)
    varies = spread > FLAT * np.abs(values).max(axis=0)
    if not varies.any():
        raise KnockoutError("no column varies over the genes of the data set.", where=file)
    values = values[:, varies] - values[:, varies].mean(axis=0)
    values /= spread[varies] if standardise == "column" else values.std()
    notes = [f"{count(int(varies.sum()), 'column')}"]
    notes += [f"{count(int((~varies).sum()), 'column')} that never vary left out"] if not varies.all() else []
    most = min(components or values.shape[1], len(values))
    if most < values.shape[1]:
        values = _principal(values, most)
        notes.append(f"rotated to {values.shape[1]} principal components")
    without = f"; {len(lacking)} have none: {first_of(lacking)}" if lacking else ""
    notes.append(f"features of {present.sum()} of {len(genes)} genes ({100 * present.mean():.1f} %){without}")
    return GeneMatrix(Path(file), values, present, lacking, tuple(notes))


def known_names(file: str, names: str) -> tuple[str, ...]:
    """Return the distinct gene names of a file, in its order."""
    return tuple(dict.fromkeys(read_features(Path(file), Path(names) if names else None).names))


def _refuse_infinite(table: FeatureTable, values: Reals, genes: Sequence[str]) -> None:
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong):
        row, column = wrong[0]
        message = f"{values[row, column]} is no finite number; {count(len(wrong), 'value')} in all. Fill them, or drop"
        where = f"{table.path}, gene {genes[row]!r}, column {table.columns[column]!r}"
        raise KnockoutError(f"{message} the row: its gene then counts as missing.", where=where)


def _principal(values: Reals, most: int) -> Reals:
    """Return the first principal components of centred values, scaled to unit variance over the whole matrix."""
    tall = values.shape[0] >= values.shape[1]
    from scipy import linalg

    strengths, vectors = linalg.eigh(values.T @ values if tall else values @ values.T)
    leading = np.argsort(strengths)[::-1][:most]
    leading = leading[strengths[leading] > FLAT * strengths.max()]
    scores = values @ vectors[:, leading] if tall else vectors[:, leading] * np.sqrt(strengths[leading])
    largest = np.abs(scores).argmax(axis=0)
    scores *= np.sign(scores[largest, np.arange(scores.shape[1])])  # a vector's sign is arbitrary: fix it
    return scores / scores.std()
