"""Gene symbols of two files matched with each other: case, synonyms, and what a spreadsheet makes of SEPT1."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MONTH = "|".join(MONTHS)
DATES = (
    re.compile(rf"(?P<number>\d{{1,2}})[-. ](?P<month>{_MONTH})[A-Z]{{0,6}}([-. ]\d{{2,4}})?", re.IGNORECASE),
    re.compile(rf"(?P<month>{_MONTH})[-. ](?P<number>\d{{1,2}})", re.IGNORECASE),
    re.compile(r"\d{4}-(?P<month>\d{2})-(?P<number>\d{2})( 00:00:00)?"),
    re.compile(r"\d{1,2}/\d{1,2}/\d{2,4}"),  # day and month cannot be told apart
)
NUMBER = re.compile(r"\d+(\.\d+)?(E[+-]?\d+)?", re.IGNORECASE)

# symbol of today first, then those of older files (HGNC renamed the families in 2020, because of spreadsheets)
FAMILIES: dict[str, tuple[tuple[range, tuple[str, ...]], ...]] = {
    "SEP": ((range(1, 15), ("SEPTIN{}", "SEPT{}")), (range(15, 16), ("SELENOF", "SEP{}"))),
    "MAR": ((range(1, 12), ("MARCHF{}", "MARCH{}")), (range(1, 3), ("MTARC{}", "MARC{}"))),
    "DEC": ((range(1, 2), ("DELEC{}", "DEC{}")), (range(2, 3), ("BHLHE41", "DEC{}"))),
    "OCT": ((range(4, 5), ("POU5F1", "OCT{}")),),
}


@dataclass(frozen=True)
class Matches:
    """Where the symbols of a network stand in the expression.

    Attributes
    ----------
    found
        Symbol of the network to the gene of the expression.
    how
        Symbol to the way it was found, if not letter by letter: ``case``, ``synonym`` or ``date``.
    ambiguous
        Symbol to the genes of the expression that it could be; such a symbol is not matched.
    """

    found: dict[str, str] = field(default_factory=dict)
    how: dict[str, str] = field(default_factory=dict)
    ambiguous: dict[str, tuple[str, ...]] = field(default_factory=dict)


def match_symbols(
    wanted: Iterable[str],
    genes: Sequence[str],
    synonyms: Mapping[str, str] | None = None,
    *,
    repair_dates: bool = False,
) -> Matches:
    """Find the symbols of a network or TF list among the genes of the expression, the surest way first.

    A symbol is matched letter by letter; else without regard to case; else by a common official symbol; else, with
    ``repair_dates``, as the gene that a spreadsheet turned into that date. The first way that leads to a gene ends the
    search, and a way that leads to two genes leaves the symbol unmatched.

    Parameters
    ----------
    wanted
        Symbols to find.
    genes
        Distinct names in the expression; they are never changed here.
    synonyms
        Alias to official symbol, both in upper case.
    repair_dates
        Whether names like 1-Sep may be read as gene symbols.
    """
    official = synonyms or {}

    def canonical(name: str) -> str:
        return official.get(name.upper(), name.upper())

    ways: list[tuple[str, dict[str, list[str]], Callable[[str], Iterable[str]]]] = [
        ("exact", _index(genes, str), lambda name: [name]),
        ("case", _index(genes, str.upper), lambda name: [name.upper()]),
    ]
    if official:
        ways.append(("synonym", _index(genes, canonical), lambda name: [canonical(name)]))
    if repair_dates:
        ways.append(("date", _index(genes, str.upper), lambda name: chain.from_iterable(likely_symbols(name) or ())))
    matches = Matches()
    for name in dict.fromkeys(wanted):
        for way, index, keys in ways:
            hits = list(dict.fromkeys(gene for key in keys(name) for gene in index.get(key, ())))
            if len(hits) > 1:
                matches.ambiguous[name] = tuple(hits)
            elif hits:
                matches.found[name] = hits[0]
                if way != "exact":
                    matches.how[name] = way
            if hits:
                break
    return matches


def _index(genes: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    index: dict[str, list[str]] = defaultdict(list)
    for gene in genes:
        index[key(gene)].append(gene)
    return index


def likely_symbols(name: str) -> tuple[tuple[str, ...], ...] | None:
    """Say which genes a spreadsheet may have turned into this date, or None for a name that is no date.

    Returns
    -------
    tuple
        One entry per gene: its symbol of today, then older ones. Empty for a date that tells no gene.
    """
    for pattern in DATES:
        if found := pattern.fullmatch(name.strip()):
            break
    else:
        return None
    parts = found.groupdict()
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


def looks_like_number(name: str) -> bool:
    """Say whether a gene name is a number: an identifier, a date's serial number, or 2310009E13 gone to 2.31E+19."""
    return NUMBER.fullmatch(name.strip()) is not None


def looks_like_id(name: str) -> bool:
    """Say whether a gene name is an Ensembl or Entrez identifier and no symbol."""
    return re.fullmatch(r"ENS[A-Z]*G\d+(\.\d+)?|\d+", name) is not None


def repaired_dates(names: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Turn dates among the gene names of the expression back into symbols, where only one gene can be meant.

    Parameters
    ----------
    names
        Names in the expression.
    known
        Symbols of the network and of the TF list: they decide between 1-Mar = MARCH1 and 1-Mar = MARC1, and between
        the old symbol and that of today.

    Returns
    -------
    dict
        Date to symbol. Dates that could be two genes, or none that is known, are left out.
    """
    spelled = {name.upper(): name for name in known}
    repaired = {}
    for name in dict.fromkeys(names):
        families = likely_symbols(name) or ()
        told = [[spelled[s] for s in family if s in spelled] for family in families]
        certain = [family for family in told if family]
        if len(certain) == 1:
            repaired[name] = certain[0][0]
        elif not certain and len(families) == 1:
            repaired[name] = families[0][0]
    return repaired
