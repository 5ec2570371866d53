import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from components.core.dataset import PSEUDOTIME
from components.core.errors import KnockoutError
from components.data import readers
from components.data.prepare.prepare import LabFiles, Prepared, PrepareSettings, prepare
from components.data.simulator import SimulatorSettings, simulate

GSD = Path(__file__).parents[3] / "shared" / "data" / "beeline" / "example" / "GSD"
GENES = ("Sox2", "GATA4", "A", "B", "C", "D", "E")
EDGES = ("SOX2,A", "SOX2,B", "GATA4,C", "GATA4,A")


@pytest.fixture
def counts() -> np.ndarray:
    """Raw counts ``[genes, cells]``; the genes A to E vary more and more."""
    rng = np.random.default_rng(0)
    spread = np.array([20, 20, 1, 4, 9, 16, 25])[:, None]
    return 50 + spread * rng.integers(-2, 3, size=(len(GENES), 12)).cumsum(axis=0) % 49


@pytest.fixture
def lab(tmp_path: Path) -> Callable[..., Path]:
    """Write expression ``[genes, cells]`` as CSV."""

    def write(values: np.ndarray, genes: Sequence[str] = GENES, name: str = "cells.csv") -> Path:
        cells = [f"c{i}" for i in range(values.shape[1])]
        pd.DataFrame(values, index=pd.Index(genes), columns=cells).to_csv(tmp_path / name)
        return tmp_path / name

    return write


@pytest.fixture
def prepare_lab(lab: Callable[..., Path], counts: np.ndarray, tmp_path: Path) -> Callable[..., Prepared]:
    """Prepare the small files of a lab, with the changes of a test."""

    def run(
        values: np.ndarray | None = None,
        rows: Sequence[str] = GENES,
        edges: Sequence[str] = EDGES,
        *,
        header: str = "Gene1,Gene2",
        source: Path | None = None,
        to: str = "made",
        overwrite: bool = False,
        beside: dict[str, str] | None = None,
        **settings: object,
    ) -> Prepared:
        (tmp_path / "net.csv").write_text("\n".join([header, *edges]).strip() + "\n")
        others = {}
        for kind, text in (beside or {}).items():
            others[kind] = tmp_path / f"{kind}.csv"
            others[kind].write_text(text)
        source = source or lab(counts if values is None else values, rows)
        files = LabFiles(source, tmp_path / "net.csv", **others)
        return prepare(files, tmp_path / to, PrepareSettings(**settings), overwrite=overwrite)

    return run


def balanced(prepared: Prepared) -> None:
    """Check that everything read is kept or dropped with a recorded reason."""
    summary = json.loads((prepared.folder / "summary.json").read_text())
    dropped = pd.read_csv(prepared.folder / "dropped.csv", keep_default_na=False)
    for kind in ("genes", "cells", "TFs", "edges"):
        counted = summary[kind]
        assert counted["read"] == counted["kept"] + sum(counted["dropped"].values())
        assert (dropped["what"] == kind.removesuffix("s")).sum() == sum(counted["dropped"].values())
    assert dropped["reason"].ne("").all()
    data = readers.read(prepared.folder)
    sizes = {"genes": data.n_genes, "cells": data.n_cells, "TFs": len(data.tfs), "edges": len(data.edges)}
    assert {kind: summary[kind]["kept"] for kind in sizes} == sizes


def names(prepared: Prepared, kind: str, reason: str) -> list[str]:
    return [name for of, name, why in prepared.account.dropped if of == kind and reason in why]


def edges_of(prepared: Prepared) -> set[tuple[str, str]]:
    genes = prepared.dataset.genes
    return {(genes[tf], genes[target]) for tf, target in prepared.dataset.edges}


def test_beelines_example_loses_its_self_edges_and_duplicates(tmp_path: Path):
    if not GSD.is_dir():
        pytest.skip(f"BEELINE's example is not here: {GSD}")
    prepared = prepare(LabFiles(GSD), tmp_path / "GSD")
    balanced(prepared)
    assert prepared.account.read["edges"] == 86
    assert len(names(prepared, "edges", "stands twice")) + len(names(prepared, "edges", "self-edge")) == 10
    network = pd.read_csv(GSD / "GroundTruthNetwork.csv")
    distinct = set(zip(network["Gene1"], network["Gene2"], strict=True))
    assert len(distinct) == 79
    assert edges_of(prepared) == {edge for edge in distinct if edge[0] != edge[1]}
    read = pd.read_csv(GSD / "ex1" / "ExpressionData.csv", index_col=0)
    assert prepared.dataset.genes == tuple(read.index)
    np.testing.assert_array_equal(prepared.dataset.expression, read.to_numpy(np.float32))
    header = (tmp_path / "GSD" / "BL--ExpressionData.csv").open().readline().strip()
    assert header.split(",")[1:] == list(read.columns)
    assert any("no TF list" in note for note in prepared.summary["notes"])


