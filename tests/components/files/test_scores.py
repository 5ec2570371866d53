import gzip
from pathlib import Path

import numpy as np
import pytest

from components.core.errors import KnockoutError
from components.scorer.files.scores import read_edges, read_scores

GENES = ("SOX2", "KLF4", "MYC", "NANOG")
PAIRS = np.array([[0, 1], [0, 3], [2, 1]])


@pytest.fixture
def file(tmp_path: Path):
    def write(text: str, name: str = "edges.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode())) if name.endswith(".gz") else path.write_text(text)
        return path

    return write


FORMATS = {
    "BEELINE": ("Gene1\tGene2\tEdgeWeight\nSOX2\tKLF4\t0.5\nMYC\tKLF4\t0.25\n", "rankedEdges.csv"),
    "GRNBoost2": ("TF\ttarget\timportance\nSOX2\tKLF4\t0.5\nMYC\tKLF4\t0.25\n", "out.tsv"),
    "arboreto without titles": ("SOX2\tKLF4\t0.5\nMYC\tKLF4\t0.25\n", "out.tsv"),
    "pySCENIC": ("TF,target,importance\nSOX2,KLF4,0.5\nMYC,KLF4,0.25\n", "adj.csv.gz"),
    "CellOracle": (
        ",source,target,coef_mean,coef_abs,p,-logp\n0,SOX2,KLF4,-0.5,0.5,0.01,2\n1,MYC,KLF4,0.25,0.25,0.1,1\n",
        "links.csv",
    ),
    "other case, columns swapped": ("target,TF,weight\nKlf4,Sox2,0.5\nKlf4,Myc,0.25\n", "edges.csv"),
    "places": (",TF,Target,score\n0,0,1,0.5\n1,2,1,0.25\n", "scores.csv"),
}


@pytest.mark.parametrize("text, name", FORMATS.values(), ids=FORMATS)
def test_every_tool_s_list_is_read_as_it_is(file, text: str, name: str):
    edges = read_edges(file(text, name), GENES)
    weights, listed = edges.lookup(PAIRS, len(GENES))
    assert listed.tolist() == [True, False, True]
    # CellOracle: by coef_abs before -logp, which is less plain
    assert weights.tolist() == [0.5, 0.0, 0.25]


def test_a_list_without_weights_has_a_note(file):
    edges = read_edges(file("TF,target\nSOX2,KLF4\n"), GENES)
    assert edges.weights.tolist() == [1.0] and "every edge weighs 1" in " ".join(edges.notes)


def test_genes_that_are_not_known_are_counted_and_self_loops_left_out(file):
    edges = read_edges(file("TF,target,weight\nSOX2,KLF4,1\nSOX2,GATA1,1\nSOX2,SOX2,9\n"), GENES)
    assert edges.pairs.tolist() == [[0, 1]]
    assert "1 of 3 rows name genes that the data set does not have" in " ".join(edges.notes)


@pytest.mark.parametrize(
    "text, message",
    [
        ("TF,target,weight,other\nSOX2,KLF4,nan,1\n", "'nan' is no finite number"),
        ("TF,target,weight\nSOX2,KLF4,1\nSOX2,KLF4,2\n", "listed twice, with weights 1 and 2 (rows 2 and 3)"),
        ("TF,target,a,b\nSOX2,KLF4,1,2\n", "which column weighs the edges is unclear: 'a', 'b'"),
        ("TF,target,p\nSOX2,KLF4,0.01\n", "a p-value will not do"),
        ("TF,target,weight\nGATA1,GATA2,1\n", "no row names two genes of the data set; the first one is 'GATA1'"),
    ],
)
def test_what_cannot_be_weighed_is_refused(file, text: str, message: str):
    with pytest.raises(KnockoutError) as error:
        read_edges(file(text), GENES)
    assert message in str(error.value) and "edges.csv" in error.value.where


def test_a_column_may_be_named_and_a_wrong_name_has_the_nearest(file):
    path = file("TF,target,weight,rank\nSOX2,KLF4,1,7\n")
    assert read_edges(path, GENES, weight="rank").weights.tolist() == [7.0]
    with pytest.raises(KnockoutError, match="Did you mean 'rank'"):
        read_edges(path, GENES, weight="rnk")


@pytest.mark.parametrize("text", ["0.1\n0.2\n0.3\n", "score\n0.1\n0.2\n0.3\n"], ids=["bare", "title"])
def test_one_score_per_pair(file, text: str):
    assert read_scores(file(text), GENES, PAIRS).tolist() == [0.1, 0.2, 0.3]


@pytest.mark.parametrize("names", [True, False], ids=["names", "places"])
def test_scores_may_come_in_any_order_and_below_zero(file, names: bool):
    rows = [(2, 1, -3.0), (0, 3, -2.0), (0, 1, -1.0), (3, 0, 9.0)]
    ends = [(GENES[a], GENES[b], w) if names else (a, b, w) for a, b, w in rows]
    text = "TF,Target,score\n" + "".join(f"{a},{b},{w}\n" for a, b, w in ends)
    assert read_scores(file(text), GENES, PAIRS).tolist() == [-1.0, -2.0, -3.0]


@pytest.mark.parametrize(
    "text, message",
    [
        ("0.1\n0.2\n", "2 scores for 3 pairs"),
        ("0.1\n0.2\nx\n", "'x' is no finite number"),
        ("TF,Target,score\nSOX2,KLF4,1\n", "2 of 3 pairs have no score, such as SOX2 -> NANOG"),
        ("", "the file is empty"),
    ],
)
def test_scores_that_do_not_fit_the_pairs_are_refused(file, text: str, message: str):
    with pytest.raises(KnockoutError, match=message):
        read_scores(file(text), GENES, PAIRS)


def test_no_file_is_a_program_that_wrote_none(tmp_path: Path):
    with pytest.raises(KnockoutError, match="the program wrote no scores"):
        read_scores(tmp_path / "scores.csv", GENES, PAIRS)
