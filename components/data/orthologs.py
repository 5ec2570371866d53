"""Data sets restricted to shared genes, so that a model can be trained on some and tested on another.

Source: GP-DHT's question ('cross-species GRN inference'); the matching is knockout's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from components.core.dataset import Dataset, Floats, pair_keys
from components.core.errors import KnockoutError
from components.tables.csvfile import read_table

LEAST_SHARED = 20  # genes that an exam needs


def transfer(sources: Sequence[Dataset], tested: Dataset, orthologs: Mapping[str, str] | None = None) -> Dataset:
    """Restrict the data sets to train on and the one to test to the genes that all share.

    Parameters
    ----------
    sources
        Data sets to train on. Of several, cells are concatenated after standardising each gene within its data set, and
        edges are united.
    tested
        Data set whose edges are tested.
    orthologs
        Symbol in the sources to symbol in ``tested``; all other symbols match themselves.

    Returns
    -------
    Dataset
        The sources, ``[shared genes, cells of all sources]``, genes in the order of ``tested``, with ``tested`` over
        the same genes as its ``target``.

    Raises
    ------
    KnockoutError
        If too few genes are shared, or either side has no edge among them.

    Notes
    -----
    Symbols match in upper case and one to one: a symbol of two genes in one data set matches nothing.
    """
    table = {old.upper(): new.upper() for old, new in (orthologs or {}).items()}
    tested_rows = _rows_by_symbol(tested, {})
    source_rows = [_rows_by_symbol(source, table) for source in sources]
    symbols = [symbol for symbol in tested_rows if all(symbol in rows for rows in source_rows)]
    name = f"{tested.name} from {' + '.join(source.name for source in sources)}"
    if len(symbols) < LEAST_SHARED:
        examples = "; ".join(f"{d.name}: {', '.join(d.genes[:3])} ..." for d in (tested, *sources))
        raise KnockoutError(
            f"only {len(symbols)} gene symbols are shared, at least {LEAST_SHARED} are needed. Symbols match in upper "
            f"case; give a table of orthologs where names differ. {examples}",
            where=f"data set {name}",
        )
    target = _restricted(tested, symbols, tested_rows)
    trained = [_restricted(source, symbols, rows) for source, rows in zip(sources, source_rows, strict=True)]
    keys = np.unique(np.concatenate([pair_keys(part.edges, len(symbols)) for part in trained]))
    dataset = Dataset(
        name=name,
        genes=target.genes,
        expression=_side_by_side(trained),
        tfs=np.unique(np.concatenate([part.tfs for part in trained])),
        edges=np.stack([keys // len(symbols), keys % len(symbols)], axis=1),
        block=tested.block,
        network=tested.network,
        target=target,
    )
    for part, side in ((dataset, "trained on"), (target, "tested")):
        if not len(part.edges):
            raise KnockoutError(f"no edge of the network that is {side} lies among the shared genes.", where=name)
    return dataset


def read_orthologs(path: Path) -> dict[str, str]:
    """Read a table of orthologs, symbol in the source and symbol in the tested data set, one to one.

    Raises
    ------
    KnockoutError
        For a table without two columns, or a symbol with two orthologs.
    """
    table = read_table(path)
    if len(table.header) < 2:
        raise KnockoutError("a table of orthologs has two columns: source symbol, tested symbol.", where=str(path))
    orthologs: dict[str, str] = {}
    reverse: dict[str, str] = {}
    for line, (old, new, *_) in zip(table.lines, table.rows, strict=True):
        if orthologs.setdefault(old.upper(), new) != new or reverse.setdefault(new.upper(), old) != old:
            message = f"{old!r} - {new!r} makes a symbol stand for two; keep one-to-one orthologs only."
            raise KnockoutError(message, where=f"{path}, row {line}")
    return orthologs


def _rows_by_symbol(dataset: Dataset, table: Mapping[str, str]) -> dict[str, int]:
    """Return the row of every symbol that one gene of the data set has."""
    symbols = [table.get(gene.upper(), gene.upper()) for gene in dataset.genes]
    counts = Counter(symbols)
    return {symbol: row for row, symbol in enumerate(symbols) if counts[symbol] == 1}


def _restricted(dataset: Dataset, symbols: Sequence[str], rows: Mapping[str, int]) -> Dataset:
    """Return a data set over the given symbols, in their order."""
    order = np.array([rows[symbol] for symbol in symbols])
    place = np.full(dataset.n_genes, -1, dtype=np.int64)
    place[order] = np.arange(len(order))
    edges, tfs = place[dataset.edges], place[dataset.tfs]
    return replace(
        dataset,
        genes=tuple(symbols),
        expression=dataset.expression[order],
        tfs=np.sort(tfs[tfs >= 0]),
        edges=edges[(edges >= 0).all(axis=1)],
        target=None,
        pseudotime=None,
    )


def _side_by_side(parts: Sequence[Dataset]) -> Floats:
    if len(parts) == 1:
        return parts[0].expression
    scaled = []
    for part in parts:
        spread = np.maximum(part.expression.std(axis=1, keepdims=True), 1e-6)
        scaled.append((part.expression - part.expression.mean(axis=1, keepdims=True)) / spread)
    return np.concatenate(scaled, axis=1).astype(np.float32)
