"""plan --register, and the report of a registered study, on the command line."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from study.spec.folder import OutFolder
from study.store.plan_file import read_plan, write_plan

STAY = "--no-cost"


def test_a_plan_writes_a_question_only_when_asked_to(study_file: Any, knockout: Any, tmp_path: Path):
    study, out = study_file(), tmp_path / "fresh"
    assert knockout("plan", study, "--out", out, STAY).code == 0 and not out.exists()
    homeless = knockout("plan", study, "--register", STAY)
    assert homeless.code == 2 and "name it with --out" in homeless.err
    completed = knockout("plan", study, "--out", out, "--register", STAY)
    assert (
        completed.code == 0
        and "registered on " in completed.out
        and [p.name for p in out.iterdir()] == ["registration.yaml"]
    )
    assert knockout("plan", study_file(), "--out", out, "--register", STAY).code == 0
    other = knockout("plan", study_file(margin=0.02), "--out", out, "--register", STAY)
    assert other.code == 2 and "margin: 0.01 -> 0.02" in other.err and "Traceback" not in other.err


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"looks": [1]}, "before all 1 blocks"), ({"looks": [0]}, "looks"), ({"alpha": 0.9}, "alpha")],
)
def test_a_look_or_a_level_that_cannot_be_is_refused(
    study_file: Any, knockout: Any, tmp_path: Path, changes: dict[str, Any], message: str
):
    completed = knockout("plan", study_file(**changes), "--out", tmp_path / "fresh", "--register", STAY)
    assert completed.code == 2 and message in completed.err and not (tmp_path / "fresh").exists()


@pytest.mark.slow
def test_a_report_states_what_was_registered_and_what_deviates(finished: Path, knockout: Any, tmp_path: Path):
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    assert "Not registered." in knockout("report", out).out
    late = knockout("plan", finished.parent / "tiny.yaml", "--out", out, "--register", STAY)
    assert late.code == 0 and "had ended by then" in late.out
    output = knockout("report", out, "--margin", "0.03").out
    assert "The margin is 0.03; registered was 0.01." in output and "with their scores in view" in output
    file = OutFolder(out).registration
    file.write_text(file.read_text().replace("margin: 0.01", "margin: 0.03"))
    edited = knockout("report", out)
    assert edited.code == 0 and "its digest does not fit" in edited.out
    assert "its digest does not fit" in (out / "report" / "report.html").read_text()


@pytest.mark.slow
def test_a_registration_that_is_removed_or_replaced_leaves_a_trace(finished: Path, knockout: Any, tmp_path: Path):
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    study = finished.parent / "tiny.yaml"
    assert knockout("plan", study, "--out", out, "--register", STAY).code == 0
    write_plan(read_plan(out), out)  # as a run does
    OutFolder(out).registration.unlink()
    write_plan(read_plan(out), out)
    removed = knockout("report", out)
    assert removed.code == 0 and "was there when cells were first run, and is gone" in removed.out
    assert "and is gone" in (out / "report" / "report.html").read_text()
    other = tmp_path / "other.yaml"
    other.write_text(study.read_text() + "\nmargin: 0.05\n")
    assert knockout("plan", other, "--out", out, "--register", STAY).code == 0
    assert "was replaced: when cells were first run" in knockout("report", out).out


@pytest.mark.slow
def test_a_study_that_is_half_run_is_interim(finished: Path, knockout: Any, tmp_path: Path):
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    plan = read_plan(out)
    more = [row.model_copy(update={"repeat": 7, "cell": f"{row.cell}x"}) for row in plan.rows]
    write_plan(plan.model_copy(update={"rows": [*plan.rows, *more]}), out)
    output = knockout("report", out).out
    assert "INTERIM (0 of 1 block)" in output and "<h1>INTERIM" in (out / "report" / "report.html").read_text()
    of_table = knockout("report", out / "cells.parquet", "--out", tmp_path / "of-table")
    assert "INTERIM (0 of 1 block)" in of_table.out, of_table.err
    edited = tmp_path / "other"
    shutil.copytree(out, edited)
    beside = knockout("compare", out, edited, "--out", tmp_path / "beside")
    assert "INTERIM (0 of 1 block)" in beside.out, beside.err
