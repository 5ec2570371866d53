"""Makes a data set from a lab's files: expression, a network, perhaps a TF list.

In this order: read names, and repair spreadsheet dates if asked for; drop cells without a value; normalise raw counts
over all genes read; of rows with one symbol keep the one of the highest mean; match the symbols of network and TF list
with those of the expression, whose spelling is kept; choose genes and edges (``selection.py``). ``summary.json``,
``dropped.csv`` and ``symbols.csv`` beside the data set record everything that was dropped or changed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from components.core.dataset import PSEUDOTIME, Dataset
from components.core.errors import KnockoutError, first_of
from components.data.checks import COPIES, copies
from components.data.h5ad import is_h5ad
from components.data.hints import names_hint
from components.data.prepare.files import (
    LabExpression,
    find_expression,
    find_network,
    log_values,
    read_lab_expression,
    read_ordering,
    read_synonyms,
)
from components.data.prepare.record import refuse_occupied, symbol_counts, symbol_table, write
from components.data.prepare.selection import (
    AMBIGUOUS,
    NO_GENE,
    Account,
    choose_edges,
    choose_genes,
    mean_and_variance,
    repeated,
)
from components.data.prepare.settings import PrepareSettings
from components.data.prepare.symbols import Matches, match_symbols, repaired_dates
from components.tables.network import Network, read_network
from components.tables.pseudotime import read_pseudotime
from components.tables.tfs import tf_list


@dataclass(frozen=True)
class LabFiles:
    """Paths of a lab's files; None for a file that does not exist."""

    expression: Path
    network: Path | None = None
    tfs: Path | None = None
    synonyms: Path | None = None
    gene_ordering: Path | None = None


@dataclass
class Prepared:
    """A prepared data set as a study reads it, what was read, dropped and kept, and the content of ``summary.json``."""

    folder: Path
    dataset: Dataset
    account: Account
    summary: dict[str, Any]


def prepare(files: LabFiles, to: Path, settings: PrepareSettings | None = None, *, overwrite: bool = False) -> Prepared:
    """Make a data set in the layout of BEELINE and GENELink, and read it back as a study does.

    Parameters
    ----------
    files
        Expression (``.h5ad``, CSV of genes x cells, or a folder with ExpressionData.csv) and files beside it. Without a
        network, that of BEELINE's layout is looked for; without TFs, all regulators of the network are TFs.
    to
        Folder to make. It appears whole or not at all.
    settings
        Which values and genes; None for the defaults.
    overwrite
        Whether an earlier data set in ``to`` may be replaced. Files of other names are never touched.

    Raises
    ------
    KnockoutError
        For a file that cannot be read, and if no TF or fewer than 2 edges are left.
    """
    settings, to = settings or PrepareSettings(), Path(to).resolve()
    refuse_occupied(to, overwrite)
    lab = read_lab_expression(find_expression(Path(files.expression)), settings.layer, settings.gene_column)
    listed = list(dict.fromkeys(tf_list(files.tfs, lab.genes).values)) if files.tfs else []
    network = read_network(files.network or find_network(lab.path), {gene.upper() for gene in lab.genes}, listed)
    listed = listed or list(dict.fromkeys(network.regulators.values))
    written = pd.DataFrame(network.edges, columns=["regulator", "target"], dtype=object)
    synonyms, ambiguous = read_synonyms(files.synonyms) if files.synonyms else ({}, [])
    symbols = list(dict.fromkeys([*written.to_numpy().ravel(), *listed]))

    account, notes = Account(), [*network.notes]
    if not files.tfs:
        notes.append(f"no TF list given: all {len(listed)} regulators of the network count as TFs")
    repaired = repaired_dates(lab.genes, symbols) if settings.repair_dates else {}
    names = pd.Index([repaired.get(name, name) for name in lab.genes], dtype=object)
    values, names, cells, scale = _clean(lab, names, settings, account)
    distinct = _told_apart(cells)
    if renamed := sum(new != old for new, old in zip(distinct, cells, strict=True)):
        notes.append(f"expression: {renamed} cells have the name of another; they are numbered, e.g. {distinct[-1]!r}")
    matches = match_symbols(symbols, tuple(names), synonyms, repair_dates=settings.repair_dates)
    tfs = [matches.genes[name] for name in listed if name in matches.genes]
    ordering = read_ordering(files.gene_ordering) if files.gene_ordering else None
    if ordering is not None and (absent := int((~ordering.index.isin(names)).sum())):
        notes.append(f"{absent} of {len(ordering)} genes of the gene ordering are not in the expression")
    genes = choose_genes(values, names, names.isin(tfs), settings, ordering)
    _close_genes(account, genes, listed, matches)
    edges = choose_edges(written, matches, genes, set(tfs))
    account.read["edges"] = len(edges)
    account.drop("edges", edges["reason"])
    _refuse_nothing_left(account, lab, network, symbols)

    dataset = _dataset(values, genes, edges, set(tfs))
    if (times := lab.path.with_name(PSEUDOTIME)).is_file() and not is_h5ad(lab.path):
        dataset = replace(dataset, pseudotime=read_pseudotime(times, cells))
        notes.append(f"pseudotime of the cells: from {times.name} beside the expression")
    table = symbol_table(lab.genes, repaired, symbols, matches, ambiguous)
    remarks, missing, on_symbols = symbol_counts(table, written, matches)
    record = {
        "made by": "knockout data prepare",
        "files": {name: str(path) for name, path in vars(files).items() if path}
        | {"expression": str(lab.path), "network": str(network.path)},
        "settings": settings.model_dump(),
        "values": scale,
        **account.counts(),
        "symbols": remarks,
        "network symbols not in the expression, with their edges": missing,
        "notes": notes + on_symbols,
    }
    dataset = write(dataset, to, distinct, record, {"dropped.csv": account.table(), "symbols.csv": table})
    return Prepared(to, dataset, account, record)


