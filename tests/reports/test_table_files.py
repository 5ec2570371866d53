"""Tables as spreadsheets of any country save them are read, or the message says how to save them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reports.errors import ReportError
from reports.table.table import Table, load

WIDE = "method,cell,auroc\na,x,0.7\na,y,0.8\nb,x,0.6\nb,y,0.5\n"
Read = Callable[..., Table]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def written(text: str | bytes, name: str = "mine.csv") -> Table:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return load(path)

    return written


def test_semicolons_and_decimal_commas(read: Read) -> None:
    values = read(WIDE.replace(",", ";").replace("0.", "0,")).frame["value"]
    assert sorted(values) == [0.5, 0.6, 0.7, 0.8]


@pytest.mark.parametrize("name", ["mine.tsv", "mine.txt", "mine.csv", "MINE.TSV"])
def test_tabs(read: Read, name: str) -> None:
    assert sorted(read(WIDE.replace(",", "\t"), name).frame["value"]) == [0.5, 0.6, 0.7, 0.8]


def test_semicolons_and_points(read: Read) -> None:
    frame = read(WIDE.replace(",", ";").replace("a;", "k=1,2;")).frame
    assert sorted(frame["value"]) == [0.5, 0.6, 0.7, 0.8] and set(frame["arm"]) == {"k=1,2", "b"}


def test_decimal_commas_beside_gaps_and_points(read: Read) -> None:
    text = "method;cell;auroc;status\na;x;0,7;ok\na;y;NA;oom\nb;x;0.6;ok\nb;y;5,1e-1;ok\n"
    assert sorted(read(text).frame["value"].dropna()) == [0.51, 0.6, 0.7]
    with pytest.raises(ReportError, match="row 3: auroc is 'NA', not a finite number"):
        read(text.replace("oom", ""))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks(read: Read, encoding: str) -> None:
    assert set(read(WIDE.encode(encoding)).frame["arm"]) == {"a", "b"}


def test_spaces_after_commas(read: Read) -> None:
    assert set(read(WIDE.replace(",", ", ")).frame["block"]) == {"x", "y"}


def test_another_encoding(read: Read) -> None:
    with pytest.raises(ReportError, match="UTF-8"):
        read(WIDE.replace("a,", "µ,").encode("latin-1"))


def test_another_separator(read: Read) -> None:
    with pytest.raises(ReportError, match=r"one column.*commas, semicolons or tabs"):
        read(WIDE.replace(",", "|"))


class TestNotThere:
    """A table that is not there: the message names the nearest file or study beside it."""

    def message_of(self, path: Path) -> str:
        with pytest.raises(ReportError) as caught:
            load(path)
        return str(caught.value)

    def test_the_nearest_is_sought_among_all(self, tmp_path: Path) -> None:
        for name in [*(f"a{i:02}.csv" for i in range(20)), "zebra.csv"]:
            (tmp_path / name).touch()
        message = self.message_of(tmp_path / "zebr.csv")
        assert f"{tmp_path}/zebr.csv: no such file or folder. Did you mean 'zebra.csv'?" in message
        assert message.endswith(
            "Beside it: a00.csv, " + ", ".join(f"a{i:02}.csv" for i in range(1, 12)) + " and 9 more."
        )

    def test_the_same_ending_is_no_likeness(self, tmp_path: Path) -> None:
        (tmp_path / "one.csv").touch()
        assert "Did you mean" not in self.message_of(tmp_path / "nosuch.csv")

    def test_folders_of_studies_are_meant_too(self, tmp_path: Path) -> None:
        for name in ("results", "resolution", "deep/search"):
            (tmp_path / name).mkdir(parents=True)
        (tmp_path / "results" / "plan.json").touch()
        (tmp_path / "deep" / "search" / "search.json").touch()
        (tmp_path / "notes.md").touch()
        message = self.message_of(tmp_path / "resuls")
        assert "Did you mean 'results'? Beside it: deep, results." in message

    def test_another_ending(self, tmp_path: Path) -> None:
        for name in ("mine.csv", "mine.tsv", "mine.parquet"):
            (tmp_path / name).touch()
        assert "Did you mean 'mine.parquet'?" in self.message_of(tmp_path / "mine.parq")
        assert "Did you mean 'mine.csv'?" in self.message_of(tmp_path / "mine")

    def test_nothing_beside_it(self, tmp_path: Path) -> None:
        assert self.message_of(tmp_path / "x.csv").endswith("no such file or folder. No table or study lies beside it.")
        message = self.message_of(tmp_path / "gone" / "x.csv")
        assert message.endswith(f"no such file or folder; {tmp_path / 'gone'} is not there either.")

    def test_a_folder_is_no_table(self, tmp_path: Path) -> None:
        assert "this is a folder; give a .csv, .tsv, .txt or .parquet file" in self.message_of(tmp_path)


class TestRowsFitTheHeader:
    """A field too many shifts every name and number of its row: refused, but for the empty ones of spreadsheets."""

    def test_a_field_too_many(self, read: Read) -> None:
        with pytest.raises(ReportError, match=r"row 3: 4 fields, but the header has 3"):
            read(WIDE.replace("a,y,0.8", "a,y,z,0.8"))

    def test_empty_fields_at_the_end(self, read: Read) -> None:
        frame = read(WIDE.replace("a,y,0.8", "a,y,0.8,,").replace("cell,auroc", "cell,auroc,")).frame
        assert sorted(frame["value"]) == [0.5, 0.6, 0.7, 0.8] and set(frame["arm"]) == {"a", "b"}

    def test_every_row_with_a_separator_at_its_end(self, read: Read) -> None:
        frame = read(WIDE.replace("\n", ",\n").replace("auroc,", "auroc", 1)).frame
        assert set(frame["arm"]) == {"a", "b"} and set(frame["block"]) == {"x", "y"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\n \n", "only one column|the file is empty"),
        (b"method,cell,auroc\n", "the table has no rows"),
        (b"auroc\n0.7\n", "only one column, 'auroc'"),
        (b"\x00\x01PNG\x00,\x00", "not UTF-8; save it as 'CSV UTF-8'"),
        (bytes(range(256)) * 9, "not UTF-8; save it as 'CSV UTF-8'"),
        (WIDE.encode("utf-16-le"), "not UTF-8; save it as 'CSV UTF-8'"),
        (b"\xff\xfe\x00", "not UTF-8; save it as 'CSV UTF-8'"),
        (b'method,cell,auroc\n"a,x,0.7\n', "is a quote not closed"),
        (b"method,method,cell,auroc\na,b,x,0.7\n", "row 1: 2 columns are called 'method'"),
        (b"s\xc3\xbc,su\xcc\x88,cell,auroc\na,b,x,0.7\n", "row 1: 2 columns are called 's\xfc'"),
        (b"method,cell,auroc\na,x,nan\nb,x,0.7\n", "row 2: auroc is 'nan', not a finite number"),
        (b"method,cell,auroc\na,x,0.7\nb,x,-inf\n", "row 3: auroc is '-inf', not a finite number"),
        (b"method,cell,repeat,auroc\na,x,1e300,0.7\n", "row 2: repeat '1e300' is not a whole number"),
    ],
)
def test_what_is_no_table_is_one_message(read: Read, content: bytes, message: str) -> None:
    with pytest.raises(ReportError, match=message):
        read(content)


def test_a_packed_table_is_to_be_unpacked(read: Read) -> None:
    with pytest.raises(ReportError, match="unpack it first"):
        read(b"\x1f\x8b", "mine.csv.gz")
