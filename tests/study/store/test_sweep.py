"""What killed runs leave is swept by the next one, and nothing else."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from study.spec.files import write_text
from study.spec.folder import OutFolder
from study.spec.records import CellRecord
from study.store.claims import Claims
from study.store.drivers import sweep
from study.store.ledger import Ledger


@pytest.fixture
def dead_pid() -> int:
    """The number of a process that has ended."""
    return int(subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True).stdout)


def leave(path: Path, *, age: float = 60.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("half a fi")
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_what_a_killed_run_was_writing_is_removed(tmp_path: Path, dead_pid: int):
    left = [
        leave(tmp_path / "ledger" / f".ab12.json.{dead_pid}.x_1.tmp"),
        leave(tmp_path / f".plan.json.{dead_pid}.y2.tmp"),
        leave(tmp_path / "tune" / "abc" / "trials" / f".000001.json.{dead_pid}.z.tmp"),
        leave(tmp_path / "report" / ".report-q" / "report.html").parent,
    ]
    os.utime(left[-1], (time.time() - 7200,) * 2)
    remaining = [
        leave(tmp_path / "ledger" / "ab12.json"),
        leave(tmp_path / "ledger" / f".cd34.json.{os.getpid()}.x.tmp"),
        leave(tmp_path / "ledger" / f".ef56.json.{dead_pid}.x.tmp", age=0.0),
        leave(tmp_path / ".notes.tmp"),
        leave(tmp_path / "report" / ".report-now" / "report.html"),
    ]
    sweep(tmp_path)
    assert not [path for path in left if path.exists()]
    assert all(path.exists() for path in remaining), "files of living writers, young ones, and those of nobody here"


def test_what_a_writer_leaves_when_it_is_killed_has_the_name_that_is_swept(tmp_path: Path):
    code = (
        "import os, signal; from pathlib import Path; from study.spec.files import write_atomically\n"
        "write_atomically(Path('x.json'), lambda path: os.kill(os.getpid(), signal.SIGKILL))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(Path.cwd())})
    (left,) = tmp_path.iterdir()
    os.utime(left, (time.time() - 60,) * 2)
    sweep(tmp_path)
    assert not left.exists()


def test_checkpoints_of_cells_that_have_ended_are_removed(tmp_path: Path):
    folder = OutFolder(tmp_path)
    for cell in ("done", "open"):
        leave(folder.checkpoint(cell))
        leave(folder.checkpoint(cell, 2))
    Ledger(tmp_path).write(CellRecord(cell="done"))
    sweep(tmp_path)
    assert sorted(path.name for path in folder.checkpoints.iterdir()) == ["open-fold_2.pt", "open.pt"]


def test_another_living_driver_is_left_alone(tmp_path: Path, dead_pid: int):
    write_text(tmp_path / "x", "")
    left = leave(tmp_path / "ledger" / f".ab12.json.{dead_pid}.x.tmp")
    with Claims(tmp_path):
        sweep(tmp_path)
        assert left.exists()
    sweep(tmp_path)
    assert not left.exists()
