"""Data sets that are given as objects: written once, by digest, so that workers and later runs read the same files.

An entry of ``datasets`` with the key ``adata``:

=============== ======================================================================================================
``adata``       AnnData, cells x genes, log-scale values in ``X``
``network``     table of edges: DataFrame or path, with titles that say which column regulates
``name``        name of the data set
``tfs``         names of TFs, or the path of a list; default: every regulator of the network
``layer``       layer to take in place of ``X``
``network_name`` where the edges come from; default: the name of the network's file
``block``       independent unit; default: the name
``split``       exam; default: the study's
=============== ======================================================================================================

The same rules hold as for files: raw counts and scaled values are refused, no role of a column is guessed.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from components.core.errors import KnockoutError, UnknownNameError
from components.data import readers
from components.data.scale import judge
from components.tables.files import content_of
from components.tables.network import read_network
from study.spec.files import write_first

KEYS = ("adata", "network", "name", "tfs", "layer", "network_name", "block", "split")
PATHS = ("path", "network_file", "tfs_file", "orthologs", "train_on")
STUDY = "study.yaml"
HEAD = "# As knockout.study(...) was given it; any machine goes on with: knockout run OUT/given/study.yaml --out OUT\n"


@dataclass
class Attached:
    """The objects of a study, each by the name of the file that it becomes."""

    files: dict[str, Callable[[Path], object]] = field(default_factory=dict)  # name of each to what writes it
    entries: dict[int, dict[str, Any]] = field(default_factory=dict)  # of the study file that read them, by position

    def __bool__(self) -> bool:
        return bool(self.files)

    @cached_property
    def stage(self) -> Path:
        """A folder of this process, for what is looked at before there is an output folder."""
        self._temporary = tempfile.TemporaryDirectory(prefix="knockout-")  # removed with this object
        return Path(self._temporary.name)

    def add(self, content: bytes) -> str:
        """Add a table; return the name of its file, by digest."""
        name = f"{hashlib.sha256(content).hexdigest()[:16]}.csv"
        self.files[name] = lambda path: path.write_bytes(content)
        return name

    def write(self, folder: Path) -> None:
        """Write every object into a folder, unless it is there."""
        for name, write in self.files.items():
            write_first(folder / name, write)

    def notes(self) -> list[str]:
        """Check every object as a file is checked; return what was found and decided.

        Raises
        ------
        KnockoutError
            For what a file would be refused for, with the place in ``datasets``.
        """
        self.write(self.stage)
        return [self._note(position, entry) for position, entry in self.entries.items()]

    def _note(self, position: int, entry: Mapping[str, Any]) -> str:
        path, network = self.stage / entry["path"], self.stage / entry["network_file"]
        tfs = self.stage / entry["tfs_file"] if "tfs_file" in entry else None
        at = f"datasets[{position}]"
        try:
            dataset = readers.read(path, name=entry["name"], network_file=network, tfs_file=tfs)
            edges = read_network(network, {gene.upper() for gene in dataset.genes})
        except KnockoutError as error:
            names = {str(path): f"{at}.adata", str(network): f"{at}.network", str(tfs): f"{at}.tfs"}
            raise _renamed(error, names) from None
        text = f"{at} {dataset.name}: {dataset.n_genes} genes x {dataset.n_cells} cells, {len(dataset.tfs)} TFs, "
        text += f"{len(dataset.edges)} edges; log scale ({judge(dataset.expression).why})"
        return "; ".join([text, *(note.replace(str(network), "network") for note in edges.notes)])


def attach(content: Mapping[str, Any], root: Path) -> tuple[dict[str, Any], Attached]:
    """Return the content of a study file, plain values only, and the objects that its data sets name.

    Raises
    ------
    KnockoutError
        For an entry that is incomplete or of the wrong kind.
    """
    try:
        values = {str(key): value for key, value in content.items()}
        datasets, attached = values.get("datasets"), Attached()
        if isinstance(datasets, list | tuple) and any(_is_attached(entry) for entry in datasets):
            values["datasets"] = [_entry(entry, i, root, attached) for i, entry in enumerate(datasets)]
        return _plain(values), attached
    except RecursionError:
        raise KnockoutError("the study holds itself.", where="knockout.study") from None


def _is_attached(entry: Any) -> bool:
    return isinstance(entry, Mapping) and "adata" in entry


def _entry(entry: Any, position: int, root: Path, attached: Attached) -> Any:
    at = f"datasets[{position}]"
    if not _is_attached(entry):
        return _absolute(entry, root, at)
    for key in entry:
        if key not in KEYS:
            raise UnknownNameError.of("key", key, KEYS, where=at)
    for key in ("network", "name"):
        if entry.get(key) is None or (key == "name" and not entry[key]):
            raise KnockoutError(f"the key {key!r} is missing; an AnnData object comes with network and name.", where=at)
    name, write = _expression(entry["adata"], entry.get("layer"), at)
    attached.files[name] = write
    files = {"path": name, "network_file": attached.add(_table(entry["network"], root, f"{at}.network"))}
    if entry.get("tfs") is not None:
        files["tfs_file"] = attached.add(_tfs(entry["tfs"], root, f"{at}.tfs"))
    of_file = "network" if isinstance(entry["network"], pd.DataFrame) else Path(entry["network"]).name.split(".")[0]
    labels = {"name": str(entry["name"]), "network": entry.get("network_name") or of_file}
    labels |= {key: entry[key] for key in ("block", "split") if entry.get(key) is not None}
    attached.entries[position] = {**files, **labels}
    return attached.entries[position]


def _expression(adata: Any, layer: str | None, at: str) -> tuple[str, Callable[[Path], object]]:
    """Return name, by digest, and writer of the expression of an AnnData object: values and names, nothing else."""
    if not all(hasattr(adata, name) for name in ("obs_names", "var_names", "X", "layers")):
        raise KnockoutError(f"an AnnData object is needed, got {type(adata).__name__!r}.", where=f"{at}.adata")
    if layer is not None and layer not in adata.layers:
        raise UnknownNameError.of("layer", layer, adata.layers, where=f"{at}.layer")
    values = adata.X if layer is None else adata.layers[layer]
    if hasattr(values, "to_memory"):
        values = values.to_memory()
    elif getattr(adata, "isbacked", False):
        values = values[:]
    if values is None or getattr(values, "dtype", np.dtype(object)).kind not in "fiu":
        raise KnockoutError("X holds no numbers; expected log-scale expression [cells, genes].", where=f"{at}.adata")
    matrix = sparse.csr_matrix(values, dtype=np.float32) if hasattr(values, "toarray") else np.ascontiguousarray(values)
    names = [list(map(str, adata.obs_names)), list(map(str, adata.var_names))]
    sha = hashlib.sha256("\x1e".join("\x1f".join(part) for part in names).encode())
    if isinstance(matrix, sparse.csr_matrix):
        matrix.sum_duplicates()
        parts = [matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64), matrix.data]
    else:
        parts = [matrix := matrix.astype(np.float32)]
    for part in parts:
        sha.update(str(part.shape).encode())
        sha.update(np.ascontiguousarray(part).data)

    def write(path: Path) -> None:
        import anndata

        cells, genes = (pd.DataFrame(index=pd.Index(part, dtype=object)) for part in names)
        anndata.AnnData(matrix, obs=cells, var=genes).write_h5ad(path, compression="lzf")

    return f"{sha.hexdigest()[:16]}.h5ad", write


def _table(table: Any, root: Path, at: str) -> bytes:
    """Return the bytes of a network."""
    if isinstance(table, pd.DataFrame):
        return table.to_csv(index=False).encode()
    if not isinstance(table, str | Path):
        raise KnockoutError(f"a DataFrame or a path is needed, got {type(table).__name__!r}.", where=at)
    return content_of(root / table)


def _tfs(tfs: Any, root: Path, at: str) -> bytes:
    """Return the bytes of a list of TFs."""
    if isinstance(tfs, str | Path):
        return content_of(root / tfs)
    names = list(tfs) if isinstance(tfs, Sequence | set | pd.Index | pd.Series | np.ndarray) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise KnockoutError("names of TFs are needed, or the path of a list.", where=at)
    return "\n".join(["TF", *(sorted(names) if isinstance(tfs, set) else names), ""]).encode()


def _absolute(entry: Any, root: Path, at: str) -> Any:
    """Return an entry beside AnnData objects with its paths in full: those start from the folder of the objects."""
    if isinstance(entry, str | Path) and str(entry) != "simulated":
        entry = {"path": str(entry)}
    if not isinstance(entry, Mapping):
        return entry
    if set("*?[") & set(str(entry.get("path", ""))):
        raise KnockoutError("a pattern cannot stand beside AnnData objects; name its data sets.", where=f"{at}.path")
    return {key: _in_full(value, root) if key in PATHS else value for key, value in entry.items()}


def _in_full(value: Any, root: Path) -> Any:
    if isinstance(value, list | tuple):
        return [_in_full(one, root) for one in value]
    return str((root / value).resolve()) if isinstance(value, str | Path) else value


def _plain(value: Any) -> Any:
    """Return a value as YAML has it: tuples are lists, paths are text, numbers of numpy are numbers."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, Path):
        return str(value)
    return value.item() if isinstance(value, np.generic) else value


def _renamed(error: KnockoutError, names: Mapping[str, str]) -> KnockoutError:
    """Return an error about a file as one about the object that it was written from."""
    message = re.sub(
        "Convert: knockout data prepare .*?, or in Python, of raw counts:", "Convert raw counts:", error.message
    )
    where = error.where
    for path, name in names.items():
        message, where = message.replace(path, name), where.replace(path, name)
    return type(error)(message, where=where)
