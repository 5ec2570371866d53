"""Regulons: TFs with lists of targets, as pySCENIC's ``ctx`` and those who save regulons write them.

Source: pySCENIC (``pyscenic.cli.utils.save_enriched_motifs``, ``load_signatures``): ``reg.csv`` has two rows of titles
and one of the index's names, a row per motif, and ``TargetGenes`` as Python text ``[('GENE', importance), ...]``; of a
target that several motifs of a TF name, the largest importance counts, as in ``df2regulons``.
"""

from __future__ import annotations

import ast
import csv
import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from components.core.errors import KnockoutError
from components.tables.csvfile import Column, rows_of, text_of
from components.tables.network import Network

Row: TypeAlias = tuple[int, list[str]]
Regulon: TypeAlias = tuple[int, str, Mapping[str, float]]  # line, TF, importance of each target

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
    if path.name.removesuffix(".gz").endswith(".gmt"):
        return _network(path, _gene_sets(path), "a gene set is the regulon of its name; every edge weighs 1")
    layout = _layout(path)
    if layout is None:
        return None
    titles, tf, targets = layout
    rows = itertools.islice(rows_of(path), titles, None)
    regulons = ((line, _tf_of(row[tf]), _importance(path, line, row[targets])) for line, row in rows)
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


def _gene_sets(path: Path) -> Iterator[Regulon]:
    """Yield the sets of a GMT file: name, description, genes; tabs, or commas as pySCENIC writes them."""
    lines = text_of(path).splitlines()
    separator = "\t" if any("\t" in line for line in lines) else ","
    for number, row in enumerate(csv.reader(lines, delimiter=separator), start=1):
        if row and not row[0].startswith("#"):
            if len(row) < 3:
                raise KnockoutError("name, description and genes are needed.", where=f"{path}, row {number}")
            yield number, _tf_of(row[0]), {gene.strip(): 1.0 for gene in row[2:] if gene.strip()}


def _tf_of(name: str) -> str:
    return SIGN.sub("", name.strip())


def _importance(path: Path, line: int, text: str) -> Mapping[str, float]:
    """Return the importance of each target of a list as Python writes it; 1 where the list has names alone."""
    try:
        value: Any = ast.literal_eval(NUMPY.sub(r"\1", FROZEN.sub(r"\1", text)))
        pairs = value.items() if isinstance(value, dict) else value
        weighed = dict((pair, 1.0) if isinstance(pair, str) else pair for pair in pairs)
        importance = {str(gene): float(weight) for gene, weight in weighed.items()}
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        message = f"{text[:40]!r} ... is no list of targets; expected [('GENE', importance), ...]."
        raise KnockoutError(message, where=f"{path}, row {line}") from None
    for gene, weight in importance.items():
        if not math.isfinite(weight):
            raise KnockoutError(f"the importance of {gene} is {weight}.", where=f"{path}, row {line}")
    return importance


def _network(path: Path, regulons: Iterator[Regulon], note: str) -> Network:
    best: dict[tuple[str, str], tuple[float, int]] = {}
    for line, tf, importance in regulons:
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
