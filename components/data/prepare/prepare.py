"""Makes a GRN benchmark of what a lab has: its expression, a network, perhaps a TF list.

In this order: names are read, spreadsheet dates repaired if asked for; cells without a value dropped; raw counts
normalised over all genes read; of rows with one symbol the one of the highest mean kept; symbols of network and TF list
matched with those of the expression, whose spelling stays; genes and edges chosen (``selection.py``).
Nothing is lost in silence: ``summary.json``, ``dropped.csv`` and ``symbols.csv`` lie beside the data set.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from components.core.dataset import Dataset
from components.core.errors import KnockoutError
from components.data.h5ad import tf_list
from components.data.prepare.expression import LabExpression, find_expression, log_values, read_lab_expression
from components.data.prepare.network import LabNetwork, find_network, read_lab_network, read_ordering, read_synonyms
from components.data.prepare.record import SymbolReport, refuse_occupied, write
from components.data.prepare.selection import (
    NO_GENE,
    UNCLEAR,
    Account,
    choose_edges,
    choose_genes,
    mean_and_variance,
    repeated,
)
from components.data.prepare.settings import PrepareSettings
from components.data.prepare.symbols import Matches, looks_like_id, match_symbols, repaired_dates

EXAMPLES = 5


@dataclass(frozen=True)
class LabFiles:
    """The files of a lab: expression, and what is known beside it; None for what there is not."""

    expression: Path
    network: Path | None = None
    tfs: Path | None = None
    synonyms: Path | None = None
    gene_ordering: Path | None = None


@dataclass
class Prepared:
    """A data set that was made, and the account of how.

    Attributes
    ----------
    folder
        Where it lies.
    dataset
        As every study will read it.
    account
        What was read, dropped and kept.
    summary
        What ``summary.json`` holds.
    """

    folder: Path
    dataset: Dataset
    account: Account
    summary: dict[str, Any]


def prepare(files: LabFiles, to: Path, settings: PrepareSettings | None = None, *, overwrite: bool = False) -> Prepared:
    """Make a GRN benchmark in the layout of BEELINE and GENELink, and read it back as a study would.

    Parameters
    ----------
    files
        Expression (``.h5ad``; CSV of genes x cells; a folder with ExpressionData.csv) and what is known beside it.
        Without a network, that of BEELINE's layout is looked for; without TFs, all regulators of the network are TFs.
    to
        Folder to make. It appears whole or not at all.
    settings
        Which values and genes; None for the defaults.
    overwrite
        Whether an earlier data set in ``to`` may be replaced. Files of other names are never touched.

    Raises
    ------
    KnockoutError
        For what cannot be read, and when no TF or fewer than 2 edges are left.
    """
    settings, to = settings or PrepareSettings(), Path(to).resolve()
    refuse_occupied(to, overwrite)
    lab = read_lab_expression(find_expression(Path(files.expression)), settings.layer, settings.gene_column)
    network = read_lab_network(files.network or find_network(lab.path), {gene.upper() for gene in lab.genes})
    listed = _listed(files, network, lab)
    synonyms, unclear = read_synonyms(files.synonyms) if files.synonyms else ({}, [])
    wanted = list(dict.fromkeys([*network.edges.to_numpy().ravel(), *listed]))

    account, notes = Account(), [network.columns] if network.columns else []
    if not files.tfs:
        notes.append(f"no TF list given: all {len(listed)} regulators of the network count as TFs")
    names, repaired = _names(lab, wanted, settings)
    values, names, cells, said = _clean(lab, names, settings, account)
    matches = match_symbols(wanted, tuple(names), synonyms, repair_dates=settings.repair_dates)
    tfs = [matches.found[name] for name in listed if name in matches.found]
    ordering = read_ordering(files.gene_ordering) if files.gene_ordering else None
    if ordering is not None and (absent := int((~ordering.index.isin(names)).sum())):
        notes.append(f"{absent} of {len(ordering)} genes of the gene ordering are not in the expression")
    genes = choose_genes(values, names, names.isin(tfs), settings, ordering)
    _close_genes(account, genes, listed, matches)
    edges = choose_edges(network.edges, matches, genes, set(tfs))
    account.read["edges"] = len(edges)
    account.drop("edges", edges["reason"])
    _refuse_nothing_left(account, lab, network, wanted)

    dataset = _dataset(values, genes, edges, set(tfs))
    symbols = SymbolReport(lab.genes, repaired, wanted, matches, network.edges, unclear)
    notes += symbols.notes()
    record = {
        "made by": "knockout data prepare",
        "files": {name: str(path) for name, path in vars(files).items() if path}
        | {"expression": str(lab.path), "network": str(network.path)},
        "settings": settings.model_dump(),
        "values": said,
        **account.counts(),
        "symbols": symbols.counts(),
        "network symbols not in the expression, with their edges": symbols.missing,
        "notes": notes,
    }
    made = write(dataset, to, cells, record, account.table(), symbols.table)
    return Prepared(to, made, account, record)


def _listed(files: LabFiles, network: LabNetwork, lab: LabExpression) -> list[str]:
    if files.tfs is None:
        return list(dict.fromkeys(network.edges["regulator"]))
    column = tf_list(files.tfs, lab.genes)
    return list(dict.fromkeys(name.strip() for name in column.values if name.strip()))  # noqa: PD011


def _names(lab: LabExpression, known: list[str], settings: PrepareSettings) -> tuple[pd.Index, dict[str, str]]:
    repaired = repaired_dates(lab.genes, known) if settings.repair_dates else {}
    return pd.Index([repaired.get(name, name) for name in lab.genes], dtype=object), repaired


def _clean(
    lab: LabExpression, names: pd.Index, settings: PrepareSettings, account: Account
) -> tuple[sparse.csr_array, pd.Index, list[str], str]:
    """Return log values, names and cells without cells that show nothing and without rows of no or the same name."""
    account.read.update(genes=len(names), cells=len(lab.cells))
    seen = np.asarray(lab.matrix.sum(axis=0)).ravel() > 0
    account.drop("cells", pd.Series(np.where(seen, "", "no value above 0"), index=lab.cells))
    cells = [cell for cell, kept in zip(lab.cells, seen, strict=True) if kept]
    if len(cells) < 2:
        raise KnockoutError(f"{len(cells)} cell(s) have a value above 0; at least 2 are needed.", where=str(lab.path))
    lab = replace(lab, matrix=lab.matrix[:, np.flatnonzero(seen)])
    values, said = log_values(lab, settings.counts, settings.library_size)
    twice = repeated(names.to_series(), mean_and_variance(values)[0])
    reasons = np.where(names == "", "no name", np.where(twice, "a row of the same name has a higher mean", ""))
    account.drop("genes", pd.Series(reasons, index=names))
    kept = np.flatnonzero(reasons == "")
    return values[kept], names[kept], cells, said


def _close_genes(account: Account, genes: pd.Series, listed: list[str], matches: Matches) -> None:
    """Enter the genes that are not chosen, and what that means for the TFs."""
    account.drop("genes", genes)
    account.read["TFs"] = len(listed)
    found = pd.Series({name: matches.found.get(name, "") for name in listed}, dtype=object)
    reasons = found.map(genes)
    reasons[found == ""] = NO_GENE
    reasons[[name in matches.ambiguous for name in listed]] = UNCLEAR
    reasons[(found != "") & found.duplicated()] = "listed twice, spelled differently"
    account.drop("TFs", reasons)


def _dataset(values: sparse.csr_array, genes: pd.Series, edges: pd.DataFrame, tfs: set[str]) -> Dataset:
    kept = genes.index[genes == ""]
    chosen = edges.loc[(edges["reason"] == "").to_numpy(), ["regulator", "target"]]
    return Dataset(
        name="",
        genes=tuple(kept),
        expression=values[np.flatnonzero(genes == "")].toarray(),
        tfs=np.flatnonzero(kept.isin(tfs)),
        edges=np.stack([kept.get_indexer(pd.Index(chosen[end])) for end in chosen], axis=1),
    )


def _refuse_nothing_left(account: Account, lab: LabExpression, network: LabNetwork, wanted: list[str]) -> None:
    for kind, least in (("TFs", 1), ("edges", 2)):
        if account.kept(kind) >= least:
            continue
        why = ", ".join(f"{number} {reason}" for reason, number in account.reasons(kind).items())
        sides = [", ".join(names[:EXAMPLES]) + ", ..." * (len(names) > EXAMPLES) for names in (wanted, lab.genes)]
        message = f"{account.kept(kind)} of {account.read[kind]} {kind} are left, at least {least} needed: {why}."
        message += f" The network has {sides[0]}; the expression has {sides[1]}."
        if lab.symbol_columns and sum(map(looks_like_id, lab.genes)) > len(lab.genes) / 2:
            message += f" Are there symbols in another column? --gene-column {' or '.join(lab.symbol_columns)}."
        raise KnockoutError(message, where=str(network.path))
