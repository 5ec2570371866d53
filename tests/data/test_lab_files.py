import gzip
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from components.core.errors import KnockoutError
from components.data import h5ad, readers
from components.data.checks import check_expression, copies
from components.data.hints import names_hint
from components.data.prepare.files import read_lab_expression
from components.data.prepare.prepare import LabFiles, prepare
from components.data.prepare.symbols import match_symbols
from components.data.simulator import write_beeline
from components.tables import files
from components.tables.csvfile import read_table, rows_of
from components.tables.tfs import tf_list
from study.spec.datasets import DatasetSpec, load_dataset

TFS = ("SOX2", "GATA4", "TF1")
GENES = (*TFS, "A", "B", "NA")
LISTS = {
    "plain": "SOX2\nGATA4\nTF1\n",
    "title": "Transcription factor\nSOX2\nGATA4\nTF1\n",
    "blanks": "SOX2 \nGATA4  \n\n TF1\n\n",
    "R": '"","x"\n"1","SOX2"\n"2","GATA4"\n"3","TF1"\n',
    "R, no corner": '"x"\n"1" "SOX2"\n"2" "GATA4"\n"3" "TF1"\n',
    "family": "Symbol\tFamily\nSOX2\tHMG\nGATA4\tGATA\nTF1\tbHLH\n",
    "gene": "Gene,Family\nSOX2,HMG\nGATA4,GATA\nTF1,bHLH\n",
    "ids before": "Ensembl ID;HGNC symbol;Is TF?\nE1;SOX2;Yes\nE2;GATA4;Yes\nE3;TF1;Yes\n",
    "no header": "SOX2,HMG\nGATA4,GATA\nTF1,bHLH\n",
    "windows": "\ufeffTF\r\nSOX2\r\nGATA4\r\nTF1\r\n",
}


@pytest.mark.parametrize("kind", LISTS)
def test_lists_of_tfs_read_with_titles_row_numbers_and_more_columns(tmp_path: Path, kind):
    (tmp_path / "tfs").write_text(LISTS[kind], encoding="utf-8")
    assert tf_list(tmp_path / "tfs", GENES).values == TFS


@pytest.mark.parametrize("text", ["", "\n \n", "TF\n", "Symbol,Family\n"])
def test_an_empty_list_of_tfs_is_refused_with_the_format(tmp_path: Path, text):
    (tmp_path / "tfs").write_text(text)
    with pytest.raises(KnockoutError, match="expected one gene name per line, with or without a title such as TF"):
        tf_list(tmp_path / "tfs", GENES)


def test_rows_marked_as_no_tfs_are_refused(tmp_path: Path):
    (tmp_path / "tfs").write_text("HGNC symbol,Is TF?\nSOX2,Yes\nA,No\n")
    with pytest.raises(KnockoutError, match=r"row 3: 1 of 2 rows are no TFs, says column 'Is TF\?'"):
        tf_list(tmp_path / "tfs", GENES)


