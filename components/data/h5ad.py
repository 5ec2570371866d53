"""Data sets from AnnData files (.h5ad), cells x genes, with a network in another file.

Large expression is written once as float32 and mapped by every process that reads it. The driver and each worker would
hold 8 GB of their own for 20,000 genes in 100,000 cells; a mapped file is in memory once, and leaves it when something
else needs the room.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pooch
import psutil

from components.core.dataset import Floats, Ints
from components.core.errors import KnockoutError
from components.core.metrics import Scores
from components.data.checks import check_edges, check_expression, rows_of_genes
from components.data.hints import refuse_strangers
from components.tables.csvfile import one_name
from components.tables.files import as_size
from components.tables.network import read_network
from components.tables.tfs import tf_list

LARGE = 2**30  # bytes of dense float32 from which on expression is mapped
CHUNK = 2**27  # bytes that are written at once
KEPT_DAYS = 30  # since a file was last used
VERSION = 1  # of the file, and of the checks that its values have passed
PSEUDOTIMES = ("dpt_pseudotime", "pseudotime")  # columns of obs, the first of which is read


def _mapped_file(source: Path) -> Path:
    """Return where the dense, checked expression of a file lies, in the user's cache: a changed file has another."""
    stat = source.stat()
    known = f"{source.resolve()}|{stat.st_size}|{stat.st_mtime_ns}|{VERSION}"
    return Path(pooch.os_cache("knockout"), "expression", hashlib.sha256(known.encode()).hexdigest() + ".npy")


def _read_mapped(path: Path) -> Floats | None:
    """Return ``[genes, cells]`` as a mapped array, which may be written into without changing the file; else None."""
    with suppress(OSError, ValueError):  # none there, or one cut short
        expression: Floats = np.load(path, mmap_mode="c")
        os.utime(path)
        return expression
    return None


