import os
import sys

import numpy as np
import pytest
from scipy import sparse

from components.core.errors import KnockoutError
from components.data import h5ad
from components.data.readers import read
from components.data.simulator import SimulatorSettings, simulate

anndata = pytest.importorskip("anndata", reason="reading .h5ad is an optional extra: pip install 'knockout[h5ad]'")


@pytest.fixture
def write(small, tmp_path):
    def write_h5ad(matrix=None, genes=small.genes, kind=np.asarray):
        values = small.expression.T if matrix is None else matrix
        data = anndata.AnnData(kind(values))
        data.var_names = list(genes)
        data.obs_names = [f"cell_{cell}" for cell in range(values.shape[0])]
        data.write_h5ad(tmp_path / "study.h5ad")
        return tmp_path / "study.h5ad"

    return write_h5ad


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_matrix], ids=["dense", "csr", "csc"])
def test_dense_and_sparse_files_read_alike(write, small, network_csv, same, kind):
    dataset = read(write(kind=kind), network_file=network_csv)
    same(dataset, small)
    assert (dataset.name, dataset.block, dataset.network) == ("study", "study", "edges")


@pytest.mark.parametrize(
    ("columns", "read_as"),
    [
        ({"dpt_pseudotime": [0.5, np.inf, 1.5], "pseudotime": [9, 9, 8]}, [0.5, np.nan, 1.5]),
        ({"pseudotime": [3, 2, 1]}, [3, 2, 1]),
        ({"pseudotime": ["late", "early", "late"]}, None),
        ({"pseudotime": [1, 1, 1]}, None),
        ({"batch": [1, 2, 3]}, None),
    ],
    ids=["scanpy", "another tool", "words", "one time", "none"],
)
def test_pseudotime_is_read_where_a_tool_has_written_it(tmp_path, columns, read_as):
    data = anndata.AnnData(np.ones((3, 2), dtype=np.float32))
    for name, values in columns.items():
        data.obs[name] = values
    data.write_h5ad(tmp_path / "a.h5ad")
    times = h5ad.h5ad_pseudotime(tmp_path / "a.h5ad")
    if read_as is None:
        assert times is None
    else:
        np.testing.assert_array_equal(times, np.array(read_as, dtype=float)[:, None])


def test_a_study_has_the_pseudotime_of_the_file(write, network_csv):
    data = anndata.read_h5ad(write())
    data.obs["dpt_pseudotime"] = np.arange(data.n_obs) / 3
    data.write_h5ad(path := write())
    np.testing.assert_allclose(read(path, network_file=network_csv).pseudotime[:, 0], np.arange(data.n_obs) / 3)


@pytest.mark.parametrize("header", ["TF,Target", "source,target", "Gene1,Gene2,Score"])
def test_networks_of_every_known_header_are_read(write, small, network_csv, change, header):
    lines = network_csv.read_text().splitlines()
    extra = ",1" if header.count(",") == 2 else ""
    network_csv.write_text("\n".join([header, *(line + extra for line in lines[1:])]))
    np.testing.assert_array_equal(read(write(), network_file=network_csv).edges, small.edges)


@pytest.mark.parametrize("text", ["TF\nTRUE\n{}", "TRUE\n{}", ",TF,index\n0,TRUE,6\n0,SOX2,0\n0,SEPT7,3\n0,GATA4,5\n"])
def test_a_list_of_tfs_adds_regulators_without_targets(write, network_csv, tmp_path, text):
    (tmp_path / "tfs.csv").write_text(text.format("SOX2\nSEPT7\nGATA4\n"))
    dataset = read(write(), network_file=network_csv, tfs_file=tmp_path / "tfs.csv")
    assert dataset.tfs.tolist() == [0, 3, 5, 6]


def test_an_unknown_or_empty_list_of_tfs_is_refused(write, network_csv, tmp_path):
    (tmp_path / "tfs.csv").write_text("TF\nSOX22\n")
    with pytest.raises(KnockoutError, match=r"tfs.csv, row 2.*'SOX22'.*Did you mean 'SOX2'"):
        read(write(), network_file=network_csv, tfs_file=tmp_path / "tfs.csv")
    (tmp_path / "tfs.csv").write_text("TF\n")
    with pytest.raises(KnockoutError, match="no TFs"):
        read(write(), network_file=network_csv, tfs_file=tmp_path / "tfs.csv")