def test_the_rule_makes_the_published_500_of_the_published_1000(tmp_path: Path):
    larger, published = (GSD.parents[1] / "STRING" / "mDC" / f"TFs+{n}" for n in (1000, 500))
    if not (larger.is_dir() and published.is_dir()):
        pytest.skip(f"the published sets are not here: {larger}")
    prepared = prepare(LabFiles(larger, tfs=larger / "TF.csv"), tmp_path / "mDC")
    expected = readers.read(published)
    assert set(prepared.dataset.genes) == set(expected.genes)
    assert edges_of(prepared) == {(expected.genes[tf], expected.genes[target]) for tf, target in expected.edges}
    tfs = {prepared.dataset.genes[tf] for tf in prepared.dataset.tfs}
    assert tfs == {expected.genes[tf] for tf in expected.tfs}


def test_raw_counts_are_scaled_to_the_median_cell_and_logged(prepare_lab: Callable[..., Prepared], counts: np.ndarray):
    prepared = prepare_lab()
    balanced(prepared)
    totals = counts.sum(axis=0)
    expected = np.log2(1 + counts * np.median(totals) / totals)
    np.testing.assert_allclose(prepared.dataset.expression, expected, rtol=1e-6)
    assert "raw counts" in prepared.summary["values"] and "whole numbers" in prepared.summary["values"]
    scaled = prepare_lab(to="scaled", library_size=1e4)
    np.testing.assert_allclose(np.expm1(scaled.dataset.expression * np.log(2)).sum(axis=0), 1e4, rtol=1e-5)


def test_log_values_stay_as_they_are(prepare_lab: Callable[..., Prepared], counts: np.ndarray):
    logged = np.log1p(counts).astype(np.float32)
    prepared = prepare_lab(logged)
    np.testing.assert_array_equal(prepared.dataset.expression, logged)
    assert "kept as they are" in prepared.summary["values"]
    declared = prepare_lab(logged, to="said", counts="log")
    assert "as --counts says" in declared.summary["values"]


def test_values_without_a_logarithm_are_converted_and_reported(prepare_lab: Callable[..., Prepared]):
    tpm = np.random.default_rng(1).random((len(GENES), 5)) * 1e4
    prepared = prepare_lab(tpm)
    assert "values without a logarithm, scaled to" in prepared.summary["values"]
    assert "exceeds 20" in prepared.summary["values"] and prepared.dataset.expression.max() < 20
    assert "raw counts" in prepare_lab(tpm, counts="raw", to="raw").summary["values"]
    with pytest.raises(KnockoutError, match="these are values without a logarithm; leave out --counts log"):
        prepare_lab(tpm, counts="log", to="log")


def test_log_declared_of_raw_counts_is_refused(prepare_lab: Callable[..., Prepared]):
    with pytest.raises(KnockoutError, match="these are raw counts"):
        prepare_lab(counts="log")


def test_genes_and_cells_that_show_too_little_are_dropped(prepare_lab: Callable[..., Prepared], counts: np.ndarray):
    counts[2, 1:] = 0  # A: in 1 of 11 cells, fewer than 10 %
    counts[3] = 0
    counts[:, 0] = 0
    counts[2, 1] = 9
    prepared = prepare_lab(counts, edges=["SOX2,A", "SOX2,B", "GATA4,C", "GATA4,D"])
    balanced(prepared)
    assert names(prepared, "cells", "no value above 0") == ["c0"]
    assert names(prepared, "genes", "fewer than 10 %") == ["A"]
    assert names(prepared, "genes", "no cell") == ["B"]
    assert names(prepared, "edges", "target dropped") == ["SOX2 -> A", "SOX2 -> B"]
    assert names(prepare_lab(counts, to="all", min_cells_share=0.0), "genes", "") == ["B"]


