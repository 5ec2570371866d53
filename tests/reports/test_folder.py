"""The folder of a report: files of an earlier report are replaced, other files are not."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from reports import folder
from reports.errors import ReportError
from reports.folder import digest, publish, put_beside, refuse_folder

PAGE = '<!doctype html>\n<meta name="generator" content="knockout">\n<title>Knockout report: x</title>\n'
OURS = ("report.html", "tables/findings.csv", "tables/methods/methods.tex", "figures/bars.svg")
HIDDEN = {".report.json", ".report.lock"}


def report(out: Path, text: str, *names: str, table: str = "") -> None:
    """Publish a report of the given files, each with the given text in it."""
    stage = out / "stage"
    for name in ("report.html", *names):
        (stage / name).parent.mkdir(parents=True, exist_ok=True)
        (stage / name).write_text(PAGE + text + name)
    try:
        publish(stage, out, table=table)
    finally:
        for path in sorted(stage.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        stage.rmdir()


def pages(text: str, *names: str) -> dict[str, str]:
    return {name: PAGE + text + name for name in names}


def contents(folder: Path) -> dict[str, str]:
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name not in HIDDEN]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in paths}


def write(path: Path, text: str = "mine") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_second_report_takes_the_place_of_the_first_and_of_nothing_else(tmp_path: Path) -> None:
    own = ["tables/mine.csv", "tables/methods/mine.tex", "figures/deep/mine.svg", "notes.txt"]
    for name in own:
        write(tmp_path / name)
    report(tmp_path, "first", *OURS)
    assert contents(tmp_path) == {**dict.fromkeys(own, "mine"), **pages("first", *OURS)}
    report(tmp_path, "second", "tables/costs.csv")
    assert contents(tmp_path) == {
        **dict.fromkeys(own, "mine"),
        **pages("second", "report.html", "tables/costs.csv"),
    }


def test_a_folder_that_reports_alone_filled_holds_the_last_of_them(tmp_path: Path) -> None:
    report(tmp_path, "first", *OURS)
    report(tmp_path, "second")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name not in HIDDEN) == [
        "figures",
        "report.html",
        "tables",
    ]
    assert not [*(tmp_path / "tables").iterdir(), *(tmp_path / "figures").iterdir()]


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("earlier", [False, True], ids=["alone", "in the place of a report's"])
def test_what_is_not_of_a_report_is_not_replaced(tmp_path: Path, name: str, earlier: bool) -> None:
    if earlier:
        report(tmp_path, "first", *OURS)
    write(tmp_path / name)
    before = contents(tmp_path)
    with pytest.raises(ReportError, match=r"this file was not written by an earlier report, or was changed") as refused:
        report(tmp_path, "second", *OURS)
    assert refused.value.where == str(tmp_path / name)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["report.html", "tables/findings.csv"])
def test_a_folder_that_has_the_name_of_a_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir(parents=True)
    with pytest.raises(ReportError, match=f"{name}: this folder was not written by an earlier report"):
        report(tmp_path, "first", *OURS)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("name", ["tables", "figures", "tables/methods"])
def test_a_file_that_has_the_name_of_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path / name)
    with pytest.raises(ReportError, match=f"{name}: this is a file; a report has a folder of that name"):
        report(tmp_path, "first", *OURS)
    assert contents(tmp_path) == {name: "mine"}


def test_what_is_known_to_be_in_the_way_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    for number, name in enumerate(["tables", "figures", "report.html", "cells.parquet"]):
        write(tmp_path / str(number) / name)
        with pytest.raises(ReportError, match=f"{name}: this "):
            refuse_folder(tmp_path / str(number), beside=["cells.parquet"])
        assert contents(tmp_path / str(number)) == {name: "mine"}


def test_a_file_changed_by_hand_stays_where_the_new_report_has_none(tmp_path: Path) -> None:
    report(tmp_path, "first", *OURS)
    write(tmp_path / "figures" / "bars.svg", "labels moved by hand")
    report(tmp_path, "second", "tables/findings.csv")
    assert contents(tmp_path)["figures/bars.svg"] == "labels moved by hand"


def test_the_table_that_is_read_is_neither_replaced_nor_removed(tmp_path: Path) -> None:
    report(tmp_path, "first", *OURS)
    table = digest(tmp_path / "tables" / "findings.csv")
    with pytest.raises(ReportError, match=r"findings\.csv: the report is made of this table"):
        refuse_folder(tmp_path, table=table)
    with pytest.raises(ReportError, match="the report is made of this table"):
        report(tmp_path, "second", *OURS, table=table)
    assert contents(tmp_path) == pages("first", *OURS)
    report(tmp_path, "second", table=table)
    findings = "tables/findings.csv"
    assert contents(tmp_path) == {**pages("second", "report.html"), **pages("first", findings)}


def test_without_the_list_every_file_is_foreign(tmp_path: Path) -> None:
    report(tmp_path, "first", *OURS)
    (tmp_path / ".report.json").unlink()
    with pytest.raises(ReportError, match="this file was not written by an earlier report"):
        report(tmp_path, "second", *OURS)


@pytest.mark.parametrize("where", ["file", "file/below", "file/far/below"])
def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path, where: str) -> None:
    write(tmp_path / "file")
    with pytest.raises(ReportError, match="file: this is a file; a report is written to a folder"):
        refuse_folder(tmp_path / where)
    with pytest.raises(ReportError, match="cannot be written here: File name too long"):
        refuse_folder(tmp_path / ("x" * 300))
    refuse_folder(tmp_path / "new" / "below")
    assert contents(tmp_path) == {"file": "mine"} and len(list(tmp_path.iterdir())) == 1


def test_a_table_beside_a_report_is_replaced_by_a_later_one_and_kept_by_another_report(tmp_path: Path) -> None:
    report(tmp_path, "first", *OURS)
    for text in ("one", "two"):
        refuse_folder(tmp_path, beside=["cells.parquet"])
        put_beside(write(tmp_path / "temporary" / "cells.parquet", text), tmp_path)
        assert (tmp_path / "cells.parquet").read_text() == text
        report(tmp_path, text, *OURS)
    write(tmp_path / "cells.parquet")
    with pytest.raises(ReportError, match=r"cells\.parquet: this file was not written"):
        refuse_folder(tmp_path, beside=["cells.parquet"])
    with pytest.raises(ReportError, match=r"cells\.parquet: this file was not written"):
        put_beside(write(tmp_path / "temporary" / "cells.parquet", "three"), tmp_path)
    assert (tmp_path / "cells.parquet").read_text() == "mine"


@pytest.mark.parametrize("text", ["", "[]", '{"files": 3}'])
def test_a_list_of_files_that_is_damaged_is_named(tmp_path: Path, text: str) -> None:
    write(tmp_path / ".report.json", text)
    with pytest.raises(ReportError, match=r"\.report\.json: the list of what an earlier report wrote"):
        refuse_folder(tmp_path)


def test_a_kill_between_two_files_leaves_nothing_that_looks_foreign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report(tmp_path, "first", *OURS)
    moved: list[Path] = []
    replace = Path.replace

    def killed(self: Path, target: Path) -> Path:
        if len(moved) == 3:
            raise KeyboardInterrupt
        moved.append(self)
        return replace(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            report(tmp_path, "second", *OURS)
    assert len(contents(tmp_path).items() & pages("second", *OURS).items()) == 2
    report(tmp_path, "third", *OURS)
    assert contents(tmp_path) == pages("third", *OURS)


@pytest.mark.parametrize(
    ("by", "message"), [("process 12 on elsewhere", "process 12 on elsewhere has"), ("", "another")]
)
def test_a_folder_that_is_not_given_back_is_refused_and_names_who_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str, message: str
) -> None:
    report(tmp_path, "first", *OURS)
    monkeypatch.setattr(folder, "WAIT_S", 0.1)
    lock, table = write(tmp_path / ".report.lock", by), write(tmp_path.parent / "cells.csv")
    with lock.open() as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # as a suspended process does
        for again in (lambda: report(tmp_path, "second", *OURS), lambda: put_beside(table, tmp_path)):
            with pytest.raises(ReportError, match=f"{message}.*suspended.*--out") as refused:
                again()
            assert refused.value.where == str(tmp_path)
    assert contents(tmp_path) == pages("first", *OURS)
    report(tmp_path, "third", *OURS)
    assert lock.read_text().startswith(f"process {os.getpid()} on ")
