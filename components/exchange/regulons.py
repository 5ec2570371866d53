"""Regulons: TFs with lists of targets, as pySCENIC's ``ctx`` and those who save regulons write them.

Source: pySCENIC (``pyscenic.cli.utils.save_enriched_motifs``, ``load_signatures``): ``reg.csv`` has two rows of titles
and one of the index's names, a row per motif, and ``TargetGenes`` as Python text ``[('GENE', importance), ...]``; of a
target that several motifs of a TF name, the largest importance counts, as in ``df2regulons``.
"""

from __future__ import annotations

import ast
import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from components.core.errors import KnockoutError
from components.exchange.gene_sets import GeneSet, importance_of, read_gene_sets, suffix_of
from components.tables.csvfile import Column, rows_of
from components.tables.network import Network

TITLES = 3  # rows of titles at most
TFS = ("tf", "transcriptionfactor", "regulator", "source", "regulon", "regulons", "name")
TARGETS = ("targetgenes", "targets", "genes", "gene2weight", "targetgene", "target")
OPENINGS = ("[", "{", "(", "frozendict(", "frozenset(")
FROZEN = re.compile(r"^(?:frozendict|frozenset)\((.*)\)$", re.DOTALL)
NUMPY = re.compile(r"\bnp\.\w+\(('[^']*'|[-\w.+]+)\)")  # as NumPy 2 writes names and numbers
SIGN = re.compile(r"(_extended)?[ _]*\((\+|-|\d+g)\)$")  # SOX2(+), SOX2_extended (21g)


def read_regulons(path: Path) -> Network | None:
    """Return regulons as edges with their importance, each pair once; None if the file has no lists of targets.

    Raises
    ------
    KnockoutError
        If the lists have no TF, or one cannot be read.
    """
    if suffix_of(path):
        return _network(path, read_gene_sets(path), "regulons by name; where they hold no importance, an edge weighs 1")
    layout = _layout(path)
    if layout is None:
        return None
    titles, tf, targets = layout
    rows = itertools.islice(rows_of(path), titles, None)
    regulons = ((line, row[tf], _importance(path, line, row[targets])) for line, row in rows)
    return _network(path, regulons, "lists of targets; of a pair that several motifs give, the largest importance")


def _layout(path: Path) -> tuple[int, int, int] | None:
    """Return how many rows are titles, and the places of TFs and of lists; None without lists."""
    top = [row for _, row in itertools.islice(rows_of(path), TITLES + 1)]
    for first in range(1, len(top)):
        titles = [{re.sub(r"[\W_]", "", row[place].casefold()) for row in top[:first]} for place in range(len(top[0]))]
        lists = [p for p, known in enumerate(titles) if known & {*TARGETS} and top[first][p].startswith(OPENINGS)]
        if not lists:
            continue
        tfs = [place for name in TFS for place, known in enumerate(titles) if name in known]
        if not tfs:
            message = (
                f"lists of targets in column {lists[0] + 1}, and no column of their TFs, titled TF, Regulator or "
                "Regulon. A data frame of pySCENIC has them in its index: write it without index=False."
            )
            raise KnockoutError(message, where=f"{path}, row 1")
        return first, tfs[0], lists[0]
    return None


def _tf_of(name: str) -> str:
    return SIGN.sub("", name.strip())


def _importance(path: Path, line: int, text: str) -> Mapping[str, float]:
    """Return the importance of each target of a list as Python writes it; 1 where the list has names alone."""
    try:
        value: Any = ast.literal_eval(NUMPY.sub(r"\1", FROZEN.sub(r"\1", text)))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        value = None
    return importance_of(text if value is None else value, f"{path}, row {line}")


def _network(path: Path, regulons: Iterable[GeneSet], note: str) -> Network:
    best: dict[tuple[str, str], tuple[float, int]] = {}
    for line, name, importance in regulons:
        tf = _tf_of(name)
        for target, weight in importance.items():
            if weight > best.get((tf, target), (-math.inf, 0))[0]:
                best[tf, target] = weight, line
    if not best:
        raise KnockoutError("no regulon has a target.", where=str(path))
    lines = tuple(line for _, line in best.values())

    def column(title: str, values: Sequence[str]) -> Column:
        return Column(path, title, lines, tuple(values))

    weights = column("importance", [repr(weight) for weight, _ in best.values()])
    tfs, targets = (
        column(title, names) for title, names in zip(("TF", "target"), zip(*best, strict=True), strict=True)
    )
    return Network(path, tfs, targets, False, (note,), (weights,))
