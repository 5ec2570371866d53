"""Checks of expression and network that do not depend on the file format; each error names its remedy."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.core.dataset import Dataset, Floats, Ints, pair_keys
from components.core.errors import KnockoutError, UnknownNameError, command, first_of, suggestion
from components.data.scale import judge
from components.tables.csvfile import Column, is_number, rows_of

LEAST_DETECTED = 10  # values above 0 that a cell must have to be taken for a copy of another
COPIES = 0.1  # share of cells that may be copies by chance


def read_expression(path: Path) -> tuple[tuple[str, ...], tuple[str, ...], Floats]:
    """Read gene names, cell names and any numbers ``[genes, cells]`` from a table.

    Raises
    ------
    KnockoutError
        For a value that is no number, with gene and cell.
    """
    rows = rows_of(path)
    cells = next(rows)[1][1:]
    genes, values = [], []
    for line, row in rows:
        genes.append(row[0])
        values.append(_numbers(row, cells, f"{path}, row {line}"))
    expression = np.array(values, dtype=np.float32).reshape(len(genes), len(cells))
    return tuple(genes), tuple(cells), expression


def _numbers(row: Sequence[str], cells: Sequence[str], where: str) -> Floats:
    try:
        if "_" in "".join(row[1:]):  # float() takes 1_000
            raise ValueError
        with np.errstate(over="ignore"):
            return np.array([float(value) for value in row[1:]], dtype=np.float64).astype(np.float32)
    except ValueError:
        cell, value = next((c, v) for c, v in zip(cells, row[1:], strict=True) if "_" in v or not is_number(v))
        fault = f"value {value!r} is not a number" if value.strip() else "the value is missing"
        cure = " Write decimals with a point, and thousands without a comma." if "," in value else ""
        raise KnockoutError(f"gene {row[0]!r}, cell {cell!r}: {fault}.{cure}", where=where) from None


def check_expression(genes: Sequence[str], cells: Sequence[str], expression: Any, *, where: str) -> None:
    """Refuse expression that no model can be trained on.

    Parameters
    ----------
    genes, cells
        Names of the rows and of the columns.
    expression
        ``[genes, cells]``, log-scale values: an array, or a sparse matrix in rows.
    where
        File, for the message.

    Raises
    ------
    KnockoutError
        For unnamed or duplicate genes, fewer than 2 cells, negative or non-finite values, a gene with one value in
        every cell, cells that stand twice, or values without logarithm.
    """
    _refuse_bad_names(genes, where)
    refuse_bad_values(genes, cells, expression, "log values.", where)
    _refuse_constant(genes, expression, where)
    _refuse_copies(cells, expression, where)
    scale = judge(expression)
    if scale.kind != "log":
        convert = command("knockout", "data", "prepare", where)
        what = "raw counts" if scale.kind == "counts" else "not on the log scale"
        raise KnockoutError(
            f"{what} ({scale.why}); expected log scale. Convert: {convert} --network FILE --to DIR,"
            " or in Python, of raw counts: sc.pp.normalize_total(adata, target_sum=1e4); sc.pp.log1p(adata).",
            where=where,
        )


def refuse_bad_values(genes: Sequence[str], cells: Sequence[str], expression: Any, cure: str, where: str) -> None:
    """Refuse ``[genes, cells]`` without genes or two cells, and values that are not finite or below 0.

    ``cure`` says what to give in place of scaled values.
    """
    if not genes:
        raise KnockoutError("no genes; expected one row per gene below the header.", where=where)
    if len(cells) < 2:
        one = "" if cells else " Columns are parted by commas, tabs, semicolons or blanks."
        raise KnockoutError(f"{len(cells)} cell(s) given; at least 2 are needed.{one}", where=where)
    values = expression.data if hasattr(expression, "tocsr") else expression
    scaled = f" Scaled values cannot be used; give {cure}"
    for bad, rule, hint in ((~np.isfinite(values), "finite", ""), (values < 0, "0 or more", scaled)):
        if bad.any():
            gene, cell = _place(expression, bad)
            fault = f"value {expression[gene, cell]:g} must be {rule} ({int(bad.sum())} such value(s) in all).{hint}"
            raise KnockoutError(f"gene {genes[gene]!r}, cell {cells[cell]!r}: {fault}", where=where)


def _place(expression: Any, bad: NDArray[np.bool_]) -> tuple[int, int]:
    """Return gene and cell of the first bad value, of ``[genes, cells]`` or of what a sparse matrix stores."""
    if not hasattr(expression, "tocsr"):
        gene, cell = np.argwhere(bad)[0]
        return int(gene), int(cell)
    stored = int(np.flatnonzero(bad)[0])
    return int(np.searchsorted(expression.indptr, stored, side="right")) - 1, int(expression.indices[stored])


def check_dataset(dataset: Any, *, where: str) -> None:
    """Refuse a data set from a reader of one's own that no exam can be set on.

    Raises
    ------
    KnockoutError
        If it is no data set, its arrays do not fit together, or its expression is refused.
    """
    if not isinstance(dataset, Dataset):
        raise KnockoutError(f"a reader returns a Dataset; got {type(dataset).__name__}.", where=where)
    values, tfs, edges, n = dataset.expression, dataset.tfs, dataset.edges, dataset.n_genes
    faults = {
        "expression is [genes, cells], float32": values.ndim == 2 and len(values) == n and values.dtype == np.float32,
        "tfs are sorted row numbers of genes, int64": tfs.dtype == np.int64
        and np.array_equal(tfs, np.unique(tfs))
        and _are_rows(tfs, n),
        "edges are [edges, 2] row numbers of genes, int64": edges.dtype == np.int64
        and edges.ndim == 2
        and edges.shape[1] == 2
        and _are_rows(edges, n),
        "pseudotime is [cells, lineages] or None": dataset.pseudotime is None
        or (dataset.pseudotime.ndim == 2 and len(dataset.pseudotime) == dataset.n_cells),
    }
    for rule, holds in faults.items():
        if not holds:
            shapes = f"{n} genes, expression {values.dtype} {values.shape}, tfs {tfs.shape}, edges {edges.shape}"
            raise KnockoutError(f"{rule}; got {shapes}.", where=where)
    if not np.isin(edges[:, 0], tfs).all() or (edges[:, 0] == edges[:, 1]).any():
        raise KnockoutError("each edge starts at a TF and ends at another gene.", where=where)
    if repeats(pair_keys(edges, n)).any():
        raise KnockoutError("an edge stands twice; list it once.", where=where)
    check_expression(dataset.genes, [str(cell) for cell in range(dataset.n_cells)], values, where=where)


def _are_rows(values: Ints, n: int) -> bool:
    return bool(((values >= 0) & (values < n)).all())


def _refuse_bad_names(genes: Sequence[str], where: str) -> None:
    first: dict[str, int] = {}
    for row, gene in enumerate(genes, start=1):
        if not gene.strip():
            raise KnockoutError(f"gene number {row} has no name.", where=where)
        if gene in first:
            message = f"gene {gene!r} stands twice: as gene number {first[gene]} and {row}."
            raise KnockoutError(message + " Keep one of them.", where=where)
        first[gene] = row


def copies(expression: Any) -> NDArray[np.bool_]:
    """Return which cells ``[cells]`` of ``[genes, cells]`` have the values of an earlier cell, ten or more above 0."""
    from scipy import sparse

    columns = sparse.csc_array(expression)
    seen: set[bytes] = set()
    copied = np.zeros(columns.shape[1], dtype=bool)
    for cell, (start, end) in enumerate(itertools.pairwise(columns.indptr)):
        if end - start >= LEAST_DETECTED:
            values = hashlib.blake2b(columns.indices[start:end].tobytes() + columns.data[start:end].tobytes()).digest()
            copied[cell] = values in seen
            seen.add(values)
    return copied


def _refuse_copies(cells: Sequence[str], expression: Any, where: str) -> None:
    cure = "knockout data prepare drops copies and tells names apart"
    repeated = [cell for cell, number in Counter(cells).items() if number > 1]
    if repeated:
        message = f"cell {repeated[0]!r} stands {cells.count(repeated[0])} times ({len(repeated)} such name(s))"
        raise KnockoutError(f"{message}; cells need names of their own: {cure}.", where=where)
    copied = copies(expression)
    if copied.mean() > COPIES:
        cell = cells[int(np.flatnonzero(copied)[0])]
        message = f"{int(copied.sum())} of {len(cells)} cells have the values of another cell (first: {cell!r})"
        raise KnockoutError(f"{message}: was a matrix joined with itself? {cure}.", where=where)


def _refuse_constant(genes: Sequence[str], expression: Any, where: str) -> None:
    highest, lowest = expression.max(axis=1), expression.min(axis=1)
    if hasattr(expression, "tocsr"):
        highest, lowest = highest.toarray(), lowest.toarray()
    constant = np.flatnonzero(highest == lowest)
    if len(constant):
        names = [repr(genes[row]) for row in constant.tolist()]
        raise KnockoutError(
            f"{len(constant)} gene(s) have one and the same value in every cell ({first_of(names)}; "
            f"{genes[constant[0]]!r} is {expression[constant[0], 0]:g} everywhere) and tell nothing. "
            "Remove them from the expression, the gene lists and the network.",
            where=where,
        )


def whole_numbers(column: Column, below: int) -> Ints:
    """Return a column of 0-based gene indices as ``[rows]`` whole numbers below ``below``.

    Raises
    ------
    KnockoutError
        For the first value that is none.
    """
    allowed = f"expected a whole number from 0 to {below - 1}"
    for row, value in enumerate(column.values):
        digits = value.strip()
        if not (digits.removeprefix("-").isdecimal() and digits.isascii()):
            raise KnockoutError(f"index {value!r} is not a whole number; {allowed}.", where=column.where(row))
        if digits.startswith("-") or len(digits.lstrip("0")) > 18 or int(digits) >= below:
            raise KnockoutError(f"index {value} is out of range; {allowed}.", where=column.where(row))
    return np.array([int(value) for value in column.values], dtype=np.int64)


def rows_of_genes(column: Column, genes: Sequence[str]) -> Ints:
    """Return the 0-based row in the expression of each gene of a column, ``[rows]``.

    Raises
    ------
    UnknownNameError
        For the first gene without expression.
    """
    place = {gene: row for row, gene in enumerate(genes)}
    rows = np.array([place.get(gene, -1) for gene in column.values], dtype=np.int64)
    unknown = np.flatnonzero(rows < 0)
    if len(unknown):
        name = column.values[unknown[0]]
        raise UnknownNameError(
            f"gene {name!r} is not among the {len(genes)} genes of the expression.{suggestion(name, genes)}"
            f" ({len(unknown)} such row(s) in all; leave out genes without expression.)",
            where=column.where(unknown[0]),
        )
    return rows


def repeats(values: Ints) -> NDArray[np.bool_]:
    """Return which of the values ``[n]`` stand further up as well."""
    return ~np.isin(np.arange(len(values)), np.unique(values, return_index=True)[1])


def check_edges(edges: Ints, column: Column, genes: Sequence[str], tfs: Ints) -> None:
    """Refuse a network with faulty edges, or with too few to train and to test.

    Parameters
    ----------
    edges
        ``[edges, 2]`` (TF, target) rows of the expression.
    column
        Column of the TFs, for messages.
    genes
        Names of the rows.
    tfs
        ``[tfs]`` rows of the listed regulators.

    Raises
    ------
    KnockoutError
        For fewer than 2 edges, a self-edge, a duplicate edge, or a regulator that is not listed.
    """
    if len(edges) < 2:
        message = f"the network has {len(edges)} edge(s); at least 2 are needed, to train and to test."
        raise KnockoutError(message, where=str(column.path))
    for bad, what in (
        (edges[:, 0] == edges[:, 1], "a self-edge; remove it, self-regulation is not part of the task"),
        (repeats(pair_keys(edges, len(genes))), "a duplicate; each edge may stand once"),
        (~np.isin(edges[:, 0], tfs), "from a gene that is not listed as a TF; add it to the TF list"),
    ):
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            tf, target = (genes[gene] for gene in edges[row])
            message = f"edge {tf!r} -> {target!r} is {what} ({int(bad.sum())} such row(s) in all)."
            raise KnockoutError(message, where=column.where(row))
