"""A lab's files beside its expression: where its network lies, synonyms, genes ordered by a test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from components.core.errors import KnockoutError
from components.data.readers import NETWORK
from components.tables.csvfile import read_table

FILES = ("GroundTruthNetwork.csv", "refNetwork.csv", NETWORK)


def find_network(expression: Path) -> Path:
    """Return the network file of BEELINE's layout, which is beside the expression or one folder above.

    Raises
    ------
    KnockoutError
        If there is none.
    """
    for folder in (expression.parent, expression.parent.parent):
        for name in FILES:
            if (folder / name).is_file():
                return folder / name
    message = f"no network given, and no {', '.join(FILES[:-1])} or {FILES[-1]} beside it; name one with --network."
    raise KnockoutError(message, where=str(expression))


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
    pairs = {(row[0].strip().upper(), row[1].strip().upper()) for row in table.rows}
    if table.header[0].strip().lower() not in ("alias", "synonym", "name", "old", ""):
        pairs.add((table.header[0].strip().upper(), table.header[1].strip().upper()))
    pairs = {(alias, symbol) for alias, symbol in pairs if alias and symbol and alias != symbol}
    aliases = pd.Series([alias for alias, _ in pairs], dtype=object)
    ambiguous = set(aliases[aliases.duplicated()])
    return {alias: symbol for alias, symbol in pairs if alias not in ambiguous}, sorted(ambiguous)


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
    numbers = frame[[1, 2]].replace(["NA", ""], np.nan).apply(pd.to_numeric, errors="coerce")
    bad = np.flatnonzero(frame[1].notna() & numbers[1].isna() & ~frame[1].isin(["NA", "", "nan", "NaN"]))
    if len(bad):
        row = int(bad[0])
        raise KnockoutError(f"p-value {frame[1][row]!r} is not a number.", where=f"{path}, row {table.lines[row]}")
    genes = frame[0].str.strip()
    if genes.duplicated().any():
        row = int(np.flatnonzero(genes.duplicated())[0])
        raise KnockoutError(f"gene {genes[row]!r} stands twice.", where=f"{path}, row {table.lines[row]}")
    return pd.DataFrame({"p": numbers[1].to_numpy(), "variance": numbers[2].to_numpy()}, index=genes)
