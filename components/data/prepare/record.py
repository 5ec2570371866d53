"""What stands beside a data set made of a lab's files: what was dropped, repaired, missing; and the writing."""

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
from components.core.errors import KnockoutError
from components.data.prepare.symbols import Matches, likely_symbols, looks_like_number
from components.data.readers import FILES, read, summary
from components.data.simulator import write_beeline

RECORDS = ("summary.json", "dropped.csv", "symbols.csv")
EXAMPLES = 5
MISSING = 20  # of the symbols that the expression lacks, those with most edges


@dataclass(frozen=True)
class SymbolReport:
    """What is to be said of the gene symbols of a data set's files.

    Attributes
    ----------
    genes
        Names in the expression, as written.
    repaired
        Dates among them to the symbols they were turned into.
    wanted
        Symbols of network and TF list, as written.
    matches
        Where those were found.
    edges
        The network as written.
    unclear
        Aliases with more than one symbol, which were not used.
    """

    genes: Sequence[str]
    repaired: Mapping[str, str]
    wanted: Sequence[str]
    matches: Matches
    edges: pd.DataFrame
    unclear: Sequence[str]

    @cached_property
    def table(self) -> pd.DataFrame:
        """Columns where, name, symbol, remark: names that were changed, matched otherwise or are suspicious."""
        rows = [("expression", name, symbol, "spreadsheet date, repaired") for name, symbol in self.repaired.items()]
        rows += [
            ("network", name, self.matches.found[name], f"matched by {way}") for name, way in self.matches.how.items()
        ]
        rows += [
            ("network", name, " or ".join(genes), "could be more than one gene: not matched")
            for name, genes in self.matches.ambiguous.items()
        ]
        for where, names, done in (
            ("expression", self.genes, self.repaired),
            ("network", self.wanted, self.matches.how),
        ):
            rows += [(where, *suspect) for suspect in _suspects(name for name in names if name not in done)]
        rows += [("synonyms", name, "", "alias of more than one symbol: not used") for name in self.unclear]
        return pd.DataFrame(rows, columns=["where", "name", "symbol", "remark"])

    def counts(self) -> dict[str, int]:
        """Count the remarks of :attr:`table`."""
        return {f"{where}: {remark}": number for (where, remark), number in _sizes(self.table).items()}

    @cached_property
    def missing(self) -> dict[str, int]:
        """The symbols of the network that the expression lacks, most edges first, with their edges."""
        lost = [symbol for symbol in self.edges.to_numpy().ravel() if symbol not in self.matches.found]
        return dict(Counter(lost).most_common(MISSING))

    def notes(self) -> list[str]:
        """Return what a person should know, a sentence each."""
        table, notes = self.table, []
        for (where, remark), number in _sizes(table).items():
            rows = table[(table["where"] == where) & (table["remark"] == remark)][:EXAMPLES]
            pairs = [f"{n} = {s}" if s else n for n, s in zip(rows["name"], rows["symbol"], strict=True)]
            listed = ", ".join(pairs) + (", ..." if number > EXAMPLES else "")
            notes.append(f"{where}: {number} x {remark} ({listed})")
        lost, known = self.missing, pd.unique(self.edges.to_numpy().ravel())
        if lost:
            number = sum(symbol not in self.matches.found for symbol in known)
            top = ", ".join(f"{symbol} {edges}" for symbol, edges in list(lost.items())[: 2 * EXAMPLES])
            notes.append(
                f"network: {number} of {len(known)} symbols are not in the expression; those with most edges: {top}"
                " (other names of the same genes? --synonyms FILE)"
            )
        return notes


def _sizes(table: pd.DataFrame) -> Counter[tuple[str, str]]:
    return Counter(zip(table["where"], table["remark"], strict=True))


def _suspects(names: Any) -> list[tuple[str, str, str]]:
    found = []
    for name in dict.fromkeys(names):
        likely = likely_symbols(name)
        if likely is not None:
            meant = " or ".join("/".join(family) for family in likely)
            found.append((name, meant, "spreadsheet date, left as it is"))
        elif looks_like_number(name):
            found.append((name, "", "number and no symbol, left as it is"))
    return found


def refuse_occupied(folder: Path, overwrite: bool) -> None:
    """Refuse to make a data set where other files lie.

    Raises
    ------
    KnockoutError
        If the folder is a file, holds files that no data set has, or holds any and ``overwrite`` is not given.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise KnockoutError("this is a file; give a folder to make.", where=str(folder))
    if folder == Path.cwd():
        raise KnockoutError("this is the folder you are in; give one below it.", where=str(folder))
    present = sorted(path.name for path in folder.iterdir())
    foreign = [name for name in present if name not in (*FILES, *RECORDS)]
    if foreign:
        listed = ", ".join(foreign[:EXAMPLES]) + (", ..." if len(foreign) > EXAMPLES else "")
        message = f"the folder holds what is no part of a data set ({listed}); give another, or an empty one."
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
    """Write a data set and its records, read it back, and put it in place of what was there, whole or not at all.

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
        made = staging.joinpath(*folder.relative_to(folder.anchor).parts[-3:])  # the reader takes names from the path
        try:
            write_beeline(dataset, made, cells)
            back = read(made)
            record["data set"] = summary(back)
            (made / "summary.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
            dropped.to_csv(made / "dropped.csv", index=False)
            symbols.to_csv(made / "symbols.csv", index=False)
            _put(made, folder, staging / "before")
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise KnockoutError(f"the data set cannot be made: {error.strerror}.", where=str(folder)) from None
    return back


def _put(made: Path, folder: Path, before: Path) -> None:
    if folder.exists():
        folder.rename(before)
    try:
        made.rename(folder)
    except OSError:
        if before.exists():
            before.rename(folder)
        raise
