"""Names in files: no formula for a spreadsheet, no two files of one name, and the name itself comes back."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from conftest import build

from components.tables.csvfile import for_spreadsheets
from reports.search.reading import csv
from reports.table.table import load
from reports.words.names import alike, file_names, plain, write_csv

FORMULAS = ["=SUM(A1)", "-minus", "+plus", "@cmd", "'=quoted", "''@twice", "=1+1", "-x\ty", "＝wide"]
HARMLESS = ["full", "a, b=c", "1.10", "-0.5", "+3", "'quoted'", 'say "hi"', "x\ty", "None", "NA", "süß 模型 🧬"]


def test_no_cell_of_an_export_is_a_formula(tmp_path: Path) -> None:
    frame = pd.DataFrame({"arm": [*FORMULAS, *HARMLESS], "=head": -0.5})
    write_csv(frame, tmp_path / "t.csv")
    written = pd.read_csv(tmp_path / "t.csv", dtype=str, keep_default_na=False)
    assert list(written.columns) == ["arm", "'=head"]
    assert list(written["arm"]) == [*(f"'{name}" for name in FORMULAS), *HARMLESS]
    assert set(written["'=head"]) == {"-0.5"}
    assert [plain(name) for name in written["arm"]] == [*FORMULAS, *HARMLESS]


def test_tables_of_a_search_and_of_prepare_are_written_alike(tmp_path: Path) -> None:
    frame = pd.DataFrame({"arm": [*FORMULAS, *HARMLESS], "=head": -0.5})
    write_csv(frame, tmp_path / "reports.csv")
    for_spreadsheets(frame).to_csv(tmp_path / "study.csv", index=False)
    assert (tmp_path / "study.csv").read_bytes() == (tmp_path / "reports.csv").read_bytes()
    read_back = csv(tmp_path / "study.csv", ("arm", "=head"), key="arm")
    assert list(read_back["arm"]) == [*FORMULAS, *HARMLESS]


@pytest.mark.parametrize("name", FORMULAS)
def test_our_own_export_reads_back(tmp_path: Path, name: str) -> None:
    frame = pd.DataFrame({"arm": [name, "full"], "dataset": ["=x", "=x"], "auroc": [0.7, 0.6]})
    write_csv(frame, tmp_path / "t.csv")
    table = load(tmp_path / "t.csv").frame
    assert set(table["arm"]) == {name, "full"} and set(table["dataset"]) == {"=x"}


def test_no_two_names_are_one_file() -> None:
    names = ["mESC", "mesc", "a b", "a_b", "模型", "süß", "sü ß", "", "x" * 300, "x" * 301]
    files = file_names(names)
    assert len({file.casefold() for file in files}) == len(names)
    assert all(file and file.isascii() and "/" not in file and len(file) < 120 for file in files)
    assert files[:3] == ["mESC", files[1], "a_b"] and file_names(names) == files


def test_names_alike() -> None:
    assert alike(["full", "FULL", "b", "fu ll", "a  b", "a b"]) == [("full", "FULL"), ("a  b", "a b")]


def test_every_exported_table_reads_back(tmp_path: Path) -> None:
    rows = [f"{arm},d{block},{0.7 + block / 50}" for arm in ("full", "-b") for block in range(2)]
    (tmp_path / "t.csv").write_text("\n".join(["arm,dataset,auroc", *rows]) + "\n")
    build(load(tmp_path / "t.csv"), tmp_path / "r")
    tables = {path.stem: pd.read_csv(path, dtype=str) for path in (tmp_path / "r" / "tables").glob("*.csv")}
    assert set(tables["scores_auroc"]["arm"]) == {"full", "'-b"} and "gain_over_strongest_control" not in tables
