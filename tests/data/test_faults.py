import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.core.dataset import Dataset
from components.core.errors import KnockoutError, UnknownNameError
from components.data.readers import read
from components.data.simulator import write_beeline

EXPRESSION, TARGETS, TFS = "BL--ExpressionData.csv", "Target.csv", "TF.csv"
LABELS, NETWORK = "Label.csv", "BL--network.csv"

FAULTS = {
    "unknown gene": (
        NETWORK,
        "SOX2,NA\n",
        "SOX3,NA\n",
        ["row 3", "'Gene1'", "'SOX3'", "Did you mean 'SOX2'?"],
    ),
    "lower case gene": (NETWORK, "SOX2,NA\n", "sox2,NA\n", ["'sox2'", "Did you mean 'SOX2'?"]),
    "missing column": (NETWORK, "Gene1", "Gene", ["row 1", "no column 'Gene1'", "Did you mean 'Gene'?"]),
    "semicolons": (NETWORK, "Gene1,Gene2", "Gene1;Gene2", ["row 2", "1 values", "2 columns"]),
    "unlisted regulator": (
        TFS,
        "1,SEPT7,3\n",
        "",
        [LABELS, "row 2", "'SEPT7' -> '1810037I17RIK'", "not listed"],
    ),
    "index too large": (LABELS, "0,3,4", "0,3,8", ["row 2", "'Target'", "index 8", "from 0 to 7"]),
    "index huge": (LABELS, "0,3,4", "0,3," + "9" * 5000, ["row 2", "out of range", "from 0 to 7"]),
    "index negative": (LABELS, "0,3,4", "0,-1,4", ["row 2", "'TF'", "index -1", "from 0 to 7"]),
    "index fraction": (LABELS, "0,3,4", "0,3.0,4", ["row 2", "'TF'", "'3.0' is not a whole number"]),
    "index empty": (LABELS, "0,3,4", "0,3,", ["row 2", "'Target'", "'' is not a whole number"]),
    "duplicate edge": (LABELS, "4,3,6", "4,3,4", ["row 6", "'SEPT7' -> '1810037I17RIK'", "duplicate"]),
    "self-edge": (LABELS, "4,3,6", "4,3,3", ["row 6", "'SEPT7' -> 'SEPT7'", "self-edge"]),
    "disagreement": (
        LABELS,
        "4,3,6",
        "4,3,7",
        [LABELS, NETWORK, "'SEPT7' -> '1E5' (3 -> 7)", "only in Label.csv"],
    ),
    "extra edge": (NETWORK, "SOX2,NA\n", "SOX2,NA\nSOX2,TRUE\n", ["'SOX2' -> 'TRUE'", f"only in {NETWORK}"]),
    "duplicate gene": (EXPRESSION, "\nNAN,", "\nNA,", ["gene 'NA' stands twice", "2 and 3"]),
    "nameless gene": (EXPRESSION, "\nNAN,", "\n,", ["gene number 3 has no name"]),
    "NaN": (EXPRESSION, "SOX2,0.0", "SOX2,nan", ["gene 'SOX2'", "cell 'cell_0000'", "nan", "finite"]),
    "infinite": (EXPRESSION, "SOX2,0.0", "SOX2,inf", ["gene 'SOX2'", "cell 'cell_0000'", "inf", "finite"]),
    "too large": (EXPRESSION, "SOX2,0.0", "SOX2,1e39", ["gene 'SOX2'", "cell 'cell_0000'", "finite"]),
    "word": (
        EXPRESSION,
        "SOX2,0.0",
        "SOX2,high",
        ["row 2", "gene 'SOX2'", "cell 'cell_0000'", "'high' is not a"],
    ),
    "thousands": (
        EXPRESSION,
        "SOX2,0.0",
        "SOX2,1_0",
        ["gene 'SOX2'", "cell 'cell_0000'", "'1_0' is not a number"],
    ),
    "gap": (EXPRESSION, "SOX2,0.0", "SOX2,", ["row 2", "gene 'SOX2'", "cell 'cell_0000'", "missing"]),
    "negative": (
        EXPRESSION,
        "SOX2,0.0",
        "SOX2,-0.5",
        ["gene 'SOX2'", "cell 'cell_0000'", "-0.5", "0 or more"],
    ),
    "ragged": (EXPRESSION, "SOX2,0.0,", "SOX2,", ["row 2", "4 values", "5 columns", "'SOX2'"]),
    "open quote": (EXPRESSION, "SOX2,0.0", 'SOX2,"0.0', ["not readable as CSV"]),
    "shuffled gene list": (TARGETS, "0,SOX2,0\n1,NA,1\n", "0,NA,1\n1,SOX2,0\n", ["row 2", "'NA'", "'SOX2'"]),
    "short gene list": (TARGETS, "7,1E5,7\n", "", ["lists 7 genes", "has 8", "'1E5'"]),
    "other gene in list": (TARGETS, "0,SOX2,0\n", "0,SOX1,0\n", ["row 2", "'SOX1'", "Did you mean 'SOX2'?"]),
    "TF at other index": (TFS, "0,SOX2,0", "0,SOX2,1", ["row 2", "'SOX2' has index 1, but row 0"]),
    "TF twice": (TFS, "1,SEPT7,3", "1,SOX2,0", ["row 3", "TF 'SOX2' stands twice"]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_its_place(folder, change, fault):
    file, old, new, words = FAULTS[fault]
    change(folder / file, old, new)
    with pytest.raises(KnockoutError) as caught:
        read(folder)
    for word in [str(folder), *words]:
        assert word in str(caught.value)


def test_an_unknown_gene_is_an_unknown_name(folder, change):
    change(folder / NETWORK, "SOX2,NA\n", "SOX3,NA\n")
    with pytest.raises(UnknownNameError):
        read(folder)


WHOLE_FILES = {
    "empty file": (EXPRESSION, b"", ["the file is empty"]),
    "only blank lines": (TFS, b"\n\n", ["the file is empty"]),
    "no genes": (EXPRESSION, b",c1,c2\n", ["no genes"]),
    "one cell": (EXPRESSION, b",c1\nSOX2,1\n", ["1 cell(s)", "at least 2"]),
    "no cells": (EXPRESSION, b"gene\nSOX2\n", ["0 cell(s)", "at least 2"]),
    "not UTF-8": (TFS, b",TF,index\n0,SOX\xff,0\n", ["row 2", "0xff", "UTF-8"]),
    "no edges": (LABELS, b",TF,Target\n", ["0 edge(s)", "at least 2"]),
    "one edge": (LABELS, b",TF,Target\n0,3,4\n", ["1 edge(s)", "at least 2"]),
}


@pytest.mark.parametrize("fault", WHOLE_FILES)
def test_a_file_without_the_content_needed_is_refused(folder, fault):
    file, content, words = WHOLE_FILES[fault]
    (folder / file).write_bytes(content)
    with pytest.raises(KnockoutError) as caught:
        read(folder)
    for word in [str(folder / file), *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize("level", [0.0, 1.5])
def test_genes_that_never_vary_are_named_with_the_remedy(small, tmp_path, level):
    small.expression[[1, 4]] = level
    write_beeline(small, tmp_path / "flat")
    with pytest.raises(KnockoutError, match=rf"2 gene\(s\).*'NA', '1810037I17RIK'.*is {level:g} every.*Remove"):
        read(tmp_path / "flat")


def test_raw_counts_are_refused_with_the_lines_that_normalise_them(small, tmp_path):
    small.expression[:] = (small.expression * 80).round()
    write_beeline(small, tmp_path / "raw")
    with pytest.raises(KnockoutError, match=r"raw counts.*normalize_total.*log1p"):
        read(tmp_path / "raw")


@pytest.mark.parametrize("file", [EXPRESSION, TFS, TARGETS])
def test_a_missing_file_is_named(folder, file):
    (folder / file).rename(folder / file.replace(".csv", ".txt"))
    with pytest.raises(KnockoutError, match=f"missing file.*{file}.*rename '{file.replace('.csv', '.txt')}'"):
        read(folder)


def test_without_any_edge_file_both_names_are_given(folder):
    (folder / LABELS).unlink()
    (folder / NETWORK).unlink()
    with pytest.raises(KnockoutError, match=rf"missing.*{LABELS} or {NETWORK}"):
        read(folder)


def test_a_folder_of_data_sets_lists_them_and_the_layouts(small, tmp_path):
    write_beeline(small, tmp_path / "STRING" / "mDC" / "TFs+500")
    with pytest.raises(KnockoutError, match=r"Data sets below it: STRING/mDC/TFs\+500\. Known layouts: .*h5ad"):
        read(tmp_path)


def test_a_path_that_is_no_data_set_is_refused(folder):
    with pytest.raises(KnockoutError, match=r"no such file or folder\. Did you mean 'small'"):
        read(folder.parent / "smal")
    with pytest.raises(KnockoutError, match=r"neither a folder nor an \.h5ad file\. Known layouts"):
        read(folder / TFS)


def test_a_folder_takes_no_other_network(folder):
    with pytest.raises(KnockoutError, match="brings its own network"):
        read(folder, network_file=folder / NETWORK)


JUNK = st.binary(min_size=0, max_size=6) | st.sampled_from([b",", b"\n", b'"', b"\r", b"\0", b"-1", b"nan", b"1e999"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    file=st.sampled_from([EXPRESSION, TARGETS, TFS, LABELS, NETWORK]),
    start=st.integers(0, 400),
    length=st.integers(0, 30),
    junk=JUNK,
)
def test_a_damaged_file_gives_a_sound_data_set_or_one_clear_error(folder, file, start, length, junk):
    intact = (folder / file).read_bytes()
    (folder / file).write_bytes(intact[:start] + junk + intact[start + length :])
    try:
        dataset = read(folder)
    except KnockoutError as error:
        assert str(folder) in str(error)
    else:
        assert_sound(dataset)
    finally:
        (folder / file).write_bytes(intact)


def assert_sound(dataset: Dataset) -> None:
    assert dataset.expression.shape == (dataset.n_genes, dataset.n_cells)
    assert 0 <= dataset.expression.min() <= dataset.expression.max() < float("inf")
    assert 0 <= dataset.edges.min() <= dataset.edges.max() < dataset.n_genes
    assert set(dataset.edges[:, 0]) <= set(dataset.tfs)
