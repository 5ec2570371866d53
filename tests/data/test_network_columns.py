import gzip
from pathlib import Path

import pytest

from components.core.errors import KnockoutError
from components.tables.features import read_features
from components.tables.network import read_network
from components.tables.tfs import tf_list
from components.tables.titles import role_of

EDGES = [(f"TF{tf}", f"G{target}") for tf in range(1, 5) for target in range(1, 13)]
GENES = {name for edge in EDGES for name in edge}


@pytest.fixture
def network(tmp_path: Path):
    """Read a table of the edges: one row each, as a function of regulator, target and its number writes it."""

    def read(header: str, row, tfs=(), *, genes=GENES, edges=EDGES, name: str = "net.csv"):
        text = "\n".join([*([header] if header else []), *(row(a, b, i) for i, (a, b) in enumerate(edges))])
        content = gzip.compress(text.encode()) if name.endswith(".gz") else text.encode()
        (tmp_path / name).write_bytes(content)
        return read_network(tmp_path / name, genes, tfs)

    return read


KNOWN = {
    "Gene,Regulator": lambda a, b, i: f"{b},{a}",
    "Target,TF": lambda a, b, i: f"{b},{a}",
    "target_symbol,TF": lambda a, b, i: f"{b},{a}",
    "Target gene,Transcription factor": lambda a, b, i: f"{b},{a}",
    "TARGET.GENE,something": lambda a, b, i: f"{b},{a}",
    "something,regulator": lambda a, b, i: f"{b},{a}",
    "to,from": lambda a, b, i: f"{b},{a}",
    "Gene2,Gene1": lambda a, b, i: f"{b},{a}",
    "id,source,target_gene_name": lambda a, b, i: f"{b},{a},{b}",
    "regulator_symbol,regulator_id,target_symbol,target_id": lambda a, b, i: f"{a},{i},{b},{i + 9}",
    ",source,target,source_genesymbol,target_genesymbol,is_directed": lambda a, b, i: f"{i},P{i},Q{i},{a},{b},1",
    ",source,target,weight,resources": lambda a, b, i: f'{i},{a},{b},-1,"DoRothEA-A;TRRUST"',
    "UniprotID.TF,UniprotID.Target,Name.TF,Name.Target,Source.database": lambda a, b, i: f"P1,P2,{a},{b},GTRD",
    "target,TF,source": lambda a, b, i: f"{b},{a},TRRUST",
    "score;target_genesymbol;tf": lambda a, b, i: f"0,5;{b};{a}",
    "TF\ttarget\timportance": lambda a, b, i: f"{a}\t{b}\t{i}.5",
    "target regulator score": lambda a, b, i: f"{b} {a}  {i}",
    '"target","tf"': lambda a, b, i: f'"{i + 1}","{b}","{a}"',  # as R writes row names
}


@pytest.mark.parametrize("header", KNOWN)
@pytest.mark.parametrize("name", ["net.csv", "net.tsv.gz"])
def test_one_known_title_settles_both_roles_wherever_it_stands(network, header, name):
    read = network(header, KNOWN[header], name=name)
    assert list(zip(read.regulators.values, read.targets.values, strict=True)) == EDGES
    assert not read.guessed and not any("taken as" in note for note in read.notes)


@pytest.mark.parametrize(
    "header",
    [
        "# made 2026-01-01\n# by somebody\nTF,Target",
        "#TF,Target",
        "# two columns: regulator and target\n#TF,Target",
        "#\n\n# TF,Target",
        "# regulator, target",
    ],
)
def test_comments_before_a_table_are_left_out_and_a_header_behind_the_sign_is_read(network, header):
    read = network(header, lambda a, b, i: f"{a},{b}")
    assert list(zip(read.regulators.values, read.targets.values, strict=True)) == EDGES
    assert read.regulators.where(0).split(", column")[0].endswith(f"row {header.count(chr(10)) + 2}"), "as in the file"