def test_a_gene_in_exactly_the_share_of_cells_stays(prepare_lab: Callable[..., Prepared]):
    values = np.random.default_rng(0).integers(1, 9, size=(len(GENES), 30))
    values[2, 3:] = 0
    assert "A" in prepare_lab(values, min_cells_share=0.1).dataset.genes


def test_a_gene_that_is_the_same_everywhere_is_dropped(prepare_lab: Callable[..., Prepared], counts: np.ndarray):
    logged = np.log1p(counts)
    logged[6] = 1.5
    assert names(prepare_lab(logged), "genes", "same value in every cell") == ["E"]


def test_all_tfs_stay_and_the_others_by_variance(prepare_lab: Callable[..., Prepared]):
    still, wild = [1.0, 1.1, 1.0, 1.1], [0.5, 3.5, 0.5, 3.5]
    middle = [1.0, 2.0, 1.0, 2.0]
    values = np.array([still, still, wild, middle, still, wild, middle])
    prepared = prepare_lab(values, genes=2)
    balanced(prepared)
    assert prepared.dataset.genes == ("Sox2", "GATA4", "A", "D")
    assert names(prepared, "genes", "not among the 2 most variable") == ["B", "C", "E"]
    assert prepare_lab(values, to="ties", genes=3).dataset.genes == ("Sox2", "GATA4", "A", "B", "D")


def test_beelines_own_rule_with_a_gene_ordering(prepare_lab: Callable[..., Prepared], counts: np.ndarray):
    ordering = ",VGAMpValue,Variance\nSox2,1e-9,1\nGATA4,0.002,9\nA,0.001,5\nB,0.0009,4\nC,0,6\nX,0,99\nE,NA,7\n"
    prepared = prepare_lab(counts, edges=["SOX2,A", "SOX2,C", "GATA4,C"], genes=2, beside={"gene_ordering": ordering})
    balanced(prepared)
    assert prepared.dataset.genes == ("Sox2", "A", "C")  # 6 genes tested: p below .01/6; A before B by variance
    assert names(prepared, "TFs", "corrected p") == ["GATA4"]
    assert names(prepared, "genes", "gene ordering") == ["D"]
    assert names(prepared, "genes", "corrected p") == ["GATA4", "E"]
    assert any("1 of 7 genes of the gene ordering" in note for note in prepared.summary["notes"])


def test_a_tf_list_counts_and_edges_of_others_are_dropped(prepare_lab: Callable[..., Prepared]):
    beside = {"tfs": "TF\nSOX2\nB\nNANOG\nSox2\n"}
    prepared = prepare_lab(edges=[*EDGES, "NANOG,A"], beside=beside)
    balanced(prepared)
    assert [prepared.dataset.genes[tf] for tf in prepared.dataset.tfs] == ["Sox2", "B"]
    assert names(prepared, "TFs", "not in the expression") == ["NANOG"]
    assert names(prepared, "TFs", "spelled differently") == ["Sox2"]
    assert names(prepared, "edges", "not in the TF list") == ["GATA4 -> C", "GATA4 -> A"]
    assert prepared.summary["network symbols not in the expression, with their edges"] == {"NANOG": 1}


@pytest.mark.parametrize(
    "header", ["TF,Target", "regulator,target", "source,target", "Gene1,Gene2", "from here,to there"]
)
def test_networks_of_any_header_are_read(prepare_lab: Callable[..., Prepared], header: str):
    prepared = prepare_lab(header=header)
    assert edges_of(prepared) == {("Sox2", "A"), ("Sox2", "B"), ("GATA4", "C"), ("GATA4", "A")}
    assert any("taken as" in note for note in prepared.summary["notes"]) == (header == "from here,to there")


def test_a_network_without_header_loses_no_edge(prepare_lab: Callable[..., Prepared]):
    prepared = prepare_lab(header=EDGES[0], edges=EDGES[1:])
    assert len(prepared.dataset.edges) == 4 and any("no header" in note for note in prepared.summary["notes"])


def test_names_are_matched_without_case_and_spelled_as_in_the_expression(prepare_lab: Callable[..., Prepared]):
    prepared = prepare_lab(edges=[*EDGES, "Sox2,a", "sox2,D"])
    balanced(prepared)
    assert ("Sox2", "D") in edges_of(prepared) and names(prepared, "edges", "stands twice") == ["Sox2 -> a"]
    assert any("matched by case" in note and "SOX2 = Sox2" in note for note in prepared.summary["notes"])


