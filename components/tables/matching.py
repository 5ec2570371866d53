"""Rows of a table of features matched with the genes of a data set, by symbol or identifier."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from components.core.dataset import Ints
from components.core.errors import KnockoutError
from components.tables.features import FeatureTable

ENSEMBL = re.compile(r"(ENS[A-Z]*G\d+)(\.\d+)?")
SHOWN = 5  # names in a message


def rows_of(table: FeatureTable, genes: Sequence[str]) -> Ints:
    """Return the row of each gene ``[genes]``, -1 for a gene that the table does not have.

    A name counts as it is written; else in any case, and of Ensembl without its version, where no two genes of the data
    set are alike then.

    Raises
    ------
    KnockoutError
        If a gene has two rows that differ, or no gene has a row: the message says what the names are instead.
    """
    exact, folded = _index(table.names, str), _index(table.names, _folded)
    alike = Counter(map(_folded, genes))
    rows = np.full(len(genes), -1, dtype=np.int64)
    for place, gene in enumerate(genes):
        matches = exact.get(gene) or (folded.get(_folded(gene), []) if alike[_folded(gene)] == 1 else [])
        if any(not np.array_equal(table.values[matches[0]], table.values[row], equal_nan=True) for row in matches[1:]):
            written = ", ".join(f"row {row + 1} ({table.names[row]!r})" for row in matches[:SHOWN])
            message = f"gene {gene!r} has {len(matches)} rows that differ: {written}; keep one, or their mean"
            raise KnockoutError(f"{message}.", where=str(table.path))
        if matches:
            rows[place] = matches[0]
    if (rows < 0).all() or (rows >= 0).mean() < _share(table.columns, genes):
        raise KnockoutError(_why_none(table, genes), where=str(table.path))
    return rows


def _index(names: Sequence[str], key: Callable[[str], str]) -> dict[str, list[int]]:
    index: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(names):
        index[key(name)].append(row)
    return index


def _folded(name: str) -> str:
    upper = name.upper()
    match = ENSEMBL.fullmatch(upper)
    return match[1] if match else upper


def _share(names: Sequence[str], genes: Sequence[str]) -> float:
    known = set(map(_folded, names))
    return sum(_folded(gene) in known for gene in genes) / max(len(genes), 1)


def _why_none(table: FeatureTable, genes: Sequence[str]) -> str:
    """Say why names do not meet, and the cure."""
    if _share(table.columns, genes) > 0:
        return "the genes are in the columns; one row per gene is needed: write it transposed (frame.T)."
    kinds = [_kind(names) for names in (table.names, genes)]
    shown = [", ".join(map(repr, names[:SHOWN])) for names in (table.names, genes)]
    cure = ""
    if kinds[0] != kinds[1]:
        cure = f" The file has {kinds[0]}, the data set {kinds[1]}: write the file with the data set's names."
    return f"no row is a gene of the data set. Rows: {shown[0]}, ...; genes: {shown[1]}, ...{cure}"


def _kind(names: Sequence[str]) -> str:
    if sum(bool(ENSEMBL.fullmatch(name.upper())) for name in names) > len(names) / 2:
        return "Ensembl identifiers"
    if sum(name.isascii() and name.isdecimal() for name in names) > len(names) / 2:
        return "numbers (Entrez identifiers, or places of genes)"
    return "symbols"
