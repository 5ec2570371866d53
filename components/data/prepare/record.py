"""Files of a data set made from a lab's files: the data set, and records of what was dropped, repaired and missing."""

from __future__ import annotations

import json
import shutil
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from components.core.dataset import PSEUDOTIME, Dataset
from components.core.errors import KnockoutError, first_of, unwritable
from components.data.hints import looks_like_number
from components.data.prepare.symbols import Matches, likely_symbols
from components.data.readers import FILES, read, summary
from components.data.simulator import write_beeline
from components.tables.csvfile import for_spreadsheets

RECORDS = ("summary.json", "dropped.csv", "symbols.csv")
MISSING = 20  # of the symbols that the expression lacks, those with most edges


def symbol_table(
    genes: Sequence[str],
    repaired: Mapping[str, str],
    symbols: Sequence[str],
    matches: Matches,
    ambiguous: Sequence[str],
) -> pd.DataFrame:
    """Return names that were changed, not matched exactly, or are suspicious: columns where, name, symbol, remark.

    Parameters
    ----------
    genes, repaired
        Names in the expression as written; dates among them to the symbols that replaced them.
    symbols, matches
        Symbols of network and TF list as written; genes of the expression that they match.
    ambiguous
        Aliases with more than one symbol, which were not used.
    """
    rows = [("expression", name, symbol, "spreadsheet date, repaired") for name, symbol in repaired.items()]
    rows += [("network", name, matches.genes[name], f"matched by {way}") for name, way in matches.how.items()]
    rows += [
        ("network", name, " or ".join(of), "could be more than one gene: not matched")
        for name, of in matches.ambiguous.items()
    ]
    for where, names, settled in (("expression", genes, repaired), ("network", symbols, matches.how)):
        for name in dict.fromkeys(name for name in names if name not in settled):
            families = likely_symbols(name)
            if families is not None:
                likely = " or ".join("/".join(family) for family in families)
                rows.append((where, name, likely, "spreadsheet date, left as it is"))
            elif looks_like_number(name):
                rows.append((where, name, "", "number and no symbol, left as it is"))
    rows += [("synonyms", name, "", "alias of more than one symbol: not used") for name in ambiguous]
    return pd.DataFrame(rows, columns=["where", "name", "symbol", "remark"])


def symbol_counts(
    table: pd.DataFrame, edges: pd.DataFrame, matches: Matches
) -> tuple[dict[str, int], dict[str, int], list[str]]:
    """Return how often each remark of :func:`symbol_table` occurs, which symbols are missing, and notes on both.

    Missing are the symbols of the network's ``edges`` that the expression lacks: those with most edges, and how many.
    """
    counts, notes = {}, []
    for (where, remark), rows in table.groupby(["where", "remark"], sort=False):
        pairs = [f"{n} = {s}" if s else n for n, s in zip(rows["name"], rows["symbol"], strict=True)]
        counts[f"{where}: {remark}"] = len(rows)
        notes.append(f"{where}: {len(rows)} x {remark} ({first_of(pairs)})")
    symbols = edges.to_numpy().ravel()
    lacking = Counter(symbol for symbol in symbols if symbol not in matches.genes)
    if lacking:
        top = ", ".join(f"{symbol} {number}" for symbol, number in lacking.most_common(10))
        notes.append(
            f"network: {len(lacking)} of {len(set(symbols))} symbols are not in the expression; those with most edges: "
            f"{top} (other names of the same genes? --synonyms FILE)"
        )
    return counts, dict(lacking.most_common(MISSING)), notes


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
        message = f"the folder holds what is no part of a data set ({first_of(foreign)})"
        raise KnockoutError(f"{message}; give another, or an empty one.", where=str(folder))
    if present and not overwrite:
        raise KnockoutError("a data set lies here already; --overwrite replaces it.", where=str(folder))


def write(
    dataset: Dataset, folder: Path, cells: Sequence[str], record: dict[str, Any], tables: Mapping[str, pd.DataFrame]
) -> Dataset:
    """Write a data set, its record and tables by file, read it back, and replace the folder, whole or not at all.

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
            for name, table in tables.items():
                for_spreadsheets(table).to_csv(staged / name, index=False)
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