def test_names_that_differ_in_case_alone_are_not_guessed(prepare_lab: Callable[..., Prepared]):
    genes = ("Sox2", "GATA4", "A", "B", "C", "SOX2", "E")
    prepared = prepare_lab(None, genes, ["sox2,A", "GATA4,C", "GATA4,A"])
    balanced(prepared)
    assert names(prepared, "edges", "more than one gene") == ["sox2 -> A"]
    assert names(prepared, "TFs", "more than one gene") == ["sox2"]


def test_of_rows_with_one_name_the_highest_stays(prepare_lab: Callable[..., Prepared], counts: np.ndarray):
    counts[4] = counts[2] * 3
    prepared = prepare_lab(counts, ("Sox2", "GATA4", "A", "B", " A ", "C", ""))
    balanced(prepared)
    assert names(prepared, "genes", "same name") == ["A"] and names(prepared, "genes", "no name") == [""]
    expected = np.log2(1 + counts[4] * np.median(counts.sum(axis=0)) / counts.sum(axis=0))
    np.testing.assert_allclose(prepared.dataset.expression[prepared.dataset.genes.index("A")], expected, rtol=1e-6)


def test_dates_and_numbers_are_reported_and_repaired_only_if_asked_for(prepare_lab: Callable[..., Prepared]):
    genes = ("Sox2", "GATA4", "A", "7-Sep", "C", "1-Mar", "44440")
    edges = ["SOX2,A", "SOX2,SEPT7", "GATA4,C"]
    left = prepare_lab(None, genes, edges)
    notes = " ".join(left.summary["notes"])
    assert "7-Sep = SEPTIN7/SEPT7" in notes and "44440" in notes and "7-Sep" in left.dataset.genes
    repaired = prepare_lab(None, genes, edges, to="repaired", repair_dates=True)
    balanced(repaired)
    assert ("Sox2", "SEPT7") in edges_of(repaired)
    assert {"1-Mar", "44440"} <= set(repaired.dataset.genes)
    table = pd.read_csv(repaired.folder / "symbols.csv", keep_default_na=False).set_index("name")
    assert table.loc["7-Sep", "symbol"] == "SEPT7" and "repaired" in table.loc["7-Sep", "remark"]
    assert table.loc["1-Mar", "symbol"] == "MARCHF1/MARCH1 or MTARC1/MARC1"


def test_synonyms_are_applied_and_reported(prepare_lab: Callable[..., Prepared]):
    edges = [*EDGES, "OCT4,A", "X1,B"]
    assert names(prepare_lab(edges=edges), "edges", "regulator not in the expression") == ["OCT4 -> A", "X1 -> B"]
    beside = {"synonyms": "alias,symbol\nOCT4,POU5F1\nD,POU5F1\nX1,E\nX1,C\n"}
    prepared = prepare_lab(edges=edges, beside=beside, to="with")
    assert ("D", "A") in edges_of(prepared)
    notes = " ".join(prepared.summary["notes"])
    assert "OCT4 = D" in notes and "alias of more than one symbol" in notes
    assert names(prepared, "edges", "regulator not in the expression") == ["X1 -> B"]


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        (["X,Y", "Y,Z"], r"0 of 2 TFs are left.*2 not in the expression.*X, Y, Z.*Sox2, GATA4"),
        (["SOX2,X", "SOX2,SOX2"], r"0 of 2 edges are left, at least 2 needed: 1 target not.*1 self-edge"),
        (["SOX2,A", "SOX2,A"], r"1 of 2 edges are left.*1 stands twice"),
        ([], r"no edge"),
    ],
)
def test_a_network_of_which_nothing_is_left_is_refused(
    prepare_lab: Callable[..., Prepared], tmp_path: Path, edges, message
):
    with pytest.raises(KnockoutError, match=rf"net\.csv.*{message}"):
        prepare_lab(edges=edges)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cells.csv", "net.csv"]


