import multiprocessing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.core.errors import KnockoutError
from study.spec.files import write_atomically
from study.spec.folder import OutFolder
from study.spec.records import CellRecord, Status
from study.store import ledger as ledger_module
from study.store.ledger import Ledger

PREDICTIONS = {"tf": np.array(["A", "NA"]), "score": np.array([0.5, 1.5], dtype=np.float32)}


def record(cell: str = "c", **changes: object) -> CellRecord:
    scores = {"test": {"auroc": 0.75, "epr": None}}
    return CellRecord(cell=cell, **{"scores": scores, "curves": {"joint_loss": [1.0, 0.5]}, **changes})


def files(out: Path) -> list[str]:
    return sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())


def test_what_is_written_is_read_back(tmp_path: Path):
    ledger = Ledger(tmp_path)
    written = record(seconds=1.5, split_digest="s", status=Status.DIVERGED, test_share=0.5)
    assert ledger.write(written, PREDICTIONS, {"before": np.ones((2, 3))})
    assert ledger.read("c") == written
    assert np.load(OutFolder(tmp_path).embeddings("c"))["before"].shape == (2, 3)
    assert pd.read_parquet(OutFolder(tmp_path).predictions("c"))["tf"].tolist() == ["A", "NA"]
    assert files(tmp_path) == ["embeddings/c.npz", "ledger/c.json", "predictions/c.parquet"]


def test_what_is_not_there_is_none_and_left_out(tmp_path: Path):
    ledger = Ledger(tmp_path / "nowhere")
    assert ledger.read("c") is None and ledger.read_all(["c"]) == {}
    ledger.write(record("a"))
    assert list(ledger.read_all(["c", "a"])) == ["a"]


def test_a_forgotten_cell_is_gone_and_forgetting_twice_is_no_error(tmp_path: Path):
    ledger = Ledger(tmp_path)
    ledger.write(record())
    ledger.forget("c")
    ledger.forget("c")
    assert ledger.read("c") is None


def test_a_failing_write_leaves_what_was_there_and_nothing_else(tmp_path: Path):
    path = tmp_path / "file"
    path.write_text("before")

    def fail(temporary: Path) -> None:
        temporary.write_text("half of it")
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        write_atomically(path, fail)
    assert path.read_text() == "before" and files(tmp_path) == ["file"]


def test_a_full_disk_is_reported_with_the_file(tmp_path: Path):
    def fail(temporary: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(KnockoutError, match="No space left on device") as refused:
        write_atomically(tmp_path / "file", fail)
    assert refused.value.where == str(tmp_path / "file") and files(tmp_path) == []


def full_disk(path: Path, write: object) -> bool:
    raise KnockoutError("the file cannot be written: No space left on device.", where=str(path))


def test_a_record_appears_after_its_predictions_or_not_at_all(tmp_path: Path):
    ledger = Ledger(tmp_path)
    with pytest.raises(KnockoutError, match="cannot be written"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger_module, "write_first", full_disk)
        ledger.write(record(), PREDICTIONS)
    assert ledger.read("c") is None
    assert files(tmp_path) == ["predictions/c.parquet"]


def test_the_first_of_two_writers_stays_with_its_predictions(tmp_path: Path):
    ledger = Ledger(tmp_path)
    assert ledger.write(record(seconds=1.0), PREDICTIONS)
    late = {**PREDICTIONS, "score": np.array([9.0, 9.0], dtype=np.float32)}
    assert not ledger.write(record(seconds=2.0), late)
    assert ledger.read("c").seconds == 1.0
    assert pd.read_parquet(OutFolder(tmp_path).predictions("c"))["score"].tolist() == [0.5, 1.5]


def write_often(out: Path, who: str) -> None:
    for number in range(30):
        Ledger(out).write(record(str(number), reason=who * 5000), PREDICTIONS)


def test_two_writers_never_leave_a_mixed_record(tmp_path: Path):
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=write_often, args=(tmp_path, who)) for who in "ab"]
    for writer in writers:
        writer.start()
    reasons = set()
    while any(writer.is_alive() for writer in writers):
        reasons |= {stored.reason for stored in Ledger(tmp_path).read_all(map(str, range(30))).values()}
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert reasons <= {"a" * 5000, "b" * 5000}
    assert {path.stem for path in (tmp_path / "ledger").iterdir()} == set(map(str, range(30)))