def _write_mapped(path: Path, matrix: Any) -> Floats | None:
    """Write a matrix ``[genes, cells]``, sparse in rows or dense, and return it mapped; None where no room is."""
    genes, cells = matrix.shape
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for other in path.parent.iterdir():
            with suppress(OSError):
                if time.time() - other.stat().st_mtime > KEPT_DAYS * 86400:
                    other.unlink()
        if shutil.disk_usage(path.parent).free < 1.1 * 4 * genes * cells:
            return None
        mapped = np.lib.format.open_memmap(part, mode="w+", dtype=np.float32, shape=(genes, cells))
        step = max(CHUNK // (4 * cells), 1)
        for start in range(0, genes, step):
            rows = matrix[start : start + step]
            mapped[start : start + step] = rows.toarray() if hasattr(rows, "toarray") else rows
        mapped.flush()
        del mapped
        part.replace(path)
    except OSError:  # a home that cannot be written: every process holds its own
        with suppress(OSError):
            part.unlink(missing_ok=True)
        return None
    return _read_mapped(path)


def read_h5ad(
    path: Path, network_file: Path, tfs_file: Path | None = None
) -> tuple[tuple[str, ...], Floats, Ints, Ints]:
    """Read expression from an AnnData file, and edges from a table.

    Parameters
    ----------
    path
        ``.h5ad`` file, ``X`` ``[cells, genes]``, dense or sparse, log-scale values.
    network_file
        Table of edges, with titles that say which column regulates.
    tfs_file
        List of TFs; None for every regulator in the network.

    Returns
    -------
    tuple
        Gene names, expression ``[genes, cells]``, ``[tfs]`` and ``[edges, 2]`` rows of the expression.

    Raises
    ------
    KnockoutError
        If anndata is not installed, or a file is faulty.
    """
    genes, cells, matrix = _matrix(path)
    listed = None if tfs_file is None else tf_list(tfs_file, genes)
    network = read_network(network_file, {gene.upper() for gene in genes}, listed.values if listed else ())
    if network.guessed:
        message = f"{network.notes[0]}; a study does not guess. Name them TF and Target in the first row"
        raise KnockoutError(f"{message}, or use knockout data prepare.", where=str(network_file))
    ends = (network.regulators, network.targets)
    refuse_strangers([name for end in ends for name in end.values], genes, cells, where=str(path))
    expression = _dense(path, genes, cells, matrix)
    edges = np.stack([rows_of_genes(end, genes) for end in ends], axis=1)
    tfs = np.unique(edges[:, 0] if listed is None else rows_of_genes(listed, genes))
    check_edges(edges, ends[0], genes, tfs)
    return genes, expression, tfs, edges


def h5ad_pseudotime(path: Path) -> Scores | None:
    """Return the pseudotime ``[cells, 1]`` that scanpy or another tool has written into ``obs``, if any did.

    It is the first of the columns ``dpt_pseudotime`` and ``pseudotime``; NaN where it is infinite, as scanpy has it for
    cells that are not linked to the root.
    """
    import h5py

    with h5py.File(path) as file:
        columns = [file["obs"][name] for name in PSEUDOTIMES if name in file["obs"]]
        numbers = [column[:] for column in columns if isinstance(column, h5py.Dataset) and column.dtype.kind in "fiu"]
    if not numbers:
        return None
    times: Scores = np.where(np.isfinite(numbers[0]), numbers[0], np.nan).astype(np.float64)[:, None]
    return times if len(np.unique(times[np.isfinite(times)])) > 1 else None


def _matrix(path: Path) -> tuple[tuple[str, ...], tuple[str, ...], Any]:
    """Return genes, cells and expression ``[genes, cells]``: sparse in rows, dense, or mapped if it was read before."""
    mapped = _read_mapped(_mapped_file(path))
    data = open_h5ad(path, names_only=mapped is not None)
    genes, cells = tuple(map(one_name, data.var_names)), tuple(map(one_name, data.obs_names))
    if mapped is not None:
        data.file.close()
        return genes, cells, mapped
    matrix = data.X
    if matrix is None or matrix.dtype.kind not in "fiu":
        raise KnockoutError("X holds no numbers; expected log-scale expression [cells, genes].", where=str(path))
    with np.errstate(over="ignore"):
        if not hasattr(matrix, "tocsr"):
            return genes, cells, np.ascontiguousarray(np.asarray(matrix).T, dtype=np.float32)
        from scipy import sparse  # half a second of a worker's start

        rows = sparse.csr_array(matrix.T)
        rows.sum_duplicates()
        rows.eliminate_zeros()
        return genes, cells, rows.astype(np.float32)


def _dense(path: Path, genes: tuple[str, ...], cells: tuple[str, ...], matrix: Any) -> Floats:
    """Return checked expression ``[genes, cells]``; large expression mapped from a file that all processes share."""
    if isinstance(matrix, np.memmap):  # checked when it was written
        return matrix
    check_expression(genes, cells, matrix, where=str(path))
    if 4 * len(genes) * len(cells) > LARGE and (mapped := _write_mapped(_mapped_file(path), matrix)) is not None:
        return mapped
    if not hasattr(matrix, "tocsr"):
        dense: Floats = matrix
        return dense
    _refuse_size(4.0 * len(genes) * len(cells), f"{len(cells):,} cells x {len(genes):,} genes", path)
    return np.ascontiguousarray(matrix.toarray())


def is_h5ad(path: Path) -> bool:
    """Return whether a file is of AnnData, by its name or by its content."""
    if path.name.lower().endswith(".h5ad"):
        return True
    if not path.is_file() or importlib.util.find_spec("h5py") is None:
        return False
    import h5py

    try:
        with h5py.File(path) as file:
            return {"obs", "var"} <= set(file)
    except OSError:
        return False


def _refuse_bomb(path: Path) -> None:
    """Refuse a file that declares more values than memory can hold: 60 bytes can stand for terabytes."""
    import h5py

    declared: dict[str, h5py.Dataset] = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: declared.update({name: item}) if isinstance(item, h5py.Dataset) else None)
        sizes = {name: float(item.size or 0) * item.dtype.itemsize for name, item in declared.items()}
        largest = max(sizes, key=lambda name: sizes[name], default="")
        if largest:
            shape = " x ".join(f"{length:,}" for length in declared[largest].shape)
            _refuse_size(sum(sizes.values()), f"{largest} declares {shape} values", path)


def _refuse_size(size: float, what: str, path: Path) -> None:
    free = psutil.virtual_memory().available
    if size > free:
        message = f"{what}: {as_size(size)}, more than the free memory of {as_size(free)}; choose fewer cells or genes."
        raise KnockoutError(message, where=str(path))


def open_h5ad(path: Path, *, names_only: bool = False) -> Any:
    """Return the AnnData object of a file as it is, cells x genes; for names alone its values stay in the file.

    Raises
    ------
    KnockoutError
        If anndata is not installed, or the file is damaged.
    """
    try:
        import anndata
    except ImportError:
        message = "reading .h5ad needs the package anndata: pip install 'knockout[h5ad]'."
        raise KnockoutError(message, where=str(path)) from None
    try:
        if not names_only:
            _refuse_bomb(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on duplicate names, which are refused later
            return anndata.read_h5ad(path, backed="r" if names_only else None)
    except KnockoutError:
        raise
    except Exception as error:  # a damaged file raises whatever HDF5 meets first
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise KnockoutError(f"not readable as .h5ad: {first}", where=str(path)) from None
