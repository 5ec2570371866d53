"""Files of named gene sets, as ``pyscenic ctx`` writes regulons in place of ``reg.csv``: GMT, JSON, YAML.

Source: pySCENIC (``pyscenic.cli.utils.save_enriched_motifs``) and ctxcore (``genesig``): GMT has commas around its
tabs, JSON is ``{"SOX2(+)": ["KLF4", ...]}``, YAML a list of ``!Regulon {name, genes, weights, ...}``.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import yaml

from components.core.errors import KnockoutError
from components.tables.csvfile import text_of

GeneSet: TypeAlias = tuple[int, str, Mapping[str, float]]  # place in the file, name, importance of each gene

SUFFIXES = (".gmt", ".json", ".yaml", ".yml")
EXPECTED = 'expected {"SOX2(+)": ["KLF4", ...]}, or the YAML of `pyscenic ctx`'


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads regulons as mappings and NumPy's numbers; no other object, and none is made by name."""


def _mapping(loader: Any, node: Any) -> dict[str, Any]:
    return dict(loader.construct_mapping(node, deep=True))


def _number(loader: Any, _: str, node: Any) -> float | None:
    """Return a number that NumPy pickled into YAML: its type, then its bytes; None for the type."""
    if not isinstance(node, yaml.SequenceNode):
        return None
    content = loader.construct_object(node.value[-1], deep=True)
    return float(np.frombuffer(content, f"<f{len(content)}")[0])


for tag in ("!Regulon", "!GeneSignature"):
    _Loader.add_constructor(tag, _mapping)
_Loader.add_multi_constructor("tag:yaml.org,2002:python/object/apply:numpy", _number)


def suffix_of(path: Path) -> str:
    """Return which of :data:`SUFFIXES` a file has, plain or gzip; empty if none."""
    name = path.name.lower().removesuffix(".gz")
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), "")


def read_gene_sets(path: Path) -> Iterator[GeneSet]:
    """Yield the sets of a file of one of :data:`SUFFIXES`; names alone weigh 1.

    Raises
    ------
    KnockoutError
        If the file is damaged, or holds something else.
    """
    if suffix_of(path) == ".gmt":
        yield from _gmt(path)
        return
    try:
        value = json.loads(text_of(path)) if suffix_of(path) == ".json" else yaml.load(text_of(path), _Loader)
    except (ValueError, TypeError, yaml.YAMLError, RecursionError) as error:
        raise KnockoutError(f"not readable: {str(error).splitlines()[0]}; {EXPECTED}.", where=str(path)) from None
    for place, (name, genes) in enumerate(_named(value, path), start=1):
        yield place, name, importance_of(genes, f"{path}, regulon {place}")


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


def importance_of(genes: Any, where: str) -> Mapping[str, float]:
    """Return the importance of each gene of a list of names, of pairs of name and importance, or of a mapping.

    Raises
    ------
    KnockoutError
        If it is something else, or an importance is no finite number.
    """
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
