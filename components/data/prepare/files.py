"""A lab's files: expression in .h5ad or CSV, with names that may be faulty; network, synonyms, a gene ordering."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from components.core.errors import KnockoutError, UnknownNameError
from components.data.checks import read_expression, refuse_bad_values
from components.data.h5ad import is_h5ad, open_h5ad
from components.data.readers import EXPRESSION, NETWORK
from components.data.scale import judge
from components.tables.csvfile import one_name, read_frame, read_table, rows_of, separator_of, table_text
from components.tables.files import refuse_foreign, sibling_suggestion

FILES = ("ExpressionData.csv", EXPRESSION)
NETWORKS = ("GroundTruthNetwork.csv", "refNetwork.csv", NETWORK)


@dataclass(frozen=True)
class LabExpression:
    """Expression of one experiment before anything is filtered, ``[genes, cells]``, sparse, finite and not negative.

    Names are as written, without blanks around them; they may be empty or not distinct.
    """

    path: Path
    genes: tuple[str, ...]
    cells: tuple[str, ...]
    matrix: sparse.csr_array
    layers: tuple[str, ...] = ()  # others with values
    symbol_columns: tuple[str, ...] = ()  # columns of ``var`` that may contain symbols


def find_expression(source: Path) -> Path:
    """Return the expression file: the source, or the only one in or below it if it is a folder.

    Raises
    ------
    KnockoutError
        If there is none, or more than one.
    """
    if not source.exists():
        raise KnockoutError("no such file or folder." + sibling_suggestion(source), where=str(source))
    if not source.is_dir():
        return source
    refuse_foreign(source)
    files = [source / name for name in FILES if (source / name).is_file()]
    files = files or sorted(file for name in FILES for file in source.rglob(name))
    if not files:
        raise KnockoutError(f"this folder has no {FILES[0]}; give it, or an .h5ad or CSV file.", where=str(source))
    if len(files) > 1:
        listed = ", ".join(str(file.relative_to(source)) for file in files[:10])
        raise KnockoutError(f"more than one data set lies here; choose one of {listed}.", where=str(source))
    return files[0]


def read_lab_expression(path: Path, layer: str = "X", gene_column: str = "") -> LabExpression:
    """Read the expression of an experiment.

    Parameters
    ----------
    path
        ``.h5ad`` (cells x genes, dense or sparse), or a table, plain or gzip, with genes in rows and cells in columns.
    layer
        ``.h5ad`` only: ``X``, ``raw`` for ``.raw``, or the name of a layer; ``layers/X`` for a layer called X.
    gene_column
        ``.h5ad`` only: column of ``var`` with the symbols; empty for the names of ``var``.

    Raises
    ------
    KnockoutError
        For an unreadable file, fewer than 2 cells, a value that is negative or not finite.
    UnknownNameError
        For a layer or column that the file does not have.
    """
    if is_h5ad(path):
        lab = _of_h5ad(path, layer, gene_column)
    elif layer != "X" or gene_column:
        option = f"layer {layer!r}" if layer != "X" else f"column {gene_column!r} of var"
        raise KnockoutError(f"there is no {option} in a CSV file; only .h5ad files have them.", where=str(path))
    else:
        lab = _of_csv(path)
    others = f" Other values here: --layer {' or '.join(lab.layers)}." if lab.layers else ""
    refuse_bad_values(lab.genes, lab.cells, lab.matrix, f"raw counts or log values.{others}", where=str(path))
    lab.matrix.eliminate_zeros()
    return lab


def _of_h5ad(path: Path, layer: str, gene_column: str) -> LabExpression:
    data = open_h5ad(path)
    own = {"X": data.X, "raw": data.raw.X if data.raw is not None else None}
    values = {name: matrix for name, matrix in own.items() if matrix is not None}
    values |= {f"layers/{name}" if name in own else str(name): data.layers[name] for name in data.layers}
    in_layers = layer.removeprefix("layers/")
    if layer == "X" and data.X is None:
        where = " or ".join(f"--layer {name}" for name in values) or "none"
        raise KnockoutError(f"X holds no numbers. Layers with values: {where}.", where=str(path))
    if layer not in values and in_layers not in data.layers:
        raise UnknownNameError.of("layer", layer, values, where=str(path))
    source = data.raw if layer == "raw" and layer in values else data
    matrix = values[layer] if layer in values else data.layers[in_layers]
    if gene_column and gene_column not in source.var:
        raise UnknownNameError.of("column of var", gene_column, map(str, source.var), where=str(path))
    names = source.var[gene_column] if gene_column else source.var_names
    if getattr(matrix, "dtype", np.dtype(object)).kind not in "fiu":
        raise KnockoutError(f"{layer} holds no numbers. Layers with values: {', '.join(values)}.", where=str(path))
    columns = tuple(str(column) for column in source.var if source.var[column].dtype.kind not in "fiub")
    cells = tuple(map(one_name, data.obs_names))
    others = tuple(name for name in values if name.removeprefix("layers/") != in_layers)
    return LabExpression(path, _as_names(names), cells, _rows(matrix.T), others, columns)


def _as_names(values: Any) -> tuple[str, ...]:
    """Return names as text: nothing for a missing one, and no decimals behind identifiers that are numbers."""
    column = pd.Series(values)
    if column.dtype.kind == "f":
        column = column.map(lambda number: "" if np.isnan(number) else f"{number:.15g}")
    return tuple("" if missing else one_name(name) for name, missing in zip(column, column.isna(), strict=True))


def _of_csv(path: Path) -> LabExpression:
    text = table_text(path)
    cells = tuple(next(rows_of(path, text=text))[1][1:])
    kinds = {0: str, **dict.fromkeys(range(1, len(cells) + 1), np.float64)}
    try:
        frame = read_frame(text, separator_of(text), header=0, names=list(kinds), dtype=kinds)
        readable = isinstance(frame.index, pd.RangeIndex) and not frame.isna().to_numpy().any()
    except ValueError:
        readable = False
    if not readable:  # slow, but its error names row, gene and cell
        genes, cells, values = read_expression(path)
        return LabExpression(path, genes, cells, _rows(values))
    return LabExpression(path, _as_names(frame[0]), cells, _rows(frame.drop(columns=0).to_numpy()))


def _rows(matrix: Any) -> sparse.csr_array:
    return sparse.csr_array(matrix, dtype=np.float64)


def log_values(lab: LabExpression, counts: str = "auto", library_size: float = 0.0) -> tuple[sparse.csr_array, str]:
    """Return expression on the log scale that models are trained on.

    Parameters
    ----------
    lab
        Expression; every cell has at least one value above 0.
    counts
        ``raw``: scaled to one library size per cell, then log2(x + 1), as BEELINE's values are log2(TPM + 1). ``log``:
        kept as they are. ``auto``: raw unless :func:`judge` takes them for log values.
    library_size
        Counts per cell that raw counts are scaled to; 0 for the median over the cells.

    Returns
    -------
    tuple
        ``[genes, cells]``, and what was done and why, as text.

    Raises
    ------
    KnockoutError
        For values that are said to be log values and are not.
    """
    scale = judge(lab.matrix)
    if counts == "log" and scale.kind != "log":
        what = "raw counts" if scale.kind == "counts" else "values without a logarithm"
        raise KnockoutError(f"{scale.why}: these are {what}; leave out --counts log.", where=str(lab.path))
    why = scale.why if counts == "auto" else f"as --counts says; {scale.why}"
    if counts == "log" or (counts == "auto" and scale.kind == "log"):
        return lab.matrix.astype(np.float32), f"log values, kept as they are ({why})"
    what = "raw counts" if counts == "raw" or scale.kind == "counts" else "values without a logarithm"
    totals = np.asarray(lab.matrix.sum(axis=0)).ravel()
    size = library_size or float(np.median(totals))
    scaled = lab.matrix.tocsr(copy=True)
    scaled.data = np.log2(1.0 + scaled.data * (size / totals)[scaled.indices])
    median = "" if library_size else " (the median)"
    return scaled.astype(np.float32), f"{what}, scaled to {size:g} per cell{median}, then log2(x + 1) ({why})"


def find_network(expression: Path) -> Path:
    """Return the network file of BEELINE's layout, which is beside the expression or one folder above.

    Raises
    ------
    KnockoutError
        If there is none.
    """
    for folder in (expression.parent, expression.parent.parent):
        for name in NETWORKS:
            if (folder / name).is_file():
                return folder / name
    names = f"{', '.join(NETWORKS[:-1])} or {NETWORKS[-1]}"
    raise KnockoutError(f"no network given, and no {names} beside it; name one with --network.", where=str(expression))


def read_synonyms(path: Path) -> tuple[dict[str, str], list[str]]:
    """Read aliases and official symbols of genes, the first two columns, in upper case.

    Returns
    -------
    tuple
        Alias to symbol, and the aliases of more than one symbol, which the first does not contain.

    Raises
    ------
    KnockoutError
        If the file is unreadable or has one column.
    """
    table = read_table(path)
    if len(table.header) < 2:
        raise KnockoutError("synonyms need two columns, alias and symbol.", where=f"{path}, row 1")
    titled = table.header[0].lower() in ("alias", "synonym", "name", "old", "")
    rows = table.rows if titled else (table.header, *table.rows)
    pairs = {(alias.upper(), symbol.upper()) for alias, symbol, *_ in rows if alias and symbol}
    symbols = Counter(alias for alias, symbol in pairs if alias != symbol)
    ambiguous = sorted(alias for alias, number in symbols.items() if number > 1)
    return {alias: symbol for alias, symbol in pairs if symbols[alias] == 1 and alias != symbol}, ambiguous


def read_ordering(path: Path) -> pd.DataFrame:
    """Read BEELINE's GeneOrdering.csv: by position gene, p-value and, optionally, variance.

    Returns
    -------
    DataFrame
        Columns ``p`` and ``variance`` (NaN where the file has none), indexed by gene.

    Raises
    ------
    KnockoutError
        For a value that is no number, or a gene that is listed twice.
    """
    table = read_table(path)
    if len(table.header) < 2:
        raise KnockoutError("a gene ordering needs columns gene and p-value, then variance.", where=f"{path}, row 1")
    frame = pd.DataFrame([row[:3] for row in table.rows]).reindex(columns=[0, 1, 2])
    numbers = frame[[1, 2]].apply(pd.to_numeric, errors="coerce")
    bad = np.flatnonzero(frame[1].notna() & numbers[1].isna() & ~frame[1].isin(["NA", "", "nan", "NaN"]))
    if len(bad):
        row = int(bad[0])
        raise KnockoutError(f"p-value {frame[1][row]!r} is not a number.", where=f"{path}, row {table.lines[row]}")
    genes = frame[0]
    if genes.duplicated().any():
        row = int(np.flatnonzero(genes.duplicated())[0])
        raise KnockoutError(f"gene {genes[row]!r} stands twice.", where=f"{path}, row {table.lines[row]}")
    return pd.DataFrame({"p": numbers[1].to_numpy(), "variance": numbers[2].to_numpy()}, index=genes)
