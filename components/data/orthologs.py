"""Brings data sets to the genes they share, so that a model can be trained on some and tested on another.

Source: GP-DHT's question ('cross-species GRN inference'); the matching is ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from components.core.dataset import Dataset, Floats, pair_keys
from components.core.errors import KnockoutError
from components.data.csvfile import read_table

LEAST_SHARED = 20  # genes below which a network cannot be cut into an exam


def transfer(sources: Sequence[Dataset], tested: Dataset, orthologs: Mapping[str, str] | None = None) -> Dataset:
    """Bring the data sets that train and the one that is tested to the genes that all share.

    Parameters
    ----------
    sources
        Data sets to train on. Cells of several are set side by side, each gene standardised within its own data set;
        their edges are united.
    tested
        Data set whose network is asked for.
    orthologs
        Symbol in the sources to symbol in ``tested``; symbols that it does not name match by themselves.

    Returns
    -------
    Dataset
        The sources over the shared genes, ``[shared genes, cells of all sources]``, in ``tested``'s gene order, with
        ``tested`` over the same genes as its ``target``.

    Raises
    ------
    KnockoutError
        If too few genes are shared, or no edge is left on either side.

    Notes
    -----
    Symbols match in upper case and one to one: a symbol that stands for two genes of one data set matches nothing.
    """
    table = {old.upper(): new.upper() for old, new in (orthologs or {}).items()}
    wanted = _rows_by_symbol(tested, {})
    found = [_rows_by_symbol(source, table) for source in sources]
    symbols = [symbol for symbol in wanted if all(symbol in rows for rows in found)]
    name = f"{tested.name} from {' + '.join(source.name for source in sources)}"
    if len(symbols) < LEAST_SHARED:
        raise KnockoutError(_few_shared(symbols, tested, sources), where=f"data set {name}")
    target = _restricted(tested, symbols, wanted)
    trained = [_restricted(source, symbols, rows) for source, rows in zip(sources, found, strict=True)]
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
    """Read a table of orthologs: symbol in the data sets trained on, symbol in the one tested.

    Raises
    ------
    KnockoutError
        For a table without two columns, or a symbol that has two orthologs: only one-to-one pairs can be matched.
    """
    table = read_table(path)
    if len(table.header) < 2:
        raise KnockoutError("a table of orthologs has two columns: source symbol, tested symbol.", where=str(path))
    orthologs: dict[str, str] = {}
    taken: dict[str, str] = {}
    for line, row in zip(table.lines, table.rows, strict=True):
        old, new = row[0].strip(), row[1].strip()
        if orthologs.setdefault(old.upper(), new) != new or taken.setdefault(new.upper(), old) != old:
            message = f"{old!r} - {new!r} makes a symbol stand for two; keep one-to-one orthologs only."
            raise KnockoutError(message, where=f"{path}, row {line}")
    return orthologs


def _rows_by_symbol(dataset: Dataset, table: Mapping[str, str]) -> dict[str, int]:
    """Return the row of every symbol that stands for one gene of the data set."""
    symbols = [table.get(gene.upper(), gene.upper()) for gene in dataset.genes]
    counts = Counter(symbols)
    return {symbol: row for row, symbol in enumerate(symbols) if counts[symbol] == 1}


def _restricted(dataset: Dataset, symbols: Sequence[str], rows: Mapping[str, int]) -> Dataset:
    """Return a data set over the given symbols, in their order."""
    kept = np.array([rows[symbol] for symbol in symbols])
    place = np.full(dataset.n_genes, -1, dtype=np.int64)
    place[kept] = np.arange(len(kept))
    edges, tfs = place[dataset.edges], place[dataset.tfs]
    return Dataset(
        name=dataset.name,
        genes=tuple(symbols),
        expression=dataset.expression[kept],
        tfs=np.sort(tfs[tfs >= 0]),
        edges=edges[(edges >= 0).all(axis=1)],
        block=dataset.block,
        network=dataset.network,
    )


def _side_by_side(parts: Sequence[Dataset]) -> Floats:
    if len(parts) == 1:
        return parts[0].expression
    scaled = []
    for part in parts:
        spread = np.maximum(part.expression.std(axis=1, keepdims=True), 1e-6)
        scaled.append((part.expression - part.expression.mean(axis=1, keepdims=True)) / spread)
    return np.concatenate(scaled, axis=1).astype(np.float32)


def _few_shared(symbols: Sequence[str], tested: Dataset, sources: Sequence[Dataset]) -> str:
    named = "; ".join(f"{d.name}: {', '.join(d.genes[:3])} ..." for d in (tested, *sources))
    return (
        f"only {len(symbols)} gene symbols are shared, at least {LEAST_SHARED} are needed. Symbols match in upper "
        f"case; give a table of orthologs where names differ. {named}"
    )
