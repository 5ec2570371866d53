import json
import multiprocessing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.core.errors import KnockoutError
from study.spec.files import write_atomically
from study.store.ledger import Ledger
from study.train.cell import Result


def result(cell: str = "c", **changes: object) -> Result:
    scores = {"test": {"auroc": 0.75, "epr": None}}
    predictions = {"tf": np.array(["A", "NA"]), "score": np.array([0.5, 1.5], dtype=np.float32)}
    return Result(
        cell, **{"scores": scores, "curves": {"joint_loss": [1.0, 0.5]}, "predictions": predictions, **changes}
    )


def files(out: Path) -> list[str]:
    return sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())


def test_what_is_written_is_read_back(tmp_path: Path):
    ledger = Ledger(tmp_path)
    ledger.write(result(seconds=1.5, facts={"split_digest": "s"}))
    read = ledger.read("c")
    assert read.predictions is None
    assert read == result(seconds=1.5, facts={"split_digest": "s"}, predictions=None)
    assert pd.read_parquet(ledger.predictions_of("c"))["tf"].tolist() == ["A", "NA"]
    assert files(tmp_path) == ["ledger/c.json", "predictions/c.parquet"]


def test_what_is_not_there_is_none_and_left_out(tmp_path: Path):
    ledger = Ledger(tmp_path / "nowhere")
    assert ledger.read("c") is None and ledger.read_all(["c"]) == {}
    ledger.write(result("a"))
    assert list(ledger.read_all(["c", "a"])) == ["a"]


def test_a_forgotten_cell_is_gone_and_forgetting_twice_is_no_error(tmp_path: Path):
    ledger = Ledger(tmp_path)
    ledger.write(result())
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


def test_a_full_disk_is_said_with_the_file(tmp_path: Path):
    def fail(temporary: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(KnockoutError, match="No space left on device") as refused:
        write_atomically(tmp_path / "file", fail)
    assert refused.value.where == str(tmp_path / "file") and files(tmp_path) == []


def test_a_record_appears_after_its_predictions_or_not_at_all(tmp_path: Path):
    ledger = Ledger(tmp_path)
    with pytest.raises(ValueError, match="JSON compliant"):
        ledger.write(result(seconds=float("nan")))
    assert ledger.read("c") is None
    assert files(tmp_path) == ["predictions/c.parquet"]


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "{}", '{"cell": "c", "unknown": 1}', b"\xff\xfe"])
def test_a_damaged_record_is_named(tmp_path: Path, content: str | bytes):
    ledger = Ledger(tmp_path)
    ledger.write(result())
    path = tmp_path / "ledger" / "c.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for read in (lambda: ledger.read("c"), lambda: ledger.read_all(["c"])):
        with pytest.raises(KnockoutError, match="damaged") as refused:
            read()
        assert refused.value.where == str(path)


def write_often(out: Path, who: str) -> None:
    for _ in range(30):
        Ledger(out).write(result(reason=who * 5000))


def test_two_writers_never_leave_a_mixed_record(tmp_path: Path):
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=write_often, args=(tmp_path, who)) for who in "ab"]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        read = Ledger(tmp_path).read("c")
        seen |= {read.reason} if read else set()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert seen <= {"a" * 5000, "b" * 5000}
    assert files(tmp_path) == ["ledger/c.json", "predictions/c.parquet"]
    assert json.loads((tmp_path / "ledger" / "c.json").read_text())["reason"] in {"a" * 5000, "b" * 5000}
