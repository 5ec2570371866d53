"""The base GRN of CellOracle: a row per peak and gene, a column of zeros and ones per TF.

Source: CellOracle (``TFinfo.to_dataframe``): ``peak_id``, ``gene_short_name``, then TFs; saved as parquet or CSV.
"""

from __future__ import annotations

import io
from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from components.core.errors import KnockoutError
from components.tables.csvfile import Table, one_name, text_of
from components.tables.network import Network

if TYPE_CHECKING:  # pandas takes 80 MB, and most workers do without
    import pandas as pd

PEAK, GENE = "peak_id", "gene_short_name"


def is_parquet(path: Path) -> bool:
    """Return whether a file's name says that it is parquet."""
    return path.name.lower().endswith(".parquet")


def read_base_grn(path: Path, genes: Container[str]) -> Network | None:
    """Return an edge from each TF to each gene that has its motif in a peak; None if the file is no base GRN.

    Parameters
    ----------
    path
        Parquet, or a table of text with commas, plain or gzip.
    genes
        Names of the data set in upper case; edges between other genes are left out, for there are millions.

    Raises
    ------
    KnockoutError
        If a value is neither 0 nor 1, or no edge lies between two genes of the data set.
    """
    frame = _frame(path, genes)
    if frame is None:
        return None
    names = [one_name(name) for name in frame.pop(GENE)]
    tfs = [one_name(title) for title in frame.columns]
    rows = [row for row, name in enumerate(names) if name.upper() in genes]
    motifs = _zeros_and_ones(frame.iloc[rows], path)
    edges = dict.fromkeys((tfs[column], names[rows[row]]) for row, column in np.argwhere(motifs))
    if not edges:
        examples = ", ".join(map(repr, names[:3])) or "none"
        message = f"no edge of this base GRN is between genes of the data set. Genes of its peaks: {examples}."
        raise KnockoutError(message, where=str(path))
    n_tfs, n_targets = (len({edge[end] for edge in edges}) for end in (0, 1))
    note = f"a base GRN of CellOracle: {len(edges)} edges from {n_tfs} TFs to {n_targets} genes of the data set"
    regulators, targets = Table(path, ("TF", GENE), tuple(range(1, len(edges) + 1)), tuple(edges)).columns
    return Network(path, regulators, targets, False, (note,))


def _frame(path: Path, genes: Container[str]) -> pd.DataFrame | None:
    """Return the columns of the target gene and of known TFs, if the titles are those of a base GRN."""
    import pandas as pd

    text = None if is_parquet(path) else text_of(path)
    try:
        if text is not None:
            titles = [title.strip('" \r') for title in text.partition("\n")[0].split(",")]
        else:
            from pyarrow import parquet  # not at first: it takes long to import

            titles = parquet.read_schema(path).names
        if not {PEAK, GENE} <= {*titles}:
            return None
        known = [title for title in titles if title == GENE or (title.upper() in genes and title != PEAK)]
        if text is not None:
            return pd.read_csv(io.StringIO(text), usecols=known, dtype={GENE: str}, keep_default_na=False)
        return pd.read_parquet(path, columns=known).reset_index(drop=True)
    except (OSError, ValueError) as error:  # of pyarrow and pandas
        raise KnockoutError(f"not readable: {str(error).splitlines()[0]}", where=str(path)) from None


def _zeros_and_ones(frame: pd.DataFrame, path: Path) -> NDArray[np.bool_]:
    import pandas as pd

    values = frame.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    bad = np.argwhere(~np.isin(values, (0, 1)))
    if len(bad):
        row, column = bad[0]
        where = f"{path}, row {frame.index[row] + 2}, column {frame.columns[column]!r}"
        raise KnockoutError(f"{frame.iloc[row, column]} is neither 0 nor 1.", where=where)
    return values == 1