@pytest.fixture
def lab(tmp_path: Path):
    """Write counts of 20 genes as a table and prepare it with a network of these genes."""

    def run(values=None, genes=None, cells=None, edges=None, name="cells.csv", sep=",", **others):
        genes = genes or [f"G{i}" for i in range(20)]
        values = np.random.default_rng(0).poisson(5.0, (20, 30)) + 1 if values is None else values
        cells = cells or [f"c{i}" for i in range(values.shape[1])]
        rows = [
            sep.join(["", *cells]),
            *(sep.join([gene, *map(str, row)]) for gene, row in zip(genes, values, strict=True)),
        ]
        text = "\n".join(rows).encode()
        (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
        edges = edges or [(genes[0], gene) for gene in genes[1:9]]
        (tmp_path / "net.csv").write_text("\n".join(["TF,Target", *map(",".join, edges)]), encoding="utf-8")
        return prepare(LabFiles(tmp_path / name, tmp_path / "net.csv", **others), tmp_path / "made", overwrite=True)

    return run


@pytest.mark.parametrize(("name", "sep"), [("x.csv.gz", ","), ("x.tsv", "\t"), ("x.csv", ";")])
def test_expression_of_any_separator_plain_or_gzip_is_one(lab, name, sep):
    assert lab(name=name, sep=sep).dataset.digest == lab().dataset.digest


def test_a_header_that_lacks_the_corner_is_completed(tmp_path: Path):
    for name, text in {"r.csv": "c0,c1\nA,1,2\nB,3,4\n", "r.txt": '"c0" "c1"\n"A" 1 2\n"B" 3 4\n'}.items():
        (tmp_path / name).write_text(text)
        lab = read_lab_expression(tmp_path / name)
        assert (lab.genes, lab.cells) == (("A", "B"), ("c0", "c1"))
        np.testing.assert_array_equal(lab.matrix.toarray(), [[1, 2], [3, 4]])


def test_one_unicode_name_in_two_forms_is_one_name(lab, tmp_path: Path):
    names = [unicodedata.normalize(form, "Gène-é") for form in ("NFC", "NFD")]
    assert names[0] != names[1]
    for written, asked in (names, reversed(names)):
        genes = [written, *(f"G{i}" for i in range(1, 20))]
        prepared = lab(genes=genes, edges=[(asked, gene) for gene in genes[1:9]])
        assert prepared.dataset.genes[0] == names[0] and len(prepared.dataset.edges) == 8
    with pytest.raises(KnockoutError, match="stands twice"):
        check_expression(
            [name for _, (name, *_) in rows_of(_table(tmp_path, f",a\n{names[0]},1\n{names[1]},2\n"))][1:],
            ("a", "b"),
            np.eye(2, dtype=np.float32) / 3,
            where="",
        )


def _table(folder: Path, text: str) -> Path:
    (folder / "table.csv").write_text(text, encoding="utf-8")
    return folder / "table.csv"


def test_a_data_set_is_found_and_named_in_either_unicode_form(tmp_path: Path, small):
    composed, split = (unicodedata.normalize(form, "Zélus") for form in ("NFC", "NFD"))
    write_beeline(small, tmp_path / split)
    dataset = load_dataset(DatasetSpec(path=composed), tmp_path)
    assert dataset.name == composed
    assert DatasetSpec(path="x", name=split) == DatasetSpec(path="x", name=composed)


@pytest.mark.parametrize("name", ["123", "nan", "NA", "1.10", "0256", "None", "TRUE", "inf"])
def test_names_are_text_in_every_reader(lab, tmp_path: Path, name):
    prepared = lab(genes=[name, *(f"G{i}" for i in range(1, 20))])
    assert prepared.dataset.genes[0] == name and len(prepared.dataset.edges) == 8
    (tmp_path / "one.csv").write_text(f"TF\n{name}\n")
    assert tf_list(tmp_path / "one.csv", (name,)).values == (name,)
    assert read_table(_table(tmp_path, f"alias,symbol\n{name},{name}\n")).rows == ((name, name),)


def test_ensembl_ids_match_without_their_version():
    matches = match_symbols(
        ["ENSG00000141510", "ENSG00000141511.2"], ("ENSG00000141510.11", "ENSG00000141511.9", "X.1")
    )
    assert list(matches.genes.values()) == ["ENSG00000141510.11", "ENSG00000141511.9"]
    assert match_symbols(["X"], ("X.1",)).genes == {}


def test_a_matrix_joined_with_itself_is_reported_and_its_copies_dropped(lab, tmp_path: Path):
    values = np.random.default_rng(0).poisson(5.0, (20, 30)) + 1
    twice = np.hstack([values, values])
    cells = [f"c{i}" for i in range(30)] * 2
    single = lab(values).dataset.digest
    for names in (cells, [f"d{i}" for i in range(60)]):
        prepared = lab(twice, cells=names)
        assert prepared.account.reasons("cells") == {"the same values as an earlier cell": 30}
        assert prepared.dataset.digest == single
    logged = np.log2(1 + twice / 3).astype(np.float32)
    with pytest.raises(KnockoutError, match=r"cell 'c0' stands 2 times \(30 such.*knockout data prepare"):
        check_expression([f"G{i}" for i in range(20)], cells, logged, where="x")
    with pytest.raises(KnockoutError, match="30 of 60 cells have the values of another cell"):
        check_expression([f"G{i}" for i in range(20)], [f"d{i}" for i in range(60)], logged, where="x")


def test_cells_of_one_barcode_are_distinguished_and_reported(lab):
    prepared = lab(cells=["AAA"] * 30)
    assert any("29 cells have the name of another" in note for note in prepared.summary["notes"])
    header = (prepared.folder / readers.EXPRESSION).open().readline().strip().split(",")
    assert len(set(header)) == 31
    assert not copies(prepared.dataset.expression).any()


def test_names_that_do_not_meet_get_the_cure():
    network, cells = ["SOX2", "GATA4", "A"], ["c0", "c1"]
    assert "Transpose it: pandas.read_csv('x.csv', index_col=0).T" in names_hint(network, cells, network, "x.csv")
    assert "Transpose it: pandas.read_csv('x.csv').T" in names_hint(network, ["1", "7"], network, "x.csv")
    assert "Genes belong in var" in names_hint(network, cells, network, "x.h5ad")
    assert "first column must hold the names" in names_hint(network, ["1", "7"], cells, "x.csv")
    ids = ["ENSG00000141510.11", "ENSG00000141511.1"]
    assert "--gene-column feature_name" in names_hint(network, ids, cells, "x.h5ad", ["feature_name"])
    assert "--synonyms FILE" in names_hint(network, ids, cells, "x.csv")
    assert "--synonyms FILE" in names_hint(ids, network, cells, "x.csv")
    assert names_hint(["X"], ["Y"], cells, "x.csv") == ""


def test_transposed_expression_is_refused_with_the_cure_in_a_folder_and_a_lab_file(lab, small, tmp_path: Path):
    with pytest.raises(KnockoutError, match="looks transposed, cells x genes"):
        lab(
            genes=[f"cell{i}" for i in range(20)],
            cells=[f"G{i}" for i in range(30)],
            edges=[("G1", "G2"), ("G1", "G3")],
        )
    write_beeline(small, tmp_path / "set")
    rows = [
        "," + ",".join(small.genes),
        *(f"c{i}," + ",".join(map(str, row)) for i, row in enumerate(small.expression.T)),
    ]
    (tmp_path / "set" / readers.EXPRESSION).write_text("\n".join(rows))
    with pytest.raises(KnockoutError, match="looks transposed, cells x genes"):
        readers.read(tmp_path / "set")


FOREIGN = {
    "x.rds": (b"", "write.csv"),
    "x.xlsx": (b"PK\x03\x04", "CSV UTF-8"),
    "x.zip": (b"PK\x03\x04", "unzip"),
    "x.mtx.gz": (b"", "scanpy.read_10x_mtx"),
    "x.parquet": (b"PAR1", "pandas.read_parquet"),
    "x.loom": (b"\x89HDF\r\n\x1a\n", "anndata.io.read_loom"),
    "x.h5": (b"\x89HDF\r\n\x1a\n", "scanpy.read_10x_h5"),
    "x.h5ad.gz": (files.GZIP, "gunzip -k"),
    "x.csv": (b"PK\x03\x04", "unzip"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_other_formats_are_refused_with_what_converts_them(tmp_path: Path, name):
    content, cure = FOREIGN[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(KnockoutError, match=rf"{name}.*cannot be read here; .*{cure}"):
        read_lab_expression(tmp_path / name)
    with pytest.raises(KnockoutError, match=cure):
        readers.read(tmp_path / name)


@pytest.mark.parametrize(("marker", "cure"), [(".zgroup", "read_zarr"), ("matrix.mtx.gz", "read_10x_mtx")])
def test_folders_of_other_formats_are_refused_with_what_converts_them(tmp_path: Path, marker, cure):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / marker).write_bytes(b"")
    with pytest.raises(KnockoutError, match=cure):
        prepare(LabFiles(tmp_path / "made"), tmp_path / "to")
    with pytest.raises(KnockoutError, match=cure):
        readers.read(tmp_path / "made")


def test_a_gzip_that_expands_beyond_memory_or_is_damaged_is_refused(tmp_path: Path, monkeypatch):
    bomb = tmp_path / "x.csv.gz"
    bomb.write_bytes(gzip.compress(bytes(4 << 20)))
    monkeypatch.setattr(files.psutil, "virtual_memory", lambda: SimpleNamespace(available=6 << 20))
    with pytest.raises(KnockoutError, match=r"x\.csv\.gz: holds, or expands to, more than 1\.0 MB"):
        read_table(bomb)
    bomb.write_bytes(bomb.read_bytes()[:100])
    with pytest.raises(KnockoutError, match="not readable as gzip"):
        read_table(bomb)


@pytest.fixture
def anndata():
    return pytest.importorskip("anndata", reason="reading .h5ad is an optional extra: pip install 'knockout[h5ad]'")


def test_an_h5ad_that_declares_more_than_memory_holds_is_refused(tmp_path: Path, anndata):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5ad", "w") as file:
        file.create_dataset("X", shape=(10**7, 10**6), dtype="f4", chunks=(1000, 1000), compression="gzip")
    assert (tmp_path / "x.h5ad").stat().st_size < 1 << 20
    with pytest.raises(KnockoutError, match=r"X declares 10,000,000 x 1,000,000 values: .* more than the free memory"):
        h5ad.open_h5ad(tmp_path / "x.h5ad")


def test_a_layer_called_x_is_not_x(tmp_path: Path, anndata):
    data = anndata.AnnData(np.arange(6.0).reshape(2, 3))
    data.layers["X"] = data.X + 10
    data.write_h5ad(tmp_path / "A.H5AD")
    assert read_lab_expression(tmp_path / "A.H5AD").matrix.max() == 5
    assert read_lab_expression(tmp_path / "A.H5AD", layer="layers/X").matrix.max() == 15


def test_a_column_of_names_keeps_missing_ones_empty_and_identifiers_whole(tmp_path: Path, anndata):
    data = anndata.AnnData(np.arange(6.0).reshape(2, 3))
    data.var["symbol"] = ["SOX2", np.nan, " NA "]
    data.var["entrez"] = [7157.0, np.nan, 1.0]
    data.write_h5ad(tmp_path / "x.h5ad")
    assert read_lab_expression(tmp_path / "x.h5ad", gene_column="symbol").genes == ("SOX2", "", "NA")
    assert read_lab_expression(tmp_path / "x.h5ad", gene_column="entrez").genes == ("7157", "", "1")


OTHERWISE = {
    "decimal commas": (
        "expression",
        lambda text: text.replace(",", ";").replace(";3", ";3,5"),
        "decimals with a point",
    ),
    "bars": ("expression", lambda text: text.replace(",", "|"), "parted by commas, tabs, semicolons or blanks"),
    "UTF-16 without its mark": ("expression", lambda text: text.encode("utf-16-le"), "save the file as UTF-8"),
    "a matrix of edges": ("network", lambda text: ",G1,G2\nG1,0,1\nG2,1,0\n", "a network has one row per edge"),
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_tables_that_are_written_otherwise_get_the_cure(tmp_path: Path, name: str):
    what, change, cure = OTHERWISE[name]
    texts = {"expression": "gene,a,b,c\nG1,1,2,3\nG2,0,3,1\nG3,3,1,0\n", "network": "TF,Target\nG1,G2\nG1,G3\n"}
    texts[what] = change(texts[what])
    files = {}
    for key, text in texts.items():
        files[key] = tmp_path / f"{key}.csv"
        files[key].write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(KnockoutError, match=cure):
        prepare(LabFiles(files["expression"], files["network"]), tmp_path / "data")
