"""Gene symbols of two files matched: by case, by synonym, and as the dates that spreadsheets make of SEPT1."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from components.tables.features import folded, rows_by

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MONTH = "|".join(MONTHS)
DATES = (
    re.compile(rf"(?P<number>\d{{1,2}})[-. ](?P<month>{_MONTH})[A-Z]{{0,6}}([-. ]\d{{2,4}})?", re.IGNORECASE),
    re.compile(rf"(?P<month>{_MONTH})[-. ](?P<number>\d{{1,2}})", re.IGNORECASE),
    re.compile(r"\d{4}-(?P<month>\d{2})-(?P<number>\d{2})( 00:00:00)?"),
    re.compile(r"\d{1,2}/\d{1,2}/\d{2,4}"),  # day and month cannot be told apart
)

# current symbol first, then older ones (HGNC renamed the families in 2020, because of spreadsheets)
FAMILIES: dict[str, tuple[tuple[range, tuple[str, ...]], ...]] = {
    "SEP": ((range(1, 15), ("SEPTIN{}", "SEPT{}")), (range(15, 16), ("SELENOF", "SEP{}"))),
    "MAR": ((range(1, 12), ("MARCHF{}", "MARCH{}")), (range(1, 3), ("MTARC{}", "MARC{}"))),
    "DEC": ((range(1, 2), ("DELEC{}", "DEC{}")), (range(2, 3), ("BHLHE41", "DEC{}"))),
    "OCT": ((range(4, 5), ("POU5F1", "OCT{}")),),
}


@dataclass(frozen=True)
class Matches:
    """Symbols of the network and TF list, each with the gene of the expression that it matches.

    ``how`` has those that were not matched exactly: by ``case``, ``synonym``, ``date`` or without Ensembl's version;
    ``ambiguous`` those that are not matched, with the genes that they could be.
    """

    genes: dict[str, str] = field(default_factory=dict)
    how: dict[str, str] = field(default_factory=dict)
    ambiguous: dict[str, tuple[str, ...]] = field(default_factory=dict)


def match_symbols(
    symbols: Iterable[str],
    genes: Sequence[str],
    synonyms: Mapping[str, str] | None = None,
    *,
    repair_dates: bool = False,
) -> Matches:
    """Match the symbols of a network or TF list with genes of the expression, the surest way first.

    A symbol is matched exactly; otherwise regardless of case; otherwise, as an identifier of Ensembl, regardless of its
    version; otherwise by a common official symbol; otherwise, with ``repair_dates``, as the gene that a spreadsheet
    turned into that date. The first way that leads to a gene decides; if it leads to two genes, the symbol is not
    matched.

    Parameters
    ----------
    symbols
        Symbols to match.
    genes
        Distinct names in the expression.
    synonyms
        Alias to official symbol, both in upper case.
    repair_dates
        Whether names like 1-Sep may be read as gene symbols.
    """
    official = synonyms or {}

    def canonical(name: str) -> str:
        return official.get(name.upper(), official.get(folded(name), name.upper()))

    ways: list[tuple[str, dict[str, list[int]], Callable[[str], Iterable[str]]]] = [
        ("exact", rows_by(str, genes), lambda name: [name]),
        ("case", rows_by(str.upper, genes), lambda name: [name.upper()]),
        ("Ensembl id without version", rows_by(folded, genes), lambda name: [folded(name)]),
    ]
    if official:
        ways.append(("synonym", rows_by(canonical, genes), lambda name: [canonical(name)]))
    if repair_dates:
        ways.append(("date", rows_by(str.upper, genes), lambda name: chain.from_iterable(likely_symbols(name) or ())))
    matches = Matches()
    for name in dict.fromkeys(symbols):
        for way, index, keys in ways:
            hits = list(dict.fromkeys(genes[row] for key in keys(name) for row in index.get(key, ())))
            if len(hits) > 1:
                matches.ambiguous[name] = tuple(hits)
            elif hits:
                matches.genes[name] = hits[0]
                if way != "exact":
                    matches.how[name] = way
            if hits:
                break
    return matches


def likely_symbols(name: str) -> tuple[tuple[str, ...], ...] | None:
    """Return the genes that a spreadsheet may have turned into this date, or None for a name that is no date.

    Returns
    -------
    tuple
        Symbols of each gene, the current one first. Empty for a date that stands for no gene.
    """
    match = next(filter(None, (pattern.fullmatch(name.strip()) for pattern in DATES)), None)
    if match is None:
        return None
    parts = match.groupdict()
    if not parts:
        return ()
    month = parts["month"].upper()
    if month.isdecimal():
        month = MONTHS[int(month) - 1] if 1 <= int(month) <= 12 else ""
    number = int(parts["number"])
    return tuple(
        tuple(symbol.format(number) for symbol in symbols)
        for numbers, symbols in FAMILIES.get(month, ())
        if number in numbers
    )


def repaired_dates(names: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Return the gene symbol of each date among the gene names, where only one gene can be meant.

    Parameters
    ----------
    names
        Names in the expression.
    known
        Symbols of the network and of the TF list, which decide whether 1-Mar is MARCH1 or MARC1, and between old and
        current symbol.

    Returns
    -------
    dict
        Date to symbol, without dates that could be two genes.
    """
    spelling = {name.upper(): name for name in known}
    repaired = {}
    for name in dict.fromkeys(names):
        families = likely_symbols(name) or ()
        in_network = [[spelling[s] for s in family if s in spelling] for family in families]
        candidates = [family for family in in_network if family]
        if len(candidates) == 1:
            repaired[name] = candidates[0][0]
        elif not candidates and len(families) == 1:
            repaired[name] = families[0][0]
    return repaired