@pytest.mark.parametrize(
    ("value", "message"),
    [(-1.0, r"gene 'A', cell 'c1'.*0 or more"), (np.nan, r"row 4.*gene 'A', cell 'c1'.*missing"), (np.inf, "finite")],
)
def test_values_that_no_expression_has_are_refused(
    prepare_lab: Callable[..., Prepared], counts: np.ndarray, value, message
):
    values = counts.astype(float)
    values[2, 1] = value
    with pytest.raises(KnockoutError, match=message):
        prepare_lab(values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (",c0,c1\nA,1,x\nB,1,2\n", r"row 2: gene 'A', cell 'c1': value 'x' is not a number"),
        (",c0,c1\nA,1,2\nB,1\n", r"row 3: 2 values, but the header has 3"),
        (",c0,c1\nA,1,2,3\nB,1,2,3\n", r"row 2: 4 values, but the header has 3"),
        (",c0\nA,1\n", r"1 cell\(s\)"),
        (",c0,c1\n", r"no genes"),
    ],
)
def test_a_faulty_csv_is_refused_with_its_place(
    prepare_lab: Callable[..., Prepared], tmp_path: Path, text: str, message: str
):
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(KnockoutError, match=rf"bad\.csv.*{message}"):
        prepare_lab(source=tmp_path / "bad.csv")


def test_an_occupied_folder_is_refused_or_replaced(prepare_lab: Callable[..., Prepared], tmp_path: Path):
    first = prepare_lab()
    with pytest.raises(KnockoutError, match="--overwrite"):
        prepare_lab()
    assert prepare_lab(genes=1, overwrite=True).dataset.n_genes < first.dataset.n_genes
    (tmp_path / "made" / "notes.txt").write_text("mine")
    with pytest.raises(KnockoutError, match=r"notes\.txt"):
        prepare_lab(overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cells.csv", "made", "net.csv"]


def test_a_write_that_fails_leaves_what_was_there(prepare_lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    before = prepare_lab().dataset.digest

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("components.data.prepare.record.read", fail)
    with pytest.raises(KnockoutError, match="No space left"):
        prepare_lab(genes=1, overwrite=True)
    assert readers.read(tmp_path / "made").digest == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cells.csv", "made", "net.csv"]


@pytest.fixture
def h5ad(counts: np.ndarray, tmp_path: Path) -> Callable[..., Path]:
    anndata = pytest.importorskip("anndata", reason="reading .h5ad is an optional extra: pip install 'knockout[h5ad]'")

    def write(kind: Callable[[np.ndarray], object] = np.asarray, genes: Sequence[str] = GENES) -> Path:
        data = anndata.AnnData(kind(np.log1p(counts.T).astype(np.float32)))
        data.var_names, data.obs_names = list(genes), [f"c{i}" for i in range(counts.shape[1])]
        data.var["feature_name"] = list(GENES)
        data.raw = data.copy()
        data.layers["counts"] = kind(counts.T.astype(np.float32))
        data.layers["scaled"] = counts.T - counts.mean(axis=1)
        data.write_h5ad(tmp_path / "cells.h5ad")
        return tmp_path / "cells.h5ad"

    return write


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_matrix], ids=["dense", "csr", "csc"])
def test_h5ad_gives_what_csv_gives(prepare_lab: Callable[..., Prepared], h5ad: Callable[..., Path], kind):
    path = h5ad(kind)
    layer = prepare_lab(source=path, layer="counts", to="layer")
    balanced(layer)
    assert layer.dataset.digest == prepare_lab(to="csv").dataset.digest
    assert "log values" in prepare_lab(source=path, to="x").summary["values"]
    assert (
        prepare_lab(source=path, to="raw", layer="raw").dataset.digest
        == readers.read(prepare_lab(source=path, to="y").folder).digest
    )


def test_wrong_layers_are_refused(prepare_lab: Callable[..., Prepared], h5ad: Callable[..., Path], lab, counts):
    path = h5ad()
    with pytest.raises(KnockoutError, match=r"unknown layer 'count'. Did you mean 'counts'\? Known: X, raw, counts"):
        prepare_lab(source=path, layer="count")
    with pytest.raises(KnockoutError, match=r"Scaled values cannot be used.*--layer X or raw or counts"):
        prepare_lab(source=path, layer="scaled")
    with pytest.raises(KnockoutError, match="there is no layer 'counts' in a CSV file"):
        prepare_lab(source=lab(counts), layer="counts")


