"""Data sets from AnnData files (.h5ad), cells x genes, with a network in another file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from components.core.dataset import Floats, Ints
from components.core.errors import KnockoutError
from components.data.checks import check_edges, check_expression, rows_of_genes
from components.data.csvfile import Column, read_table, rows_of

TF_TITLES = ("tf", "tfs", "gene", "genes", "gene1", "source", "name", "symbol")


def read_h5ad(
    path: Path, network_file: Path, tfs_file: Path | None = None
) -> tuple[tuple[str, ...], Floats, Ints, Ints]:
    """Read expression from an AnnData file, and edges from a CSV file.

    Parameters
    ----------
    path
        ``.h5ad`` file, ``X`` ``[cells, genes]``, dense or sparse, log-scale values.
    network_file
        CSV with columns Gene1,Gene2 or TF,Target or source,target.
    tfs_file
        List of TFs, one column, with or without a title; None for every regulator in the network.

    Returns
    -------
    tuple
        Gene names, expression ``[genes, cells]``, ``[tfs]`` and ``[edges, 2]`` rows of the expression.

    Raises
    ------
    KnockoutError
        If anndata is not installed, or a file is faulty.
    """
    genes, cells, expression = _matrix(path)
    check_expression(genes, cells, expression, where=str(path))
    table = read_table(network_file)
    ends = [table.column("Gene1", "TF", "source"), table.column("Gene2", "Target")]
    edges = np.stack([rows_of_genes(end, genes) for end in ends], axis=1)
    regulators = edges[:, 0] if tfs_file is None else rows_of_genes(tf_list(tfs_file, genes), genes)
    tfs = np.unique(regulators)
    check_edges(edges, ends[0], genes, tfs)
    return genes, expression, tfs, edges


def _matrix(path: Path) -> tuple[tuple[str, ...], tuple[str, ...], Floats]:
    data = open_h5ad(path)
    matrix, genes, cells = data.X, tuple(map(str, data.var_names)), tuple(map(str, data.obs_names))
    if hasattr(matrix, "toarray"):  # every kind of sparse matrix
        matrix = matrix.toarray()
    if matrix is None or np.asarray(matrix).dtype.kind not in "fiu":
        raise KnockoutError("X holds no numbers; expected log-scale expression [cells, genes].", where=str(path))
    with np.errstate(over="ignore"):
        return genes, cells, np.ascontiguousarray(np.asarray(matrix).T, dtype=np.float32)


def open_h5ad(path: Path) -> Any:
    """Return the AnnData object of a file as it is, cells x genes.

    Raises
    ------
    KnockoutError
        If anndata is not installed, or the file is absent or damaged.
    """
    try:
        import anndata
    except ImportError:
        message = "reading .h5ad needs the package anndata: pip install 'knockout[h5ad]'."
        raise KnockoutError(message, where=str(path)) from None
    if not path.is_file():
        raise KnockoutError("no such file.", where=str(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on duplicate names, which are refused later
            return anndata.read_h5ad(path)
    except Exception as error:  # a damaged file raises whatever HDF5 meets first
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise KnockoutError(f"not readable as .h5ad: {first}", where=str(path)) from None


def tf_list(path: Path, genes: tuple[str, ...]) -> Column:
    """Return the TFs of a file: of its only column, with or without a title, or of its column TF."""
    rows = list(rows_of(path))
    width = len(rows[0][1])
    if width > 1:
        return read_table(path).column("TF")
    title = rows[0][1][0]
    if title.lower() in TF_TITLES and title not in genes:
        rows = rows[1:]
    if not rows:
        raise KnockoutError("no TFs; expected one gene name per line.", where=str(path))
    return Column(path, "TF", tuple(line for line, _ in rows), tuple(row[0] for _, row in rows))