def test_a_regulator_that_is_not_in_the_list_of_tfs_is_refused(write, network_csv, tmp_path):
    (tmp_path / "tfs.csv").write_text("SOX2\nSEPT7\n")
    with pytest.raises(KnockoutError, match=r"edges.csv, row 5.*'GATA4' -> 'SOX2'.*not listed"):
        read(write(), network_file=network_csv, tfs_file=tmp_path / "tfs.csv")


def test_raw_counts_are_refused_with_the_scanpy_lines(write, small, network_csv):
    with pytest.raises(KnockoutError, match=r"study.h5ad: raw counts.*sc\.pp\.normalize_total.*sc\.pp\.log1p"):
        read(write((small.expression.T * 80).round()), network_file=network_csv)


def test_whole_numbers_are_raw_counts_however_small(write, small, network_csv):
    with pytest.raises(
        KnockoutError, match=r"raw counts.*the largest is 1[0-9]\).*knockout data prepare \S+study\.h5ad"
    ):
        read(write((small.expression.T * 8).round()), network_file=network_csv)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_matrix], ids=["dense", "csr", "csc"])
def test_faults_of_the_matrix_are_named_by_gene_and_cell(write, small, network_csv, kind):
    small.expression[1, 2] = np.nan
    with pytest.raises(KnockoutError, match=r"study.h5ad: gene 'NA', cell 'cell_2'.*finite"):
        read(write(kind=kind), network_file=network_csv)
    small.expression[1, 2] = -0.5
    with pytest.raises(KnockoutError, match=r"study.h5ad: gene 'NA', cell 'cell_2': value -0.5 must be 0 or more"):
        read(write(kind=kind), network_file=network_csv)
    small.expression[1] = 0.0
    with pytest.raises(KnockoutError, match=r"1 gene\(s\).*'NA' is 0 everywhere.*Remove"):
        read(write(kind=kind), network_file=network_csv)
    small.expression[1] = 0.25
    with pytest.raises(KnockoutError, match=r"1 gene\(s\).*'NA' is 0.25 everywhere.*Remove"):
        read(write(kind=kind), network_file=network_csv)


class TestMapped:
    """Large expression lies in a file that all processes map."""

    @pytest.fixture(autouse=True)
    def cache(self, monkeypatch, tmp_path):
        monkeypatch.setattr(h5ad, "LARGE", 0)
        monkeypatch.setattr(h5ad, "CHUNK", 64)  # a few genes at a time
        monkeypatch.setattr(h5ad.pooch, "os_cache", lambda name: tmp_path / "cache" / name)
        return tmp_path / "cache" / "knockout" / "expression"

    @pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix], ids=["dense", "csr"])
    def test_it_is_what_a_file_holds(self, write, small, network_csv, same, kind, cache):
        path = write(kind=kind)
        for _ in range(2):
            dataset = read(path, network_file=network_csv)
            same(dataset, small)
            assert isinstance(dataset.expression, np.memmap)
        assert len(list(cache.iterdir())) == 1

    def test_values_are_read_once(self, write, network_csv, monkeypatch):
        path = write(kind=sparse.csr_matrix)
        read(path, network_file=network_csv)
        monkeypatch.setattr(h5ad, "check_expression", None)
        monkeypatch.setattr(anndata.AnnData, "X", None)
        read(path, network_file=network_csv)

    def test_writing_into_it_changes_no_file(self, write, small, network_csv, same):
        path = write()
        read(path, network_file=network_csv).expression[:] = 0
        same(read(path, network_file=network_csv), small)

    def test_a_file_that_changed_is_read_anew(self, write, small, network_csv):
        read(write(), network_file=network_csv)
        os.utime(write(small.expression.T * 1.5), ns=(1, 1))
        again = read(write(small.expression.T * 1.5), network_file=network_csv)
        np.testing.assert_allclose(again.expression, small.expression * 1.5)

    def test_faults_are_refused_and_nothing_is_kept(self, write, small, network_csv, cache):
        with pytest.raises(KnockoutError, match="raw counts"):
            read(write((small.expression.T * 80).round()), network_file=network_csv)
        assert not cache.exists()

    def test_a_cut_file_is_written_again(self, write, small, network_csv, same, cache):
        path = write()
        read(path, network_file=network_csv)
        (cached,) = cache.iterdir()
        cached.write_bytes(cached.read_bytes()[:-8])
        same(read(path, network_file=network_csv), small)

    def test_where_nothing_can_be_written_each_process_holds_its_own(self, write, small, network_csv, same, cache):
        cache.parent.mkdir(parents=True)
        cache.write_text("a file where a folder should be")
        dataset = read(write(kind=sparse.csr_matrix), network_file=network_csv)
        same(dataset, small)
        assert not isinstance(dataset.expression, np.memmap)

    def test_files_unused_for_long_are_removed(self, write, network_csv, cache):
        cache.mkdir(parents=True)
        (cache / "old.npy").touch()
        os.utime(cache / "old.npy", (1, 1))
        read(write(), network_file=network_csv)
        assert not (cache / "old.npy").exists()


