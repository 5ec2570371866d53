"""The base GRN of CellOracle: a row per peak and gene, a column of zeros and ones per TF.

Source: CellOracle (``TFinfo.to_dataframe``): ``peak_id``, ``gene_short_name``, then TFs; saved as parquet or CSV.
"""

from __future__ import annotations

import io
from collections.abc import Container
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.core.errors import KnockoutError
from components.tables.csvfile import Column, one_name, text_of
from components.tables.network import Network

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
    frame = _frame(path)
    if frame is None:
        return None
    frame = frame.reset_index(drop=True)
    names = [one_name(name) for name in frame[GENE]]
    tfs = [one_name(title) for title in frame.columns]
    rows = [row for row, name in enumerate(names) if name.upper() in genes]
    columns = [
        place for place, tf in enumerate(tfs) if tf.upper() in genes and frame.columns[place] not in (PEAK, GENE)
    ]
    motifs = _zeros_and_ones(frame.iloc[rows, columns], path)
    edges = dict.fromkeys((tfs[columns[column]], names[rows[row]]) for row, column in np.argwhere(motifs))
    if not edges:
        message = f"no edge of this base GRN is between genes of the data set; it has genes such as {names[0]!r}."
        raise KnockoutError(message, where=str(path))
    n_tfs, n_targets = (len({edge[end] for edge in edges}) for end in (0, 1))
    said = f"a base GRN of CellOracle: {len(edges)} edges from {n_tfs} TFs to {n_targets} genes of the data set"
    lines = tuple(range(1, len(edges) + 1))
    regulators, targets = (
        Column(path, title, lines, tuple(edge[end] for edge in edges)) for end, title in enumerate(("TF", GENE))
    )
    return Network(path, regulators, targets, False, (said,))


def _frame(path: Path) -> pd.DataFrame | None:
    """Return the table, if its titles are those of a base GRN."""
    if is_parquet(path):
        try:
            frame = pd.read_parquet(path)
        except Exception as error:  # pyarrow raises whatever it meets first
            raise KnockoutError(f"not readable as parquet: {str(error).splitlines()[0]}", where=str(path)) from None
        return frame if {PEAK, GENE} <= {*frame.columns} else None
    text = text_of(path)
    if not {PEAK, GENE} <= {title.strip('" \r') for title in text.partition("\n")[0].split(",")}:
        return None
    try:
        return pd.read_csv(io.StringIO(text), dtype={PEAK: str, GENE: str}, keep_default_na=False)
    except pd.errors.ParserError as error:
        raise KnockoutError(f"not readable as CSV: {error}", where=str(path)) from None


def _zeros_and_ones(frame: pd.DataFrame, path: Path) -> NDArray[np.bool_]:
    values = frame.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    bad = np.argwhere(~np.isin(values, (0, 1)))
    if len(bad):
        row, column = bad[0]
        where = f"{path}, row {frame.index[row] + 2}, column {frame.columns[column]!r}"
        raise KnockoutError(f"{frame.iloc[row, column]} is neither 0 nor 1.", where=where)
    return values == 1
