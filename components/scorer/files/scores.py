"""Reads the scores that other programs write: one per pair, or a list of edges as any tool writes it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.core.dataset import Ints, pair_keys
from components.core.errors import KnockoutError, UnknownNameError, count
from components.core.metrics import Scores
from components.scorer.files.base_grn import is_parquet, read_base_grn
from components.scorer.files.regulons import read_regulons, suffix_of
from components.tables.csvfile import Column, is_number, rows_of
from components.tables.network import Network, read_network

# titles of weights, the plainest first: BEELINE, GRNBoost2 and pySCENIC, CellOracle, correlations
WEIGHTS = ("edgeweight", "importance", "weight", "score", "probability", "confidence", "coefabs", "logp", "coefmean")
PLURALS = {f"{title}s": title for title in WEIGHTS} | {"prob": "probability", "coef": "coefmean"}
P_VALUES = ("p", "pval", "pvalue", "pvalues", "padj", "fdr", "qvalue", "adjp")
COUNTERS = ("", "Unnamed: 0", "index")


@dataclass(frozen=True, eq=False)
class EdgeList:
    """Weighted edges between genes of a data set."""

    pairs: Ints  # [edges, 2] gene indices, sorted, each pair once, none of a gene with itself
    weights: Scores  # [edges], finite
    notes: tuple[str, ...]  # what was decided in reading: which column weighs, what was left out

    def lookup(self, pairs: Ints, n_genes: int) -> tuple[Scores, np.ndarray]:
        """Return the weight of each pair ``[n, 2]``, 0 where it is not listed, and whether it is listed ``[n]``."""
        keys, queries = pair_keys(self.pairs, n_genes), pair_keys(pairs, n_genes)
        places = np.searchsorted(keys, queries)
        listed = np.append(keys, -1)[places] == queries
        return np.where(listed, np.append(self.weights, 0.0)[places], 0.0), listed


def read_scores(path: Path, genes: Sequence[str], pairs: Ints) -> Scores:
    """Return the score of each pair ``[n, 2]`` that a program was asked for.

    The file holds one score per row, in the order of the pairs, or rows of regulator, target (names or places of genes)
    and score; further rows are not read.

    Raises
    ------
    KnockoutError
        If the file is not there or not readable, a pair has no score, or a score is no number.
    """
    if not path.is_file():
        raise KnockoutError("the program wrote no scores: the file that {scores} stands for is not there.")
    if is_bare(path):
        return _one_per_pair(path, len(pairs))
    edges = read_edges(path, genes)
    scores, scored = edges.lookup(pairs, len(genes))
    if not scored.all():
        tf, target = pairs[np.argmin(scored)]
        raise KnockoutError(
            f"{np.sum(~scored)} of {len(pairs)} pairs have no score, such as {genes[tf]} -> {genes[target]}; "
            "every row of the pairs needs one.",
            where=str(path),
        )
    return scores


def is_bare(path: Path) -> bool:
    """Return whether a file has one column: a score per pair, and no pairs."""
    if is_parquet(path) or suffix_of(path):
        return False
    return len(next(rows_of(path, "one score per pair, or rows of regulator, target and score"))[1]) == 1


def read_edges(path: Path, genes: Sequence[str], tfs: Sequence[str] = (), weight: str = "") -> EdgeList:
    """Return the edges of a list as BEELINE, GRNBoost2, pySCENIC, CellOracle and others write it.

    Regulons and a base GRN are edges, too. Genes are names, in any case where that is clear, or places in the list of
    genes. The column of weights is found by its title, or is the only other one with numbers; without any, edges weigh
    1.

    Raises
    ------
    KnockoutError
        If it is unclear which columns are meant, no gene is known, a weight is no finite number, or a pair is listed
        twice with two weights.
    """
    places = _places(genes)
    known = {name.upper() for name in (*places, *map(str, range(len(genes))))}
    network = read_base_grn(path, known) or read_regulons(path)
    notes = list(network.notes) if network else []
    network = network or read_network(path, known, tfs)
    column, note = _weights(network, weight)
    values = np.ones(len(network.regulators.values)) if column is None else _numbers(column)
    ends = [_indices(side, places, len(genes)) for side in (network.regulators, network.targets)]
    pairs = np.stack(ends, axis=1)
    unknown = (pairs < 0).any(axis=1)
    if unknown.all():
        names = network.regulators.values[0], network.targets.values[0]
        raise KnockoutError(
            f"no row names two genes of the data set; the first one is {names[0]!r}, {names[1]!r}. The data set has "
            f"genes such as {', '.join(map(repr, genes[:3]))}.",
            where=str(path),
        )
    notes += [note] if note else []
    if unknown.any():
        notes.append(f"{np.sum(unknown)} of {count(len(pairs), 'row')} name genes that the data set does not have")
    rows = np.flatnonzero(~unknown & (pairs[:, 0] != pairs[:, 1]))
    _, first, pair = np.unique(pair_keys(pairs[rows], len(genes)), return_index=True, return_inverse=True)
    first = rows[first]
    _refuse_two_weights(network, values, first[pair], rows)
    return EdgeList(pairs[first], values[first], tuple(notes))


def _one_per_pair(path: Path, pairs: int) -> Scores:
    lines, values = zip(*((line, row[0]) for line, row in rows_of(path)), strict=True)
    if len(values) == pairs + 1:  # a title
        values, lines = values[1:], lines[1:]
    if len(values) != pairs:
        raise KnockoutError(f"{count(len(values), 'score')} for {count(pairs, 'pair')}.", where=str(path))
    return _numbers(Column(path, "score", lines, values))


def _numbers(column: Column) -> Scores:
    """Return the finite numbers of a column."""
    numbers = np.array([float(text) if is_number(text) else np.nan for text in column.values])
    for row in np.flatnonzero(~np.isfinite(numbers)):
        message = f"{column.values[row]!r} is no finite number; a score is needed."
        raise KnockoutError(message, where=column.where(int(row)))
    return numbers


def _places(genes: Sequence[str]) -> Mapping[str, int]:
    """Return the place of each name, and of each in upper case where that is one gene alone."""
    alike = Counter(map(str.upper, genes))
    clear = {gene.upper(): place for place, gene in enumerate(genes) if alike[gene.upper()] == 1}
    return clear | {gene: place for place, gene in enumerate(genes)}


def _indices(column: Column, places: Mapping[str, int], n_genes: int) -> Ints:
    """Return the gene index of each value, -1 where there is none; whole numbers where no value is a name."""
    indices = np.array([places.get(text, places.get(text.upper(), -1)) for text in column.values], dtype=np.int64)
    if (indices < 0).all() and all(text.isdecimal() and int(text) < n_genes for text in column.values):
        return np.array([int(text) for text in column.values], dtype=np.int64)
    return indices


def _weights(network: Network, name: str) -> tuple[Column | None, str]:
    """Return the column of weights, and what was decided about it."""
    titles = [column.name for column in network.others]
    if name:
        for column in network.others:
            if column.name == name:
                return column, ""
        raise UnknownNameError.of("column of weights", name, titles, where=f"{network.path}, row 1")
    named = {_plain(column.name): column for column in reversed(network.others)}
    known = [title for title in WEIGHTS if title in named]
    if known:
        others = [named[title].name for title in known[1:]]
        also = f", not {' or '.join(map(repr, others))}" if others else ""
        return named[known[0]], f"weighed by {named[known[0]].name!r}{also}"
    numeric = [
        column for column in network.others if column.name not in COUNTERS[1:] and all(map(is_number, column.values))
    ]
    weighing = [column for column in numeric if _plain(column.name) not in P_VALUES]
    if len(weighing) == 1:
        return weighing[0], f"weighed by {weighing[0].name!r}" if weighing[0].name else ""
    if weighing or numeric:
        raise KnockoutError(
            f"which column weighs the edges is unclear: {', '.join(repr(column.name) for column in numeric)}. Name it "
            f"{WEIGHTS[1]!r}, or say which (weight: COLUMN); higher must mean more likely, so a p-value will not do.",
            where=f"{network.path}, row 1",
        )
    return None, "no column of weights: every edge weighs 1"


def _plain(title: str) -> str:
    plain = re.sub(r"[\W_]", "", title.casefold())
    return PLURALS.get(plain, plain)


def _refuse_two_weights(network: Network, weights: Scores, first: Ints, rows: Ints) -> None:
    """Refuse a pair of which a row has another weight than the first one: which counts is not for us to say."""
    differing = np.flatnonzero(weights[first] != weights[rows])
    if len(differing):
        one, two = first[differing[0]], rows[differing[0]]
        names = f"{network.regulators.values[one]} -> {network.targets.values[one]}"
        raise KnockoutError(
            f"{names} is listed twice, with weights {weights[one]:g} and {weights[two]:g} (rows "
            f"{network.regulators.lines[one]} and {network.regulators.lines[two]}); keep one row per pair.",
            where=str(network.path),
        )
