"""Regulons in the formats of pySCENIC and of tools that save them."""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from components.core.errors import KnockoutError
from components.scorer.files.scores import is_bare, read_edges

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
    notes = " ".join(edges.notes)
    assert "largest importance" in notes and "name genes that the data set does not have" in notes


SETS = {
    "ctxcore": "SOX2(+),\t,tf=SOX2,score=3.1,\tKLF4\tNANOG\nMYC(-),\t,tf=MYC,score=2.0,\tKLF4\n",
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
    "first, index, message, where",
    [
        ("[('KLF4', 2.5)]", False, "no column of their TFs", "row 1"),
        ("[__import__('os').system('touch ran')]", True, "is no list of targets", "row 4"),
        ("[('KLF4', 1e999)]", True, "importance of KLF4 is inf", "row 4"),
        ("[('KLF4', 2.5), 3]", True, "is no list of targets", "row 4"),
    ],
)
def test_what_is_no_regulon_is_refused_with_its_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, index: bool, message: str, where: str
):
    monkeypatch.chdir(tmp_path)
    table = motifs(first)
    table.columns = table.columns if index else table.columns.droplevel(0)
    table.to_csv("reg.csv", index=index)
    with pytest.raises(KnockoutError, match=message) as refused:
        read_edges(Path("reg.csv"), GENES)
    assert where in refused.value.where and not Path("ran").exists()


class Regulon:
    """A regulon of ctxcore, as far as its YAML goes."""

    def __init__(self, name: str, weights: dict[str, float]) -> None:
        self.name, self.weights = name, weights


def saved(dumper: yaml.Dumper, regulon: Regulon) -> yaml.Node:
    """Represent a regulon as ctxcore does; the score, a number of NumPy, is pickled."""
    content = {
        "name": regulon.name,
        "genes": list(regulon.weights),
        "weights": list(regulon.weights.values()),
        "score": np.float64(3.1),
        "context": ["activating", "m1.png"],
        "transcription_factor": regulon.name.partition("(")[0],
    }
    return dumper.represent_mapping("!Regulon", content, flow_style=True)


@pytest.mark.parametrize("number", [float, np.float64, np.float32])
@pytest.mark.parametrize("name", ["regulons.yaml", "regulons.yml.gz"])
def test_saved_regulons_keep_their_importance(tmp_path: Path, name: str, number: type):
    class Dumper(yaml.Dumper):
        pass

    Dumper.add_representer(Regulon, saved)
    regulons = [Regulon("SOX2(+)", {"KLF4": number(2.5), "NANOG": number(0.5)}), Regulon("MYC(-)", {"KLF4": number(1)})]
    text = yaml.dump(regulons, default_flow_style=False, Dumper=Dumper)
    assert text.startswith("- !Regulon {") and ("numpy" in text)
    (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    edges = read_edges(tmp_path / name, GENES, ["SOX2", "MYC"])
    assert edges.lookup(PAIRS, len(GENES))[0].tolist() == [2.5, 0.5, 1.0, 0.0]


def test_names_with_targets_are_regulons(tmp_path: Path):
    (tmp_path / "reg.json").write_text(json.dumps({"SOX2(+)": ["KLF4"], "MYC(-)": ["KLF4", "GATA1"]}))
    edges = read_edges(tmp_path / "reg.json", GENES, ["SOX2", "MYC"])
    assert edges.lookup(PAIRS, len(GENES))[0].tolist() == [1.0, 0.0, 1.0, 0.0]
    (tmp_path / "one.json").write_text('{"SOX2(+)": ["KLF4"]}')  # one column, and yet no list of bare scores
    assert not is_bare(tmp_path / "one.json")


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("reg.json", '{"SOX2(+)": ["KLF4"', "not readable"),
        ("reg.json", '{"SOX2(+)": "KLF4"}', "is no list of targets"),
        ("reg.json", '[{"tf": "SOX2"}]', "no name with its genes"),
        ("reg.yaml", "- !Regulon {name: SOX2, genes: [KLF4, MYC], weights: [1.0]}", "1 weights for 2 genes"),
        ("reg.yaml", "- !Regulon {name: SOX2, genes: [KLF4], weights: [.inf]}", "importance of KLF4 is inf"),
        ("reg.yaml", "!!python/object/apply:os.system ['touch ran']", "not readable"),
        ("reg.yaml", "3", "no name with its genes"),
    ],
)
def test_a_file_of_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, message: str
):
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(text)
    with pytest.raises(KnockoutError, match=message) as refused:
        read_edges(Path(name), GENES)
    assert name in refused.value.where and not Path("ran").exists()
