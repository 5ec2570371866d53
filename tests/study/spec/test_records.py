"""A record that cannot be used is one cell's failure, with its reason, and stops nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reports.build import Written
from study.plan.plan import make_plan
from study.spec.folder import OutFolder
from study.spec.records import CellRecord, DamagedRecordError, Status, read_record
from study.store.ledger import Ledger
from study.store.plan_file import read_plan
from study.study_file.study import load_study


def cut(text: str) -> str:
    return text[: len(text) // 2]


def of_wrong_types(text: str) -> str:
    return json.dumps({**json.loads(text), "seconds": "long"})


def of_another_cell(text: str) -> str:
    return json.dumps({**json.loads(text), "cell": "another"})


def of_a_later_version(text: str) -> str:
    return json.dumps({**json.loads(text), "version": 99, "how": "unknown here"})


DAMAGES: dict[str, tuple[Callable[[str], str], str]] = {
    "empty": (lambda text: "", "it is empty"),
    "cut": (cut, "it is no JSON, or was cut"),
    "wrongly typed": (of_wrong_types, "seconds: input should be a valid number"),
    "of another cell": (of_another_cell, "it is the record of another cell: 'another'"),
    "of a later version": (of_a_later_version, "it is of version 99, later than this knockout reads (1); upgrade"),
}
each_damage = pytest.mark.parametrize("damage", DAMAGES)


@pytest.fixture(scope="module")
def folders(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path]]:
    """Give a copy of the finished study for each damage, and the record that is damaged: of the arm gnn=none."""
    copies: dict[str, tuple[Path, Path]] = {}

    def copy(damage: str) -> tuple[Path, Path]:
        if damage not in copies:
            root = tmp_path_factory.mktemp("damaged")
            shutil.copytree(finished, root / "out")
            shutil.copy(finished.parent / "tiny.yaml", root)
            cell = next(row.cell for row in read_plan(root / "out").rows if row.arm == "gnn=none")
            path = OutFolder(root / "out").record(cell)
            path.write_text(DAMAGES[damage][0](path.read_text()))
            copies[damage] = root / "out", path
        return copies[damage]

    return copy


@each_damage
def test_the_reason_is_read_with_the_failure(folders, damage: str):
    out, path = folders(damage)
    with pytest.raises(DamagedRecordError) as refused:
        read_record(path, CellRecord, cell=path.stem)
    assert refused.value.message.startswith(DAMAGES[damage][1]) and refused.value.where == str(path)
    record = Ledger(out).read(path.stem)
    assert record is not None and (record.cell, record.status, record.ok) == (path.stem, Status.DAMAGED, False)
    assert DAMAGES[damage][1] in record.reason and str(path) in record.reason and "--retry-failed" in record.reason


@each_damage
def test_status_counts_it_among_the_failures(folders, knockout: Callable[..., Any], damage: str):
    out, _ = folders(damage)
    completed = knockout("status", out)
    assert (completed.code, completed.err) == (0, "")
    assert "6 of 6 cells (5 ok, 1 damaged)" in completed.out
    assert "damaged: gnn=none / net / repeat 0: the record is damaged: " in completed.out
    assert DAMAGES[damage][1] in completed.out


@each_damage
def test_plan_counts_it_as_done(folders, knockout: Callable[..., Any], damage: str):
    out, _ = folders(damage)
    completed = knockout("plan", out.parent / "tiny.yaml", "--out", out)
    assert (completed.code, completed.err) == (0, "")
    assert "6 cells, 6 done" in completed.out


@pytest.mark.parametrize("damage", ["cut", *(pytest.param(d, marks=pytest.mark.slow) for d in DAMAGES if d != "cut")])
def test_report_goes_on_without_it(folders, knockout: Callable[..., Any], damage: str):
    out, _ = folders(damage)
    completed = knockout("report", out)
    assert (completed.code, completed.err) == (0, "")
    assert (out / "report" / "report.html").stat().st_size


@each_damage
def test_run_leaves_it_alone_with_a_message(
    folders, knockout: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, damage: str
):
    monkeypatch.setattr(
        "study.actions.report.write", lambda analysis, out, **how: Written(out, [], {"rows": []})
    )  # the report has a test of its own
    out, path = folders(damage)
    before = path.read_bytes()
    completed = knockout("run", out.parent / "tiny.yaml", "--out", out)
    assert completed.code == 3 and "Traceback" not in completed.err
    assert "6 cells are in the ledger already; 0 to run" in completed.out
    assert path.read_bytes() == before


@pytest.fixture
def damaged_everywhere(study_file: Callable[..., Path], out: Path) -> Iterator[tuple[Path, Path]]:
    """A study none of whose records can be used, each damaged in a way of its own."""
    study = study_file(design={"kind": "explicit", "arms": [{"gnn": "none"}]}, controls=["degree"])
    ledger = Ledger(out)
    cells = make_plan(load_study(study)).cells
    for cell, (spoil, _) in zip(cells, DAMAGES.values(), strict=False):
        ledger.write(CellRecord(cell=cell.digest, scores={"test": {"auroc": 0.75}}))
        path = ledger.folder.record(cell.digest)
        path.write_text(spoil(path.read_text()))
    yield study, out


@pytest.mark.slow
def test_they_are_run_again_when_asked_for(
    forked: None, damaged_everywhere: tuple[Path, Path], knockout: Callable[..., Any]
):
    study, out = damaged_everywhere
    assert {record.status for record in Ledger(out).read_all(Ledger(out).cells()).values()} == {Status.DAMAGED}
    completed = knockout("run", study, "--out", out, "--retry-failed")
    assert completed.code == 0, completed.err
    records = Ledger(out).read_all(Ledger(out).cells())
    assert len(records) == 6 and all(record.ok for record in records.values())