def test_comments_before_a_list_of_tfs_and_before_features_are_left_out(tmp_path: Path):
    (tmp_path / "tfs.txt").write_text("# human TFs, v1.01\nTF1\nTF2\n")
    assert set(tf_list(tmp_path / "tfs.txt", sorted(GENES)).values) == {"TF1", "TF2"}
    (tmp_path / "x.csv").write_text("# embeddings\ngene,a,b\nTF1,1,2\nG1,3,4\n")
    assert read_features(tmp_path / "x.csv").names == ("TF1", "G1")


PLACED = {
    "": lambda a, b, i: f"{a}\t{b}\tActivation\t12345",  # TRRUST
    "protein1 protein2 combined_score": lambda a, b, i: f"{a} {b} 900",  # STRING
    "left,right": lambda a, b, i: f"{a},{b}",
}


@pytest.mark.parametrize("header", PLACED)
def test_roles_taken_by_place_are_stated(network, header):
    read = network(header, PLACED[header])
    assert list(zip(read.regulators.values, read.targets.values, strict=True)) == EDGES
    assert read.guessed and "are taken as regulator and target, by their place" in read.notes[0]


def test_symbols_between_identifiers_are_found_without_a_header(network):
    read = network("", lambda a, b, i: f"{a}\t{i}\t{b}\t{i + 9}")  # RegNetwork
    assert list(zip(read.regulators.values, read.targets.values, strict=True)) == EDGES


def test_a_first_row_whose_gene_has_no_expression_is_an_edge_all_the_same(network):
    read = network("", lambda a, b, i: f"{a}\t{b}\tRepression\t{i}", genes=GENES - {"TF1", "G1"})
    assert len(read.edges) == len(EDGES)


def test_columns_without_use_are_named(network):
    notes = network("TF,target,importance", lambda a, b, i: f"{a},{b},{i}").notes
    assert notes == ("not used of the network: 'importance'; every row counts as an edge, whatever they hold",)


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("A,B,C", lambda a, b, i: f"{a},{b},{a}"),
        ("TF,x,y", lambda a, b, i: f"{a},{b},{a}"),
        ("TF,regulator,target", lambda a, b, i: f"{a},{b},{b}"),
    ],
)
def test_roles_that_stay_unclear_are_refused_with_the_cure(network, header, row):
    with pytest.raises(
        KnockoutError, match=r"row 1: which column .* is unclear: .* Name the two columns TF and Target"
    ):
        network(header, row)


@pytest.mark.parametrize("header", ["TF,target", "left,right", ""])
def test_columns_that_fit_the_tfs_better_when_swapped_are_refused(network, header):
    with pytest.raises(KnockoutError, match=r"0 % of the regulators and 100 % of the targets .* look swapped"):
        network(header, lambda a, b, i: f"{b},{a}", tfs=[a.lower() for a, _ in EDGES])
    assert len(network(header, lambda a, b, i: f"{a},{b}", tfs=["TF1"]).edges) == len(EDGES)


def test_places_that_give_far_more_regulators_than_targets_are_refused(network):
    with pytest.raises(KnockoutError, match="12 regulators of 4 targets: the columns look swapped"):
        network("left,right", lambda a, b, i: f"{b},{a}")


def test_genes_called_like_titles_are_edges(network):
    edges = [("GENE1", "GENE2"), ("GENE1", "GENE3"), ("GENE4", "GENE2")]
    read = network("", lambda a, b, i: f"{a},{b}", genes={name for edge in edges for name in edge}, edges=edges)
    assert len(read.edges) == 3
    assert len(network("TF,ALB", lambda a, b, i: f"{a},{b}", genes={*GENES, "TF", "ALB"}).edges) == len(EDGES) + 1


@pytest.mark.parametrize(
    "title", ["Source.database", "is_directed", "tissue", "id", "score", "target_type", "", "PMID"]
)
def test_other_titles_have_no_meaning(title):
    assert role_of(title) is None
