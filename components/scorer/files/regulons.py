"""Regulons: TFs with lists of targets, as pySCENIC's ``ctx`` and those who save regulons write them; GMT, JSON, YAML.

Source: pySCENIC (``pyscenic.cli.utils.save_enriched_motifs``, ``load_signatures``): ``reg.csv`` has two rows of titles
and one of the index's names, a row per motif, and ``TargetGenes`` as Python text ``[('GENE', importance), ...]``; of a
target that several motifs of a TF name, the largest importance counts, as in ``df2regulons``. In place of it, and by
ctxcore (``genesig``): GMT has commas around its tabs, JSON is ``{"SOX2(+)": ["KLF4", ...]}``, YAML a list of
``!Regulon {name, genes, weights, ...}``.
"""

from __future__ import annotations

import ast
import csv
import itertools
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import yaml

from components.core.errors import KnockoutError
from components.tables.csvfile import Table, rows_of, text_of
from components.tables.network import Network

GeneSet: TypeAlias = tuple[int, str, Mapping[str, float]]  # place in the file, name, importance of each gene

SUFFIXES = (".gmt", ".json", ".yaml", ".yml")
EXPECTED = 'expected {"SOX2(+)": ["KLF4", ...]}, or the YAML of `pyscenic ctx`'
TITLES = 3  # rows of titles at most
TFS = ("tf", "transcriptionfactor", "regulator", "source", "regulon", "regulons", "name")
TARGETS = ("targetgenes", "targets", "genes", "gene2weight", "targetgene", "target")
OPENINGS = ("[", "{", "(", "frozendict(", "frozenset(")
FROZEN = re.compile(r"^(?:frozendict|frozenset)\((.*)\)$", re.DOTALL)
NUMPY = re.compile(r"\bnp\.\w+\(('[^']*'|[-\w.+]+)\)")  # as NumPy 2 writes names and numbers
SIGN = re.compile(r"(_extended)?[ _]*\((\+|-|\d+g)\)$")  # SOX2(+), SOX2_extended (21g)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads regulons as mappings and NumPy's numbers; no other object, and none is made by name."""


def _number(loader: Any, _: str, node: Any) -> float | None:
    """Return a number that NumPy pickled into YAML: its type, then its bytes; None for the type."""
    if not isinstance(node, yaml.SequenceNode):
        return None
    content = loader.construct_object(node.value[-1], deep=True)
    return float(np.frombuffer(content, f"<f{len(content)}")[0])


for tag in ("!Regulon", "!GeneSignature"):
    _Loader.add_constructor(tag, lambda loader, node: loader.construct_mapping(node, deep=True))
_Loader.add_multi_constructor("tag:yaml.org,2002:python/object/apply:numpy", _number)


def suffix_of(path: Path) -> str:
    """Return which of :data:`SUFFIXES` a file has, plain or gzip; empty if none."""
    name = path.name.lower().removesuffix(".gz")
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), "")


def _gene_sets(path: Path) -> Iterator[GeneSet]:
    """Yield the sets of a file of one of :data:`SUFFIXES`; names alone weigh 1."""
    if suffix_of(path) == ".gmt":
        yield from _gmt(path)
        return
    try:
        value = json.loads(text_of(path)) if suffix_of(path) == ".json" else yaml.load(text_of(path), _Loader)
    except (ValueError, TypeError, yaml.YAMLError, RecursionError) as error:
        raise KnockoutError(f"not readable: {str(error).splitlines()[0]}; {EXPECTED}.", where=str(path)) from None
    for place, (name, genes) in enumerate(_named(value, path), start=1):
        yield place, name, _importance_of(genes, f"{path}, regulon {place}")


def _named(value: Any, path: Path) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((str(name), genes) for name, genes in value.items())
        return
    for place, regulon in enumerate(value if isinstance(value, list) else [value], start=1):
        if not isinstance(regulon, Mapping) or not {"name", "genes"} <= regulon.keys():
            raise KnockoutError(f"no name with its genes; {EXPECTED}.", where=f"{path}, regulon {place}")
        genes, weights = regulon["genes"], regulon.get("weights")
        if weights is not None and len(weights) != len(genes):
            message = f"{len(weights)} weights for {len(genes)} genes."
            raise KnockoutError(message, where=f"{path}, regulon {place}")
        name = str(regulon.get("transcription_factor") or regulon["name"])
        yield name, genes if weights is None else list(zip(genes, weights, strict=True))


def _gmt(path: Path) -> Iterator[GeneSet]:
    """Yield the sets of a GMT file: name, description, genes; tabs, or commas as older pySCENIC writes them."""
    lines = text_of(path).splitlines()
    separator = "\t" if any("\t" in line for line in lines) else ","
    for place, row in enumerate(csv.reader(lines, delimiter=separator), start=1):
        if row and not row[0].startswith("#"):
            if len(row) < 3:
                raise KnockoutError("name, description and genes are needed.", where=f"{path}, row {place}")
            genes = (gene.strip(", ") for gene in row[2:])
            yield place, row[0].strip(", "), {gene: 1.0 for gene in genes if gene}


def _importance_of(genes: Any, where: str) -> Mapping[str, float]:
    """Return the importance of each gene of a list of names, of pairs of name and importance, or of a mapping."""
    try:
        if isinstance(genes, str):
            raise TypeError("a name is no list")
        pairs = genes.items() if isinstance(genes, Mapping) else genes
        weighed = dict((pair, 1.0) if isinstance(pair, str) else pair for pair in pairs)
        importance = {str(gene): float(weight) for gene, weight in weighed.items()}
    except (ValueError, TypeError):
        message = f"{str(genes)[:40]!r} ... is no list of targets; expected [('GENE', importance), ...]."
        raise KnockoutError(message, where=where) from None
    for gene, weight in importance.items():
        if not math.isfinite(weight):
            raise KnockoutError(f"the importance of {gene} is {weight}.", where=where)
    return importance


def read_regulons(path: Path) -> Network | None:
    """Return regulons as edges with their importance, each pair once; None if the file has no lists of targets.

    Raises
    ------
    KnockoutError
        If the lists have no TF, or one cannot be read.
    """
    if suffix_of(path):
        return _network(path, _gene_sets(path), "regulons by name; where they hold no importance, an edge weighs 1")
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


def _importance(path: Path, line: int, text: str) -> Mapping[str, float]:
    """Return the importance of each target of a list as Python writes it; 1 where the list has names alone."""
    try:
        value: Any = ast.literal_eval(NUMPY.sub(r"\1", FROZEN.sub(r"\1", text)))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        value = None
    return _importance_of(text if value is None else value, f"{path}, row {line}")


def _network(path: Path, regulons: Iterable[GeneSet], note: str) -> Network:
    best: dict[tuple[str, str], tuple[float, int]] = {}
    for line, name, importance in regulons:
        tf = SIGN.sub("", name.strip())
        for target, weight in importance.items():
            if weight > best.get((tf, target), (-math.inf, 0))[0]:
                best[tf, target] = weight, line
    if not best:
        raise KnockoutError("no regulon has a target.", where=str(path))
    lines = tuple(line for _, line in best.values())
    rows = tuple((tf, target, repr(weight)) for (tf, target), (weight, _) in best.items())
    tfs, targets, weights = Table(path, ("TF", "target", "importance"), lines, rows).columns
    return Network(path, tfs, targets, False, (note,), (weights,))
