"""Features of genes from a file: one row per gene, as embeddings, annotations and gene sets come; matched with genes.

Nothing is unpickled, and no model is run.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from components.core.dataset import Ints, Reals
from components.core.errors import KnockoutError
from components.tables.csvfile import one_name, read_frame, separator_of, table_text, text_of
from components.tables.files import PYTHON, refuse_foreign, sibling_suggestion

if TYPE_CHECKING:  # pandas takes 80 MB, and most workers do without
    import pandas as pd

TABLE = "expected one row per gene: its symbol, then numbers"
UNREAD = {
    ".safetensors": "safetensors.numpy.load_file({name!r})",
    ".pt": "torch.load({name!r}, weights_only=True)",
    ".pth": "torch.load({name!r}, weights_only=True)",
    ".h5ad": "anndata.read_h5ad({name!r}).varm",
}
SAVE = "np.savez('features.npz', genes=np.array(names, dtype=str), values=matrix)"
ENSEMBL = re.compile(r"(ENS[A-Z]*G\d+)(\.\d+)?", re.IGNORECASE)
SHOWN = 5  # names in a message


@dataclass(frozen=True)
class FeatureTable:
    """Features as a file holds them: values ``[rows, columns]``, which may be NaN, by names ``[rows]`` as written."""

    path: Path
    names: tuple[str, ...]
    values: Reals
    columns: tuple[str, ...]


def read_features(path: Path, names: Path | None = None) -> FeatureTable:
    """Read features of genes: a table, an array with a list of names, or gene sets as zeros and ones.

    Parameters
    ----------
    path
        ``.parquet`` (names in the index or the first column), a text table (names in the first column, with or without
        titles), ``.npz`` (an array ``[genes, columns]`` and an array of names), ``.npy``, or ``.gmt``.
    names
        List of gene names, one a line, in the order of the rows of an array.

    Raises
    ------
    KnockoutError
        If the file is absent, of another format, damaged, or holds no table of numbers with one name per row.
    """
    if not path.is_file():
        raise KnockoutError("no such file." + sibling_suggestion(path), where=str(path))
    suffix = next(reversed(Path(path.name.lower().removesuffix(".gz")).suffixes), "")
    if suffix in (".npz", ".npy"):
        return _array(path, names)
    if names is not None:
        raise KnockoutError("`names` goes with an array (.npy, .npz); this file has names of its own.", where=str(path))
    if suffix == ".parquet":
        return _parquet(path)
    if suffix in UNREAD:
        way = UNREAD[suffix].format(name=path.name)
        message = f"a {suffix} file is not read here; {PYTHON}take the matrix from {way}, then {SAVE}"
        raise KnockoutError(f"{message}.", where=str(path))
    refuse_foreign(path)
    return _gene_sets(path) if suffix == ".gmt" else _text(path)


def _parquet(path: Path) -> FeatureTable:
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
    except Exception as error:  # pyarrow raises whatever it meets first
        raise KnockoutError(f"not readable as parquet: {str(error).splitlines()[0]}", where=str(path)) from None
    if not _is_text(frame.index) and frame.shape[1] and _is_text(frame.iloc[:, 0]):
        frame = frame.set_index(frame.columns[0])
    if not _is_text(frame.index):
        message = "no gene names: neither the index nor the first column is text"
        raise KnockoutError(f"{message}; write it by frame.set_index('gene').to_parquet(...).", where=str(path))
    return _table(path, frame)


def _text(path: Path) -> FeatureTable:
    import pandas as pd

    text = table_text(path)
    separator = separator_of(text)
    rows = csv.reader((line for line in io.StringIO(text, newline="") if line.strip()), delimiter=separator)
    try:
        head = [[cell.strip() for cell in row] for row, _ in zip(rows, range(2), strict=False)]
        if separator == " ":
            head = [[cell for cell in row if cell] for row in head]
        if len(head) < 1 or len(head[-1]) < 2:
            raise KnockoutError(f"no table of numbers; {TABLE}.", where=str(path))
        titled, width = _has_titles(head), len(head[-1])
        options: dict[str, Any] = {"names": list(range(width)), "index_col": 0, "converters": {0: str.strip}}
        frame = read_frame(text, separator, header=0 if titled else None, **options)
    except (csv.Error, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise KnockoutError(f"not readable as a table: {error}", where=str(path)) from None
    titles = head[0][-width + 1 :] if titled else [f"column {place}" for place in range(2, width + 1)]
    return _table(path, frame.set_axis(titles, axis=1))


def _has_titles(head: Sequence[Sequence[str]]) -> bool:
    """Return whether the first row has titles: text, or numbers counted up as pandas writes where there are none."""
    values = head[0] if len(head) > 1 and len(head[0]) < len(head[1]) else head[0][1:]
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        return True
    return numbers in ([*range(len(numbers))], [*range(1, len(numbers) + 1)])


def _gene_sets(path: Path) -> FeatureTable:
    """Read gene sets (name, description, genes; tabs between) as a column of zeros and ones per set."""
    rows = [line.split("\t") for line in text_of(path).splitlines() if line.strip()]
    short = next((place for place, row in enumerate(rows, start=1) if len(row) < 3), 0)
    if short or not rows:
        message = "a gene set is a line of name, description and genes, with tabs between"
        raise KnockoutError(f"{message}.", where=f"{path}, row {short or 1}")
    sets = [{one_name(gene) for gene in row[2:] if gene.strip()} for row in rows]
    names = tuple(dict.fromkeys(gene for members in sets for gene in sorted(members)))
    places = {name: place for place, name in enumerate(names)}
    values = np.zeros((len(names), len(sets)))
    for column, members in enumerate(sets):
        values[[places[gene] for gene in members], column] = 1.0
    return FeatureTable(path, names, values, tuple(row[0].strip() for row in rows))


def _array(path: Path, names: Path | None) -> FeatureTable:
    arrays = _load(path)
    matrices = [key for key, array in arrays.items() if array.ndim == 2 and array.dtype.kind in "fiub"]
    lists = [key for key, array in arrays.items() if array.ndim == 1 and array.dtype.kind in "US"]
    if len(matrices) != 1:
        listing = ", ".join(f"{key} {list(array.shape)} {array.dtype}" for key, array in arrays.items())
        raise KnockoutError(f"one array of numbers [genes, columns] is needed; given: {listing}.", where=str(path))
    values = arrays[matrices[0]].astype(np.float64)
    if names is not None:
        listed = [one_name(line) for line in text_of(names).splitlines() if line.strip()]
        listed = listed[1:] if len(listed) == len(values) + 1 else listed  # a title
    elif len(lists) == 1:
        listed = [one_name(name) for name in arrays[lists[0]].astype(str)]
    else:
        message = "which row is which gene? Give the list of names, one a line: names: genes.txt; or write both by"
        raise KnockoutError(f"{message} {SAVE}.", where=str(path))
    if len(listed) != len(values):
        raise KnockoutError(f"{len(listed)} gene names for {len(values)} rows.", where=str(names or path))
    return FeatureTable(path, tuple(listed), values, tuple(f"column {n}" for n in range(1, values.shape[1] + 1)))


def _load(path: Path) -> dict[str, NDArray[Any]]:
    try:
        if path.name.lower().endswith(".gz"):
            raise ValueError("unpack it: gunzip -k")
        loaded = np.load(path, allow_pickle=False)
        return {"the array": loaded} if isinstance(loaded, np.ndarray) else dict(loaded.items())
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        reason = f"it holds Python objects, which are not unpickled; write it by {SAVE}"
        message = reason if "allow_pickle" in str(error) else str(error).splitlines()[0]
        raise KnockoutError(f"not readable as an array: {message}.", where=str(path)) from None


def _is_text(values: Any) -> bool:
    import pandas as pd

    return bool(pd.api.types.is_string_dtype(values.dtype) or values.dtype == object)


def _table(path: Path, frame: pd.DataFrame) -> FeatureTable:
    """Return a frame with gene names in its index; refuse one with a column that is no number."""
    import pandas as pd

    if not frame.size:
        raise KnockoutError(f"no table of numbers; {TABLE}.", where=str(path))
    names, columns = tuple(map(one_name, frame.index)), tuple(map(str, frame.columns))
    for place, dtype in enumerate(frame.dtypes):
        if not (pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype)):
            column = frame.iloc[:, place]
            bad = int(np.argmax(pd.to_numeric(column, errors="coerce").isna().to_numpy()))
            message = f"{column.iloc[bad]!r} is no number; {TABLE}. Drop the column, or the row"
            raise KnockoutError(f"{message}.", where=f"{path}, gene {names[bad]!r}, column {columns[place]!r}")
    return FeatureTable(path, names, frame.to_numpy(dtype=np.float64, na_value=np.nan), columns)


def rows_of(table: FeatureTable, genes: Sequence[str]) -> Ints:
    """Return the row of each gene ``[genes]``, -1 for a gene that the table does not have.

    A name counts as it is written; else in any case, and of Ensembl without its version, where no two genes of the data
    set are alike then.

    Raises
    ------
    KnockoutError
        If a gene has two rows that differ, or no gene has a row: the message says what the names are instead.
    """
    exact, alike_rows = rows_by(str, table.names), rows_by(folded, table.names)
    alike = Counter(map(folded, genes))
    rows = np.full(len(genes), -1, dtype=np.int64)
    for place, gene in enumerate(genes):
        matches = exact.get(gene) or (alike_rows.get(folded(gene), []) if alike[folded(gene)] == 1 else [])
        values = [table.values[row] for row in matches]  # noqa: PD011
        if any(not np.array_equal(values[0], other, equal_nan=True) for other in values[1:]):
            written = ", ".join(f"row {row + 1} ({table.names[row]!r})" for row in matches[:SHOWN])
            message = f"gene {gene!r} has {len(matches)} rows that differ: {written}; keep one, or their mean"
            raise KnockoutError(f"{message}.", where=str(table.path))
        if matches:
            rows[place] = matches[0]
    if (rows < 0).all() or (rows >= 0).mean() < _share(table.columns, genes):
        raise KnockoutError(_why_none(table, genes), where=str(table.path))
    return rows


def rows_by(key: Callable[[str], str], names: Sequence[str]) -> dict[str, list[int]]:
    """Return the rows of the names that have one key, by key."""
    index: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(names):
        index[key(name)].append(row)
    return index


def folded(name: str) -> str:
    """Return a name in upper case, an Ensembl identifier without its version."""
    match = ENSEMBL.fullmatch(name.upper())
    return match[1] if match else name.upper()


def _share(names: Sequence[str], genes: Sequence[str]) -> float:
    known = set(map(folded, names))
    return sum(folded(gene) in known for gene in genes) / max(len(genes), 1)


def _why_none(table: FeatureTable, genes: Sequence[str]) -> str:
    """Say why names do not meet, and the cure."""
    if _share(table.columns, genes) > 0:
        return "the genes are in the columns; one row per gene is needed: write it transposed (frame.T)."
    kinds = [_kind(names) for names in (table.names, genes)]
    examples = [", ".join(map(repr, names[:SHOWN])) for names in (table.names, genes)]
    cure = ""
    if kinds[0] != kinds[1]:
        cure = f" The file has {kinds[0]}, the data set {kinds[1]}: write the file with the data set's names."
    return f"no row is a gene of the data set. Rows: {examples[0]}, ...; genes: {examples[1]}, ...{cure}"


def _kind(names: Sequence[str]) -> str:
    if sum(bool(ENSEMBL.fullmatch(name)) for name in names) > len(names) / 2:
        return "Ensembl identifiers"
    if sum(name.isascii() and name.isdecimal() for name in names) > len(names) / 2:
        return "numbers (Entrez identifiers, or places of genes)"
    return "symbols"
