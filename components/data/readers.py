"""Data sets from disk: folders in the layout of BEELINE and GENELink, and AnnData files with a network.

Layout: Pratapa et al. 2020 (BEELINE, Nat. Methods 17, 147); Chen & Liu 2022 (GENELink), public repository.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from components.core import registry
from components.core.dataset import PSEUDOTIME, Dataset, Ints, pair_keys
from components.core.errors import KnockoutError, first_of, nearest
from components.data.checks import (
    check_dataset,
    check_edges,
    check_expression,
    read_expression,
    repeats,
    rows_of_genes,
    whole_numbers,
)
from components.data.h5ad import h5ad_pseudotime, is_h5ad, read_h5ad
from components.data.hints import refuse_strangers
from components.tables.csvfile import Column, one_name, read_table
from components.tables.files import refuse_foreign, sibling_suggestion
from components.tables.pseudotime import read_pseudotime

EXPRESSION, TARGETS, TFS = "BL--ExpressionData.csv", "Target.csv", "TF.csv"
LABELS, NETWORK = "Label.csv", "BL--network.csv"
FILES = (EXPRESSION, TARGETS, TFS, LABELS, NETWORK)
LAYOUTS = (
    f"a folder with {EXPRESSION}, {TFS}, {TARGETS} and {LABELS} or {NETWORK}; "
    "or an .h5ad file with a network (columns TF,Target). Other files: knockout data prepare"
)


@dataclass(frozen=True)
class Reader:
    """A reader of data sets in a layout of one's own.

    Attributes
    ----------
    name
        What messages call it.
    fits
        Whether a file or folder is for it; asked before any other layout is tried.
    read
        Returns the data set of a path, a ``network_file`` and a ``tfs_file`` (None where a study names none).
    """

    name: str
    fits: Callable[[Path], bool]
    read: Callable[[Path, Path | None, Path | None], Dataset]


READERS: dict[str, Reader] = {}


def register_reader(reader: Reader) -> None:
    """Add a reader of data sets; one of the same name, from the same module, is replaced.

    Raises
    ------
    KnockoutError
        If another module has a reader of this name.
    """
    taken = READERS.get(reader.name)
    if taken is not None and taken.read.__module__ != reader.read.__module__:
        raise KnockoutError(f"reader {reader.name!r} is taken: {taken.read.__module__} has registered it.")
    READERS[reader.name] = reader


def read(
    path: Path,
    *,
    name: str = "",
    block: str = "",
    network: str = "",
    network_file: Path | None = None,
    tfs_file: Path | None = None,
) -> Dataset:
    """Read and check one data set.

    Parameters
    ----------
    path
        Folder in the layout of BEELINE and GENELink, or an ``.h5ad`` file (cells x genes, log-scale).
    name, block, network
        Names in tables. The defaults of a folder ``<network>/<cell>/TFs+<n>`` come from its path; otherwise the name
        is that of the folder or file, and the block is the name.
    network_file
        ``.h5ad`` only: table of edges, with titles that say which column regulates.
    tfs_file
        ``.h5ad`` only: list of TFs; None for every regulator in the network.

    Returns
    -------
    Dataset
        Expression ``[genes, cells]`` as float32; genes and edges in file order. A folder may hold a pseudotime.

    Raises
    ------
    KnockoutError
        For the first fault, with file, row and what is allowed.
    """
    path = Path(path).resolve()
    if not path.exists():
        raise KnockoutError("no such file or folder." + sibling_suggestion(path), where=str(path))
    registry.load_installed()
    reader = next((reader for reader in READERS.values() if reader.fits(path)), None)
    if reader is not None:
        dataset = reader.read(path, network_file, tfs_file)
        check_dataset(dataset, where=f"{path}, as {reader.name} reads it")
    elif is_h5ad(path):
        if network_file is None:
            raise KnockoutError("an .h5ad file needs a network file (columns TF,Target).", where=str(path))
        values = read_h5ad(path, Path(network_file), tfs_file and Path(tfs_file))
        dataset = Dataset(path.stem, *values, network=Path(network_file).stem, pseudotime=h5ad_pseudotime(path))
    elif network_file or tfs_file:
        raise KnockoutError("a folder brings its own network and TFs; give no other file.", where=str(path))
    else:
        dataset = _of_folder(path)
    name = one_name(name or dataset.name)
    block, network = one_name(block or dataset.block or name), one_name(network or dataset.network)
    return replace(dataset, name=name, block=block, network=network)


def _of_folder(path: Path) -> Dataset:
    """Return the data set of a folder, with the names that its path gives it."""
    _refuse_other_layouts(path)
    genes, cells, expression = read_expression(path / EXPRESSION)
    symbols = read_table(path / TARGETS).column("Gene").values
    refuse_strangers(symbols, genes, cells, where=str(path / EXPRESSION))
    check_expression(genes, cells, expression, where=str(path / EXPRESSION))
    _check_gene_list(path / TARGETS, genes)
    pseudotime = read_pseudotime(path / PSEUDOTIME, cells) if (path / PSEUDOTIME).is_file() else None
    tfs = np.sort(_indexed(path / TFS, "TF", genes)[1])
    name, block, network = _names(path)
    return Dataset(name, genes, expression, tfs, _edges(path, genes, tfs), block, network, pseudotime=pseudotime)


def find(root: Path) -> list[Path]:
    """Return every folder at or below ``root`` that has expression in the layout of BEELINE and GENELink, sorted.

    Raises
    ------
    KnockoutError
        If ``root`` is no folder.
    """
    root = Path(root)
    if not root.is_dir():
        raise KnockoutError("no such folder.", where=str(root))
    folders = []
    for name, inner, files in os.walk(root, followlinks=True):  # labs keep one copy of large data, and link to it
        folder = Path(name)
        if any(above.resolve() == folder.resolve() for above in folder.parents if above.is_relative_to(root)):
            inner.clear()  # a link to a folder that it lies in
        elif EXPRESSION in files:
            folders.append(folder)
    return sorted(folders)


def summary(dataset: Dataset) -> dict[str, int | float]:
    """Return counts of a data set and, in percent, three shares.

    ``density_percent`` is positives / (TFs with a target x (genes - 1)), ``zeros_percent`` the share of zeros in the
    expression, ``reciprocal_percent`` the share of edges whose reverse is an edge.
    """
    edges, n_genes = dataset.edges, dataset.n_genes
    regulators = len(np.unique(edges[:, 0]))
    reciprocal = np.isin(pair_keys(edges, n_genes), pair_keys(edges[:, ::-1], n_genes))
    return {
        "genes": n_genes,
        "cells": dataset.n_cells,
        "tfs": len(dataset.tfs),
        "tfs_with_target": regulators,
        "targets": len(np.unique(edges[:, 1])),
        "positives": len(edges),
        "density_percent": 100.0 * len(edges) / (regulators * (n_genes - 1)),
        "zeros_percent": 100.0 * (1 - np.count_nonzero(dataset.expression) / dataset.expression.size),
        "reciprocal_percent": 100.0 * float(np.mean(reciprocal)),
    }


def _names(folder: Path) -> tuple[str, str, str]:
    parents = [parent.name for parent in folder.parents]
    if not re.fullmatch(r"TFs\+\d+", folder.name) or len(parents) < 3:
        return folder.name, "", ""
    cell, network = parents[0], parents[1].removesuffix(" Dataset")  # as GENELink's folders are called
    return f"{network}/{cell}/{folder.name}", cell, network


def _refuse_other_layouts(path: Path) -> None:
    """Raise an error that says what is missing, which data sets are below, and which layouts are known."""
    where = str(path)
    refuse_foreign(path)
    if not path.is_dir():
        raise KnockoutError(f"neither a folder nor an .h5ad file. Known layouts: {LAYOUTS}.", where=where)
    present = sorted(p.name for p in path.iterdir())
    missing = [file for file in (EXPRESSION, TFS, TARGETS) if file not in present]
    if LABELS not in present and NETWORK not in present:
        missing.append(f"{LABELS} or {NETWORK}")
    if len(missing) == 4:
        below = [str(folder.relative_to(path)) for folder in find(path)]
        hint = f" Data sets below it: {first_of(below, 20)}." if below else ""
        raise KnockoutError(f"not a data set.{hint} Known layouts: {LAYOUTS}.", where=where)
    if missing:
        near = nearest(missing[0], sorted(set(present) - set(FILES)))
        hint = f" Did you mean to rename {near!r}?" if near else ""
        raise KnockoutError(f"missing file(s): {', '.join(missing)}.{hint}", where=where)


def _check_gene_list(path: Path, genes: tuple[str, ...]) -> None:
    listed, rows = _indexed(path, "Gene", genes)
    for row in np.flatnonzero(rows != np.arange(len(rows))).tolist():
        message = f"gene {listed.values[row]!r}, index {rows[row]}, stands at place {row}; expected the row order"
        raise KnockoutError(f"{message} of {EXPRESSION}: {genes[row]!r}.", where=listed.where(row))
    if len(rows) != len(genes):
        message = f"lists {len(rows)} genes, {EXPRESSION} has {len(genes)}; missing: {genes[len(rows)]!r}."
        raise KnockoutError(message, where=str(path))


def _indexed(path: Path, title: str, genes: tuple[str, ...]) -> tuple[Column, Ints]:
    """Return a column of genes and their rows ``[rows]`` in the expression, which the column "index" must repeat."""
    table = read_table(path)
    listed = table.column(title)
    rows, index = rows_of_genes(listed, genes), whole_numbers(table.column("index"), len(genes))
    for row in np.flatnonzero(rows != index).tolist():
        message = f"gene {listed.values[row]!r} has index {index[row]}, but row {rows[row]} in {EXPRESSION}."
        raise KnockoutError(message, where=listed.where(row))
    for row in np.flatnonzero(repeats(rows)).tolist():
        raise KnockoutError(f"{title} {listed.values[row]!r} stands twice; list it once.", where=listed.where(row))
    return listed, rows


def _edges(folder: Path, genes: tuple[str, ...], tfs: Ints) -> Ints:
    """Return ``[edges, 2]`` of Label.csv, or else of BL--network.csv; if both exist they must agree."""
    networks: list[Ints] = []
    for file, titles in ((LABELS, ("TF", "Target")), (NETWORK, ("Gene1", "Gene2"))):
        if (folder / file).exists():
            table = read_table(folder / file)
            ends = [table.column(title) for title in titles]
            rows = [whole_numbers(e, len(genes)) if file == LABELS else rows_of_genes(e, genes) for e in ends]
            networks.append(np.stack(rows, axis=1))
            check_edges(networks[-1], ends[0], genes, tfs)
    labels, network = networks[0], networks[-1]
    for file, other, edges, others in ((LABELS, NETWORK, labels, network), (NETWORK, LABELS, network, labels)):
        extra = edges[~np.isin(pair_keys(edges, len(genes)), pair_keys(others, len(genes)))]
        for tf, target in extra:
            edge = f"edge {genes[tf]!r} -> {genes[target]!r} ({tf} -> {target})"
            message = f"{file} and {other} disagree: {edge} stands only in {file} ({len(extra)} such edge(s) in all)."
            raise KnockoutError(f"{message} Mend one or remove {LABELS}.", where=str(folder))
    return labels
