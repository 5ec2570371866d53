"""Files of a data set made from a lab's files: the data set, and records of what was dropped, repaired and missing."""

from __future__ import annotations

import json
import shutil
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from components.core.dataset import Dataset
from components.core.errors import KnockoutError, first_of, unwritable
from components.data.hints import looks_like_number
from components.data.prepare.symbols import Matches, likely_symbols
from components.data.readers import FILES, read, summary
from components.data.simulator import write_beeline
from components.tables.csvfile import for_spreadsheets
from components.tables.pseudotime import PSEUDOTIME

RECORDS = ("summary.json", "dropped.csv", "symbols.csv")
MISSING = 20  # of the symbols that the expression lacks, those with most edges


@dataclass(frozen=True)
class SymbolReport:
    """What became of the gene symbols in a lab's files.

    Attributes
    ----------
    genes
        Names in the expression, as written.
    repaired
        Dates among them to the symbols that replaced them.
    symbols
        Symbols of network and TF list, as written.
    matches
        Genes of the expression that those match.
    edges
        The network as written.
    ambiguous
        Aliases with more than one symbol, which were not used.
    """

    genes: Sequence[str]
    repaired: Mapping[str, str]
    symbols: Sequence[str]
    matches: Matches
    edges: pd.DataFrame
    ambiguous: Sequence[str]

    @cached_property
    def table(self) -> pd.DataFrame:
        """Names that were changed, not matched exactly, or are suspicious: columns where, name, symbol, remark."""
        rows = [("expression", name, symbol, "spreadsheet date, repaired") for name, symbol in self.repaired.items()]
        rows += [
            ("network", name, self.matches.genes[name], f"matched by {way}") for name, way in self.matches.how.items()
        ]
        rows += [
            ("network", name, " or ".join(genes), "could be more than one gene: not matched")
            for name, genes in self.matches.ambiguous.items()
        ]
        for where, names, settled in (
            ("expression", self.genes, self.repaired),
            ("network", self.symbols, self.matches.how),
        ):
            rows += [(where, *suspect) for suspect in _suspects(name for name in names if name not in settled)]
        rows += [("synonyms", name, "", "alias of more than one symbol: not used") for name in self.ambiguous]
        return pd.DataFrame(rows, columns=["where", "name", "symbol", "remark"])

    def counts(self) -> dict[str, int]:
        """Return how often each remark of :attr:`table` occurs."""
        return {f"{where}: {remark}": number for (where, remark), number in _sizes(self.table).items()}

    @cached_property
    def missing(self) -> dict[str, int]:
        """Number of edges of the symbols that the expression lacks, for those with most edges."""
        lacking = [symbol for symbol in self.edges.to_numpy().ravel() if symbol not in self.matches.genes]
        return dict(Counter(lacking).most_common(MISSING))

    def notes(self) -> list[str]:
        """Return sentences about :attr:`table` and :attr:`missing` for a reader."""
        table, notes = self.table, []
        for (where, remark), number in _sizes(table).items():
            rows = table[(table["where"] == where) & (table["remark"] == remark)]
            pairs = [f"{n} = {s}" if s else n for n, s in zip(rows["name"], rows["symbol"], strict=True)]
            notes.append(f"{where}: {number} x {remark} ({first_of(pairs)})")
        if self.missing:
            symbols = pd.unique(self.edges.to_numpy().ravel())
            number = sum(symbol not in self.matches.genes for symbol in symbols)
            top = ", ".join(f"{symbol} {edges}" for symbol, edges in list(self.missing.items())[:10])
            notes.append(
                f"network: {number} of {len(symbols)} symbols are not in the expression; those with most edges: {top}"
                " (other names of the same genes? --synonyms FILE)"
            )
        return notes


def _sizes(table: pd.DataFrame) -> Counter[tuple[str, str]]:
    return Counter(zip(table["where"], table["remark"], strict=True))


def _suspects(names: Any) -> list[tuple[str, str, str]]:
    suspects = []
    for name in dict.fromkeys(names):
        families = likely_symbols(name)
        if families is not None:
            symbols = " or ".join("/".join(family) for family in families)
            suspects.append((name, symbols, "spreadsheet date, left as it is"))
        elif looks_like_number(name):
            suspects.append((name, "", "number and no symbol, left as it is"))
    return suspects


def refuse_occupied(folder: Path, overwrite: bool) -> None:
    """Refuse a folder that may not be replaced by a data set.

    Raises
    ------
    KnockoutError
        If it is a file, the current folder, contains files of other names, or contains any without ``overwrite``.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise KnockoutError("this is a file; give a folder to make.", where=str(folder))
    if folder == Path.cwd():
        raise KnockoutError("this is the folder you are in; give one below it.", where=str(folder))
    present = sorted(path.name for path in folder.iterdir())
    foreign = [name for name in present if name not in (*FILES, PSEUDOTIME, *RECORDS)]
    if foreign:
        message = (
            f"the folder holds what is no part of a data set ({first_of(foreign)}); give another, or an empty one."
        )
        raise KnockoutError(message, where=str(folder))
    if present and not overwrite:
        raise KnockoutError("a data set lies here already; --overwrite replaces it.", where=str(folder))


def write(
    dataset: Dataset,
    folder: Path,
    cells: Sequence[str],
    record: dict[str, Any],
    dropped: pd.DataFrame,
    symbols: pd.DataFrame,
) -> Dataset:
    """Write a data set and its records, read it back, and replace the folder, whole or not at all.

    Returns
    -------
    Dataset
        As read back, with the names that its path gives it.

    Raises
    ------
    KnockoutError
        If the folder cannot be made.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = folder.parent / f".knockout-{uuid.uuid4().hex[:8]}"
        staged = staging.joinpath(*folder.relative_to(folder.anchor).parts[-3:])  # the reader takes names from the path
        try:
            write_beeline(dataset, staged, cells)
            written = read(staged)
            record["data set"] = summary(written)
            (staged / "summary.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
            for_spreadsheets(dropped).to_csv(staged / "dropped.csv", index=False)
            for_spreadsheets(symbols).to_csv(staged / "symbols.csv", index=False)
            _put(staged, folder, staging / "before")
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise KnockoutError(f"the data set cannot be made: {unwritable(error, folder)}.", where=str(folder)) from None
    return written


def _put(staged: Path, folder: Path, before: Path) -> None:
    if folder.exists():
        folder.rename(before)
    try:
        staged.rename(folder)
    except OSError:
        if before.exists():
            before.rename(folder)
        raise
