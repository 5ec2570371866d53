"""Selection of genes and edges from a lab's data, and an account of all that are dropped.

The rule is that of BEELINE (Pratapa et al. 2020, Nat. Methods 17, 147; ``generateExpInputs.py``): genes detected in at
least 10 % of the cells; of these, with a test along pseudotime, genes whose Bonferroni-corrected p is below .01; of
these all TFs and the N other genes of the highest variance. Without such a test all detected TFs are kept, and the
variance is that of the log values.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from components.data.prepare.settings import PrepareSettings
from components.data.prepare.symbols import Matches

NO_GENE = "not in the expression"
AMBIGUOUS = "could be more than one gene"


@dataclass
class Account:
    """How many genes, cells, TFs and edges were read, and which were dropped for which reason."""

    read: dict[str, int] = field(default_factory=dict)
    dropped: list[tuple[str, str, str]] = field(default_factory=list)

    def drop(self, kind: str, reasons: pd.Series) -> None:
        """Add what is dropped: reasons indexed by name, '' for what is kept."""
        self.dropped.extend((kind, str(name), reason) for name, reason in reasons.items() if reason)

    def reasons(self, kind: str) -> Counter[str]:
        """Return how many of a kind were dropped per reason."""
        return Counter(reason for dropped, _, reason in self.dropped if dropped == kind)

    def kept(self, kind: str) -> int:
        """Return how many of a kind are kept."""
        return self.read[kind] - self.reasons(kind).total()

    def counts(self) -> dict[str, dict[str, Any]]:
        """Return per kind how many were read, dropped per reason, and kept."""
        return {
            kind: {"read": read, "dropped": dict(self.reasons(kind).most_common()), "kept": self.kept(kind)}
            for kind, read in self.read.items()
        }

    def table(self) -> pd.DataFrame:
        """Return one row per dropped gene, cell, TF or edge: columns what, name, reason."""
        table = pd.DataFrame(self.dropped, columns=["what", "name", "reason"])
        return table.assign(what=table["what"].str.removesuffix("s"))


def mean_and_variance(values: sparse.csr_array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and variance ``[genes]`` over the cells of sparse expression ``[genes, cells]``."""
    n_genes, n_cells = values.shape
    filled = np.diff(values.indptr)
    gene = np.repeat(np.arange(n_genes), filled)
    data = values.data.astype(np.float64)
    mean = np.bincount(gene, data, minlength=n_genes) / n_cells
    squares = np.bincount(gene, (data - mean[gene]) ** 2, minlength=n_genes) + (n_cells - filled) * mean**2
    return mean, squares / (n_cells - 1)


def repeated(keys: pd.Series, mean: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which rows ``[genes]`` share their key with a row of higher mean, or of equal mean and further up."""
    order = np.argsort(-mean, kind="stable")
    duplicates = np.zeros(len(keys), dtype=bool)
    duplicates[order] = keys.iloc[order].duplicated().to_numpy()
    return duplicates


def choose_genes(
    values: sparse.csr_array,
    names: pd.Index,
    is_tf: NDArray[np.bool_],
    settings: PrepareSettings,
    ordering: pd.DataFrame | None = None,
) -> pd.Series:
    """Return why each gene is dropped, '' for those that are kept.

    Parameters
    ----------
    values
        ``[genes, cells]`` log values.
    names
        Distinct names of the genes.
    is_tf
        ``[genes]``: whether a gene is in the TF list.
    settings
        Shares, p-value and number of genes.
    ordering
        Columns ``p`` and ``variance``, indexed by gene: a test along pseudotime; None without one.
    """
    reasons = np.full(len(names), "", dtype=object)
    detected = np.diff(values.indptr)
    rare = detected < settings.min_cells_share * values.shape[1] - 1e-9
    _mark(reasons, detected == 0, "detected in no cell")
    _mark(reasons, rare, f"detected in fewer than {100 * settings.min_cells_share:g} % of the cells")
    constant = values.max(axis=1).toarray().ravel() == values.min(axis=1).toarray().ravel()
    _mark(reasons, constant, "the same value in every cell")
    variance = pd.Series(mean_and_variance(values)[1], index=names)
    if ordering is not None:
        _mark(reasons, ~names.isin(ordering.index), "not in the gene ordering")
        tested = ordering.reindex(names)
        # BEELINE corrects for the genes of the ordering that have expression
        cutoff = settings.p_value / max((reasons == "").sum(), 1)
        _mark(reasons, ~(tested["p"] < cutoff).to_numpy(), f"corrected p is not below {settings.p_value:g}")
        variance = tested["variance"].fillna(variance)
    others = np.flatnonzero((reasons == "") & ~is_tf)
    ranked = others[np.argsort(-variance.to_numpy()[others], kind="stable")]
    excess = np.isin(np.arange(len(names)), ranked[settings.genes :])
    _mark(reasons, excess, f"no TF, and not among the {settings.genes} most variable other genes")
    return pd.Series(reasons, index=names)


def choose_edges(edges: pd.DataFrame, matches: Matches, genes: pd.Series, tfs: set[str]) -> pd.DataFrame:
    """Return the genes that each edge joins, and why it is dropped, '' for those that are kept.

    Parameters
    ----------
    edges
        Columns regulator and target, as written in the network.
    matches
        Genes of the expression that the network's symbols match.
    genes
        Why a gene is dropped, indexed by gene, as :func:`choose_genes` returns it.
    tfs
        Genes in the TF list.

    Returns
    -------
    DataFrame
        Columns regulator, target (genes of the expression, missing if there is none) and reason, indexed by
        'regulator -> target' as written.
    """
    chosen = edges.apply(lambda column: column.map(matches.genes))
    reasons = np.full(len(edges), "", dtype=object)
    for role in edges:
        _mark(reasons, edges[role].isin(matches.ambiguous).to_numpy(), f"{role} {AMBIGUOUS}")
        _mark(reasons, chosen[role].isna().to_numpy(), f"{role} {NO_GENE}")
    _mark(reasons, (chosen["regulator"] == chosen["target"]).to_numpy(), "self-edge")
    _mark(reasons, chosen.duplicated().to_numpy(), "stands twice")
    _mark(reasons, ~chosen["regulator"].isin(tfs).to_numpy(), "regulator not in the TF list")
    for role in edges:
        why = chosen[role].map(genes)
        for reason in why.dropna().unique():
            _mark(reasons, (why == reason).to_numpy(), f"{role} dropped: {reason}" if reason else "")
    return chosen.assign(reason=reasons).set_axis(pd.Index(edges["regulator"] + " -> " + edges["target"]), axis=0)


def _mark(reasons: NDArray[np.object_], which: NDArray[np.bool_], reason: str) -> None:
    reasons[(reasons == "") & which] = reason