@pytest.mark.filterwarnings("ignore:Variable names are not unique")
def test_duplicate_genes_are_refused(write, small, network_csv):
    with pytest.raises(KnockoutError, match="gene 'NA' stands twice"):
        read(write(genes=("SOX2", "NA", "NA", *small.genes[3:])), network_file=network_csv)


def test_a_file_without_values_is_refused(write, network_csv, tmp_path):
    anndata.AnnData(shape=(4, 8)).write_h5ad(tmp_path / "bare.h5ad")
    with pytest.raises(KnockoutError, match="X holds no numbers"):
        read(tmp_path / "bare.h5ad", network_file=network_csv)


def test_a_damaged_or_absent_file_is_refused(write, network_csv, tmp_path):
    path = write()
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(KnockoutError, match=r"not readable as \.h5ad"):
        read(path, network_file=network_csv)
    with pytest.raises(KnockoutError, match="no such file"):
        read(tmp_path / "none.h5ad", network_file=network_csv)


def test_a_network_is_required(write):
    with pytest.raises(KnockoutError, match="needs a network file"):
        read(write())


def test_an_absent_or_foreign_network_is_refused(write, network_csv, tmp_path):
    with pytest.raises(KnockoutError, match=r"edge.csv: no such file. Did you mean 'edges.csv'"):
        read(write(), network_file=tmp_path / "edge.csv")
    network_csv.write_text("left,right\nSOX2,NA\nGATA4,NA\n")
    with pytest.raises(KnockoutError, match=r"'left' and 'right'.*by their place; a study does not guess"):
        read(write(), network_file=network_csv)


def test_without_anndata_the_error_names_the_installation(write, network_csv, monkeypatch):
    path = write()
    monkeypatch.setitem(sys.modules, "anndata", None)
    with pytest.raises(KnockoutError, match=r"pip install 'knockout\[h5ad\]'"):
        read(path, network_file=network_csv)


def test_data_check_names_the_columns_of_the_network_that_it_leaves_out(knockout, tmp_path):
    drawn = simulate(SimulatorSettings(genes=64, tfs=8, cells=40))
    data = anndata.AnnData(drawn.expression.T)
    data.var_names = list(drawn.genes)
    data.write_h5ad(tmp_path / "cells.h5ad")
    edges = [f"{drawn.genes[target]},1,{drawn.genes[tf]}" for tf, target in drawn.edges]
    (tmp_path / "net.csv").write_text("\n".join(["Target gene,weight,TF", *edges]))
    completed = knockout("data", "check", tmp_path / "cells.h5ad", "--network-file", tmp_path / "net.csv")
    assert completed.code == 0 and "not used of the network: 'weight'; every row counts as an edge" in completed.out
    missing = knockout("data", "check", tmp_path / "cell.h5ad")
    assert missing.code == 2 and "Did you mean 'cells.h5ad'" in missing.err
