"""The base GRN of CellOracle, as its TFinfo writes it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.core.errors import KnockoutError
from components.scorer.files.scores import is_bare, read_edges

GENES = ("Sox2", "Klf4", "Myc", "Nanog")


def base_grn(**changes: list[object]) -> pd.DataFrame:
    """Return peaks of genes with the TFs whose motifs they hold; Klf4 has two peaks, Actb is not in the data set."""
    columns = {
        "peak_id": ["chr1_100_200", "chr1_300_400", "chr2_100_200", "chr3_100_200"],
        "gene_short_name": ["Klf4", "Klf4", "Nanog", "Actb"],
        "Gata1": [1.0, 1.0, 1.0, 1.0],
        "Myc": [0.0, 1.0, 0.0, 1.0],
        "Sox2": [1.0, 1.0, 1.0, 0.0],
    }
    return pd.DataFrame(columns | changes)


@pytest.mark.parametrize("name", ["base_GRN_dataframe.parquet", "base.csv", "base.csv.gz", "unnamed.csv"])
def test_motifs_in_peaks_are_edges(tmp_path: Path, name: str):
    path, table = tmp_path / name, base_grn()
    table.to_parquet(path) if name.endswith(".parquet") else table.to_csv(path, index="unnamed" in name)
    edges = read_edges(path, GENES, ["Sox2", "Myc"])
    listed = edges.lookup(np.array([[0, 1], [0, 3], [2, 1], [2, 3]]), len(GENES))[1]
    assert listed.tolist() == [True, True, True, False] and set(edges.weights) == {1.0}
    assert "3 edges from 2 TFs to 2 genes of the data set" in " ".join(edges.notes)
    assert not is_bare(path)


@pytest.mark.parametrize(
    "changes, message, where",
    [
        ({"Myc": [0.0, 1.0, 0.5, 1.0]}, "0.5 is neither 0 nor 1", "row 4, column 'Myc'"),
        ({"gene_short_name": ["A", "B", "C", "D"]}, "Genes of its peaks: 'A', 'B', 'C'", "base."),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_what_is_no_base_grn_of_the_data_is_refused(
    tmp_path: Path, suffix: str, changes: dict[str, list[object]], message: str, where: str
):
    path, table = tmp_path / f"base.{suffix}", base_grn(**changes)
    table.to_parquet(path) if suffix == "parquet" else table.to_csv(path, index=False)
    with pytest.raises(KnockoutError, match=message) as refused:
        read_edges(path, GENES)
    assert where in refused.value.where


def test_other_parquet_is_refused_with_the_line_that_converts_it(tmp_path: Path):
    pd.DataFrame({"TF": ["Sox2"], "target": ["Klf4"]}).to_parquet(tmp_path / "edges.parquet")
    with pytest.raises(KnockoutError, match="to_csv"):
        read_edges(tmp_path / "edges.parquet", GENES)


def test_a_file_with_the_suffix_of_parquet_alone_is_refused(tmp_path: Path):
    (tmp_path / "base.parquet").write_text("peak_id,gene_short_name,Sox2\n")
    with pytest.raises(KnockoutError, match="not readable"):
        read_edges(tmp_path / "base.parquet", GENES)
