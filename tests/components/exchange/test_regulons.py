"""Regulons as pySCENIC and those who save them write them."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.core.errors import KnockoutError
from components.exchange.scores import read_edges

GENES = ("SOX2", "KLF4", "MYC", "NANOG")
PAIRS = np.array([[0, 1], [0, 3], [2, 1], [2, 3]])
TARGETS = {
    "importances": "[('KLF4', 2.5), ('NANOG', 0.5), ('SOX2', 1.0)]",
    "NumPy 2": "[(np.str_('KLF4'), np.float64(2.5)), ('NANOG', np.float64(0.5)), ('SOX2', np.float64(1.0))]",
    "mapping": "frozendict({'KLF4': 2.5, 'NANOG': 0.5})",
}


def motifs(first: str) -> pd.DataFrame:
    """Return a table as ``pyscenic ctx`` makes it: a row per motif, titles in two levels, TF and motif in the index."""
    context = "frozenset({'hg38.rankings', 'activating', 'weight>75.0%'})"
    rows = [
        [0.06, 4.5, 0.0, 1.0, "gene is directly annotated", context, first, 3248],
        [0.05, 3.5, 0.0, 0.9, "gene is orthologous", context, "[('KLF4', 1.25)]", 12],
        [0.05, 3.1, 0.0, 0.9, "gene is orthologous", context, "[('KLF4', 0.75), ('GATA1', 9.0)]", 7],
    ]
    names = ["AUC", "NES", "MotifSimilarityQvalue", "OrthologousIdentity", "Annotation", "Context", "TargetGenes"]
    titles = pd.MultiIndex.from_product([["Enrichment"], [*names, "RankAtMax"]])
    index = pd.MultiIndex.from_tuples([("SOX2", "m1"), ("SOX2", "m2"), ("MYC", "m1")], names=["TF", "MotifID"])
    return pd.DataFrame(rows, index=index, columns=titles)


@pytest.mark.parametrize("first", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("name", ["reg.csv", "reg.tsv", "reg.csv.gz", "flat.csv"])
def test_motifs_are_edges_with_the_largest_importance(tmp_path: Path, first: str, name: str):
    table = motifs(first)
    if name.startswith("flat"):  # one row of titles, as after droplevel and reset_index
        table = table.droplevel(0, axis=1).reset_index()
    table.to_csv(tmp_path / name, sep="\t" if ".tsv" in name else ",", index=not name.startswith("flat"))
    edges = read_edges(tmp_path / name, GENES, ["SOX2", "MYC"])
    weights, listed = edges.lookup(PAIRS, len(GENES))
    assert weights.tolist() == [2.5, 0.5, 0.75, 0.0] and listed.tolist() == [True, True, True, False]
    said = " ".join(edges.notes)
    assert "largest importance" in said and "name genes that the data set does not have" in said


SETS = {
    "pySCENIC": "SOX2(+),,KLF4,NANOG\nMYC(-),,KLF4\n",
    "GSEA": "SOX2_extended (21g)\thttp://x\tKLF4\tNANOG\nMYC (12g)\tna\tKLF4\n",
}


@pytest.mark.parametrize("text", SETS.values(), ids=SETS)
def test_gene_sets_are_regulons_of_their_names(tmp_path: Path, text: str):
    (tmp_path / "regulons.gmt").write_text(text)
    (tmp_path / "regulons.gmt.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("regulons.gmt", "regulons.gmt.gz"):
        edges = read_edges(tmp_path / name, GENES, ["SOX2", "MYC"])
        assert edges.lookup(PAIRS, len(GENES))[0].tolist() == [1.0, 1.0, 1.0, 0.0]


def test_a_saved_table_of_regulons_is_read(tmp_path: Path):
    table = pd.DataFrame({"regulon": ["SOX2(+)", "MYC(-)"], "genes": [["KLF4", "NANOG"], ["KLF4"]]})
    table.to_csv(tmp_path / "regulons.csv")
    edges = read_edges(tmp_path / "regulons.csv", GENES)
    assert edges.lookup(PAIRS, len(GENES))[0].tolist() == [1.0, 1.0, 1.0, 0.0]


def test_a_regulon_of_many_targets_is_read(tmp_path: Path):
    motifs(str([(f"G{k}", 0.123456789012345) for k in range(9000)] + [("KLF4", 2.5)])).to_csv(tmp_path / "reg.csv")
    assert read_edges(tmp_path / "reg.csv", GENES).lookup(PAIRS, len(GENES))[0][0] == 2.5


@pytest.mark.parametrize(
    "first, index, said, where",
    [
        ("[('KLF4', 2.5)]", False, "no column of their TFs", "row 1"),
        ("[__import__('os').system('touch ran')]", True, "is no list of targets", "row 4"),
        ("[('KLF4', 1e999)]", True, "importance of KLF4 is inf", "row 4"),
        ("[('KLF4', 2.5), 3]", True, "is no list of targets", "row 4"),
    ],
)
def test_what_is_no_regulon_is_refused_with_its_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, index: bool, said: str, where: str
):
    monkeypatch.chdir(tmp_path)
    table = motifs(first)
    table.columns = table.columns if index else table.columns.droplevel(0)
    table.to_csv("reg.csv", index=index)
    with pytest.raises(KnockoutError, match=said) as refused:
        read_edges(Path("reg.csv"), GENES)
    assert where in refused.value.where and not Path("ran").exists()
