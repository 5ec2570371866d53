"""Why the names of a network are not those of the expression, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from components.core.errors import KnockoutError
from components.tables.features import ENSEMBL

NUMBER = re.compile(r"\d+(\.\d+)?(E[+-]?\d+)?", re.IGNORECASE)


def looks_like_number(name: str) -> bool:
    """Return whether a gene name is a number: an identifier, a date's serial number, or 2.31E+19 for 2310009E13."""
    return NUMBER.fullmatch(name.strip()) is not None


def looks_like_id(name: str) -> bool:
    """Return whether a gene name is an Ensembl or Entrez identifier."""
    return ENSEMBL.fullmatch(name) is not None or (name.isascii() and name.isdecimal())


def refuse_strangers(symbols: Sequence[str], genes: Sequence[str], cells: Sequence[str], *, where: str) -> None:
    """Refuse names of which the expression, the file ``where``, has none, if a reason is known: :func:`names_hint`."""
    known = {gene.upper() for gene in genes}
    hint = "" if any(symbol.upper() in known for symbol in symbols) else names_hint(symbols, genes, cells, where)
    if hint:
        raise KnockoutError(hint, where=where)


def names_hint(
    symbols: Sequence[str], genes: Sequence[str], cells: Sequence[str], path: str, columns: Iterable[str] = ()
) -> str:
    """Return a sentence on why names do not meet, and the cure; nothing if no reason is known.

    Parameters
    ----------
    symbols
        Names in the network or a list of genes.
    genes, cells
        Names of the rows and columns of the expression.
    path
        File of the expression.
    columns
        Columns of ``var`` that may contain symbols.
    """
    known = {symbol.upper() for symbol in symbols}
    numbers = _most(map(looks_like_number, genes))
    transposed = sum(cell.upper() in known for cell in cells) > 2 * sum(gene.upper() in known for gene in genes)
    if transposed:
        what = "The expression looks transposed, cells x genes: the network's genes are the names of its columns."
        if path.lower().endswith(".h5ad"):
            return f"{what} Genes belong in var: anndata.read_h5ad({path!r}).T.write_h5ad('transposed.h5ad')."
        index = "" if numbers else ", index_col=0"
        return f"{what} Transpose it: pandas.read_csv({path!r}{index}).T.to_csv('transposed.csv')."
    listed = " or ".join(columns)
    cure = f"--gene-column {listed}" if listed else "--synonyms FILE (columns alias, symbol)"
    if _most(map(looks_like_id, genes)) != _most(map(looks_like_id, symbols)) and not (numbers and not listed):
        return f"One side has identifiers, the other symbols: {cure} of knockout data prepare brings them together."
    if numbers:
        what = "The names of the genes are numbers: the first column must hold the names, one row per gene."
        other = f"Are there symbols in another column? {cure}" if listed else f"Are they Entrez ids? {cure}"
        return f"{what} Write the table with its row names. {other}."
    return ""


def _most(flags: Iterable[bool]) -> bool:
    listed = list(flags)
    return 2 * sum(listed) > len(listed)