def test_symbols_in_a_column_of_var_are_pointed_out_and_read(
    prepare_lab: Callable[..., Prepared], h5ad: Callable[..., Path]
):
    path = h5ad(genes=[f"ENSG{i:011d}" for i in range(len(GENES))])
    with pytest.raises(KnockoutError, match="--gene-column feature_name"):
        prepare_lab(source=path)
    assert prepare_lab(source=path, gene_column="feature_name").dataset.genes == GENES
    with pytest.raises(KnockoutError, match=r"'feature_nam'. Did you mean 'feature_name'"):
        prepare_lab(source=path, gene_column="feature_nam", to="other")


def test_the_command_makes_what_data_check_takes(knockout, lab, tmp_path: Path):
    drawn = simulate(SimulatorSettings(genes=64, tfs=8, cells=40))
    edges = [f"{drawn.genes[tf]},{drawn.genes[target]}" for tf, target in drawn.edges]
    (tmp_path / "net.csv").write_text("\n".join(["TF,Target", *edges]))
    source = lab(drawn.expression, drawn.genes)
    options = ["--network", tmp_path / "net.csv", "--to", tmp_path / "root", "--min-cells-share", "0"]
    completed = knockout("data", "prepare", source, *options, "--name", "mine", "--cell", "mDC")
    assert completed.code == 0, completed.err
    for words in ("mine/mDC/TFs+500: 64 genes x 40 cells", "kept as they are", "next: knockout data check"):
        assert words in completed.out
    np.testing.assert_array_equal(readers.read(tmp_path / "root/mine/mDC/TFs+500").expression, drawn.expression)
    checked = knockout("data", "check", tmp_path / "root")
    assert checked.code == 0 and "mine/mDC/TFs+500" in checked.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--genes", "-1"], "genes"),
        (["--genes", "many"], "--genes"),
        (["--counts", "rwa"], "'raw'"),
        (["--min-cells-share", "10"], "min_cells_share"),
        (["--name", "mine"], "--cell"),
        (["--name", "a/b", "--cell", "c"], "--name"),
        (["--p-value", "0.05"], "--gene-ordering"),
        (["--network", "nowhere.csv"], "nowhere.csv: no such file"),
        (["--tfs", "nowhere.csv"], "nowhere.csv: no such file"),
        (["--tsf", "x"], "--tsf"),
    ],
    ids=" ".join,
)
def test_wrong_options_end_with_exit_code_2(knockout, lab, counts, tmp_path: Path, arguments: list[str], message: str):
    (tmp_path / "net.csv").write_text("\n".join(["TF,Target", *EDGES]))
    given = ["--network", tmp_path / "net.csv"] if "--network" not in arguments else []
    completed = knockout("data", "prepare", lab(counts), *given, "--to", tmp_path / "made", *arguments)
    assert completed.code == 2 and message in completed.err and "Traceback" not in completed.err
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", ["cell.csv", "empty", "two"])
def test_an_input_that_is_not_there_or_not_one_is_refused(knockout, lab, counts, tmp_path: Path, name: str):
    (tmp_path / "empty").mkdir()
    for place in ("one", "other"):
        (tmp_path / "two" / place).mkdir(parents=True)
        lab(counts, name=f"two/{place}/ExpressionData.csv")
    lab(counts)
    completed = knockout("data", "prepare", tmp_path / name, "--to", tmp_path / "made")
    messages = {"cell.csv": "Did you mean 'cells.csv'", "empty": "no ExpressionData.csv", "two": "choose one of one/"}
    assert completed.code == 2 and messages[name] in completed.err


def test_a_pseudotime_beside_the_expression_goes_along_with_the_cells_that_stay(
    prepare_lab: Callable[..., Prepared], lab: Callable[..., Path], counts: np.ndarray
):
    counts[:, 3] = 0  # an empty cell, which is dropped
    source = lab(counts)
    rows = [f"c{cell},{cell / 7 if cell != 5 else 'NA'}" for cell in range(counts.shape[1])]
    (source.parent / PSEUDOTIME).write_text("\n".join([",PseudoTime", *rows]) + "\n")
    prepared = prepare_lab(source=source)
    times = readers.read(prepared.folder).pseudotime
    assert times is not None
    np.testing.assert_allclose(times[:, 0], [cell / 7 if cell != 5 else np.nan for cell in range(12) if cell != 3])
    assert "PseudoTime.csv" in (prepared.folder / "summary.json").read_text()
    (source.parent / PSEUDOTIME).unlink()
    assert readers.read(prepare_lab(source=source, overwrite=True).folder).pseudotime is None
