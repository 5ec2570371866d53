"""Of several drivers that write a cell's record, the first one's stays, whole."""

from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path
from typing import Any

import numpy as np

from study.spec.records import CellRecord
from study.store.ledger import Ledger

FORK = multiprocessing.get_context("fork")
LONG_S = 60.0


def record(who: str) -> CellRecord:
    return CellRecord(cell="c", reason=who * 5000, scores={"test": {"auroc": 0.75, "epr": None}})


def files(out: Path) -> list[str]:
    return sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())


def test_a_second_record_changes_nothing(tmp_path: Path):
    ledger = Ledger(tmp_path)
    assert ledger.write(record("a"), {"score": np.array([0.5])})
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    assert not ledger.write(record("b"), {"score": np.array([0.25])}, {"after": np.array([[1.0]])})
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before
    assert ledger.read("c") == record("a")


def test_a_forgotten_record_gives_way_to_the_next(tmp_path: Path):
    ledger = Ledger(tmp_path)
    ledger.write(record("a"))
    ledger.forget("c")
    assert ledger.write(record("b")) and ledger.read("c") == record("b")


def race(kind: Any, gate: Any, tell: Any, out: Path, writers: str) -> None:
    def write(who: str) -> None:
        gate.wait(LONG_S)
        if Ledger(out).write(record(who)):
            tell(who)

    started = [kind(target=write, args=(who,)) for who in writers]
    for one in started:
        one.start()
    for one in started:
        one.join()


def test_of_many_threads_at_once_one_writes_the_record(tmp_path: Path):
    won: list[str] = []
    race(threading.Thread, threading.Barrier(8), won.append, tmp_path, "abcdefgh")
    assert len(won) == 1 and Ledger(tmp_path).read("c") == record(won[0])
    assert files(tmp_path) == ["ledger/c.json"]


def test_of_many_processes_at_once_one_writes_the_record(tmp_path: Path):
    winners = FORK.SimpleQueue()
    race(FORK.Process, FORK.Barrier(4), winners.put, tmp_path, "abcd")
    assert Ledger(tmp_path).read("c") == record(winners.get())
    assert winners.empty() and files(tmp_path) == ["ledger/c.json"]
