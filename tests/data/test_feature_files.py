"""Files of gene features: every format gives one table, and each fault one message with its cure."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.core.errors import KnockoutError
from components.tables.features import read_features, rows_of

NAMES = ["SOX2", "NANOG", "NA", "SEPT7"]
VALUES = np.array([[1.5, -2.0, 0.25], [0.0, 1.0, 2.0], [3.0, 3.5, 4.0], [-1.0, 1e-7, 9.0]])
FRAME = pd.DataFrame(VALUES, index=NAMES, columns=["a", "b", "c"])


def npz(path: Path) -> None:
    np.savez(path, genes=np.array(NAMES), values=VALUES)


WRITERS: dict[str, Callable[[Path], object]] = {
    "index.parquet": FRAME.to_parquet,
    "column.parquet": FRAME.rename_axis("gene").reset_index().to_parquet,
    "table.csv": FRAME.to_csv,
    "named.csv": FRAME.rename_axis("gene").to_csv,
    "table.tsv": lambda path: FRAME.to_csv(path, sep="\t"),
    "table.csv.gz": FRAME.to_csv,
    "untitled.csv": lambda path: FRAME.to_csv(path, header=False),
    "numbered.csv": lambda path: FRAME.set_axis(range(3), axis=1).to_csv(path),
    "r.txt": lambda path: path.write_text(FRAME.to_csv(sep="\t").lstrip("\t")),
    "blanks.txt": lambda path: path.write_text(FRAME.to_csv(sep=" ", header=False)),
    "array.npz": npz,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_table(name: str, tmp_path: Path):
    WRITERS[name](tmp_path / name)
    table = read_features(tmp_path / name)
    assert table.names == tuple(NAMES)
    np.testing.assert_array_equal(table.values, VALUES)


def test_an_array_takes_its_names_from_a_list(tmp_path: Path):
    np.save(tmp_path / "x.npy", VALUES)
    (tmp_path / "genes.txt").write_text("\n".join(["gene", *NAMES]))
    assert read_features(tmp_path / "x.npy", tmp_path / "genes.txt").names == tuple(NAMES)
    (tmp_path / "genes.txt").write_text("\n".join(NAMES[:2]))
    with pytest.raises(KnockoutError, match="2 gene names for 4 rows"):
        read_features(tmp_path / "x.npy", tmp_path / "genes.txt")
    with pytest.raises(KnockoutError, match="which row is which gene"):
        read_features(tmp_path / "x.npy")


def test_gene_sets_are_zeros_and_ones(tmp_path: Path):
    (tmp_path / "go.gmt").write_text("pluripotency\thttp://x\tSOX2\tNANOG\ncell cycle\tna\tNANOG\tCDK1\n")
    table = read_features(tmp_path / "go.gmt")
    assert table.columns == ("pluripotency", "cell cycle")
    assert dict(zip(table.names, map(list, table.values), strict=True)) == {
        "NANOG": [1, 1],
        "SOX2": [1, 0],
        "CDK1": [0, 1],
    }
    (tmp_path / "bad.gmt").write_text("pluripotency\tx\tSOX2\nlonely\n")
    with pytest.raises(KnockoutError, match=r"line of name, description and genes.*") as refused:
        read_features(tmp_path / "bad.gmt")
    assert refused.value.where.endswith("row 2")


def pickled(path: Path) -> None:
    np.savez(path, genes=np.array(NAMES, dtype=object), values=VALUES)


FAULTS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "absent": ("x.parquet", lambda path: path.with_name("y.parquet").touch(), "no such file. Did you mean 'y.parquet'"),
    "text": ("x.csv", lambda path: FRAME.assign(d="kinase").to_csv(path), "'kinase' is no number.*Drop the column"),
    "missing value": ("x.csv", lambda path: path.write_text("g,a,b\nSOX2,1,\n"), "'' is no number"),
    "names apart": ("x.parquet", lambda path: FRAME.reset_index(drop=True).to_parquet(path), "set_index"),
    "pickled": ("x.npz", pickled, "not unpickled"),
    "no parquet": ("x.parquet", lambda path: path.write_text("a,b"), "not readable as parquet"),
    "weights": ("x.safetensors", lambda path: path.touch(), "safetensors.numpy.load_file"),
    "h5ad": ("x.h5ad", lambda path: path.touch(), r"varm, then np.savez"),
    "empty": ("x.csv", lambda path: path.touch(), "no table of numbers"),
    "ragged": ("x.csv", lambda path: path.write_text("g,a\nSOX2,1\nNANOG,1,2\n"), "not readable as a table"),
    "gzip of another": ("x.csv", lambda path: path.write_bytes(gzip.compress(b"x")[:9]), "not readable as gzip"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_has_its_message(fault: str, tmp_path: Path):
    name, write, message = FAULTS[fault]
    write(tmp_path / name)
    with pytest.raises(KnockoutError, match=message) as refused:
        read_features(tmp_path / name)
    assert str(tmp_path / name) in refused.value.where


def test_names_are_needed_for_arrays_alone(tmp_path: Path):
    FRAME.to_csv(tmp_path / "x.csv")
    with pytest.raises(KnockoutError, match="goes with an array"):
        read_features(tmp_path / "x.csv", tmp_path / "x.csv")


class TestMatching:
    def table(self, tmp_path: Path, names: list[str], values: np.ndarray | None = None):
        values = np.arange(2.0 * len(names)).reshape(-1, 2) if values is None else values
        pd.DataFrame(values, index=names, columns=["a", "b"]).to_parquet(tmp_path / "x.parquet")
        return read_features(tmp_path / "x.parquet")

    def test_by_symbol_in_any_case_where_that_is_clear(self, tmp_path: Path):
        table = self.table(tmp_path, ["Nanog", "Sox2", "ENSG00000181449.3"])
        assert rows_of(table, ["SOX2", "KLF4", "NANOG", "ENSG00000181449"]).tolist() == [1, -1, 0, 2]
        assert rows_of(table, ["SOX2", "Sox2"]).tolist() == [-1, 1]  # as written, where two genes are alike

    def test_two_rows_that_differ_are_refused_and_equal_ones_are_one(self, tmp_path: Path):
        table = self.table(tmp_path, ["SOX2", "KLF4", "SOX2"])
        with pytest.raises(KnockoutError, match=r"'SOX2' has 2 rows that differ: row 1 \('SOX2'\), row 3"):
            rows_of(table, ["SOX2"])
        assert rows_of(table, ["KLF4"]).tolist() == [1]  # of a gene that the data set lacks nothing is asked
        assert rows_of(self.table(tmp_path, ["SOX2", "SOX2"], np.ones((2, 2))), ["SOX2"]).tolist() == [0]
        with pytest.raises(KnockoutError, match="rows that differ"):
            rows_of(self.table(tmp_path, ["sox2", "Sox2"]), ["SOX2"])

    def test_genes_in_the_columns_are_reported(self, tmp_path: Path):
        FRAME.rename_axis("feature").T.to_parquet(tmp_path / "x.parquet")
        with pytest.raises(KnockoutError, match=r"genes are in the columns.*transposed"):
            rows_of(read_features(tmp_path / "x.parquet"), NAMES)

    def test_identifiers_in_place_of_symbols_are_reported(self, tmp_path: Path):
        table = self.table(tmp_path, ["ENSMUSG00000074637", "ENSMUSG00000012396"])
        with pytest.raises(KnockoutError, match="file has Ensembl identifiers, the data set symbols"):
            rows_of(table, NAMES)
        with pytest.raises(KnockoutError, match=r"file has numbers .*Entrez"):
            rows_of(self.table(tmp_path, ["6657", "79923"]), NAMES)