def _clean(
    lab: LabExpression, names: pd.Index, settings: PrepareSettings, account: Account
) -> tuple[sparse.csr_array, pd.Index, list[str], str]:
    """Return log values, names, cells, and what was done to the values, without empty cells and repeated names."""
    account.read.update(genes=len(names), cells=len(lab.cells))
    expressed = np.asarray(lab.matrix.sum(axis=0)).ravel() > 0
    copied = copies(lab.matrix)
    if copied.mean() <= COPIES:  # a few cells may be alike by chance
        copied &= pd.Index(lab.cells).duplicated()
    whys = np.where(expressed, np.where(copied, "the same values as an earlier cell", ""), "no value above 0")
    account.drop("cells", pd.Series(whys, index=lab.cells))
    cells = [cell for cell, why in zip(lab.cells, whys, strict=True) if not why]
    if len(cells) < 2:
        message = f"{len(cells)} cell(s) have a value above 0 and are no copy; at least 2 are needed."
        raise KnockoutError(message, where=str(lab.path))
    lab = replace(lab, matrix=lab.matrix[:, np.flatnonzero(whys == "")])
    values, scale = log_values(lab, settings.counts, settings.library_size)
    repeats = repeated(names.to_series(), mean_and_variance(values)[0])
    reasons = np.where(names == "", "no name", np.where(repeats, "a row of the same name has a higher mean", ""))
    account.drop("genes", pd.Series(reasons, index=names))
    rows = np.flatnonzero(reasons == "")
    return values[rows], names[rows], cells, scale


def _told_apart(cells: list[str]) -> list[str]:
    """Return the names of cells, with a number behind every name that an earlier cell has."""
    taken, names = set(cells), []
    seen: set[str] = set()
    for cell in cells:
        number, name = 1, cell
        while name in seen or (number > 1 and name in taken):
            number += 1
            name = f"{cell}-{number}"
        seen.add(name)
        names.append(name)
    return names


def _close_genes(account: Account, genes: pd.Series, listed: list[str], matches: Matches) -> None:
    """Add the genes that are not chosen, and the TFs that drop out for this or another reason."""
    account.drop("genes", genes)
    account.read["TFs"] = len(listed)
    tfs = pd.Series({name: matches.genes.get(name, "") for name in listed}, dtype=object)
    reasons = tfs.map(genes)
    reasons[tfs == ""] = NO_GENE
    reasons[[name in matches.ambiguous for name in listed]] = AMBIGUOUS
    reasons[(tfs != "") & tfs.duplicated()] = "listed twice, spelled differently"
    account.drop("TFs", reasons)


def _dataset(values: sparse.csr_array, genes: pd.Series, edges: pd.DataFrame, tfs: set[str]) -> Dataset:
    names = genes.index[genes == ""]
    chosen = edges.loc[(edges["reason"] == "").to_numpy(), ["regulator", "target"]]
    return Dataset(
        name="",
        genes=tuple(names),
        expression=values[np.flatnonzero(genes == "")].toarray(),
        tfs=np.flatnonzero(names.isin(tfs)),
        edges=np.stack([names.get_indexer(pd.Index(chosen[end])) for end in chosen], axis=1),
    )


def _refuse_nothing_left(account: Account, lab: LabExpression, network: Network, symbols: list[str]) -> None:
    for kind, least in (("TFs", 1), ("edges", 2)):
        if account.kept(kind) >= least:
            continue
        why = ", ".join(f"{number} {reason}" for reason, number in account.reasons(kind).items())
        message = f"{account.kept(kind)} of {account.read[kind]} {kind} are left, at least {least} needed: {why}."
        message += f" The network has {first_of(symbols)}; the expression has {first_of(lab.genes)}."
        message += f" {names_hint(symbols, lab.genes, lab.cells, str(lab.path), lab.symbol_columns)}".rstrip()
        raise KnockoutError(message, where=str(network.path))
