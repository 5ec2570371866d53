from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import psutil
import pytest
from joblib.externals.loky.process_executor import _ExecutorManagerThread

from study.actions import run as running
from study.plan.plan import make_plan
from study.run import pool as pool_module
from study.run import workers as workers_module
from study.run.engine import Means, drive
from study.run.listener import Listener
from study.run.pool import Pool
from study.run.workers import LocalWorkers, _sweep_slots
from study.spec.cell import Cell
from study.spec.machine import Lane
from study.spec.records import CellRecord, Status
from study.store.ledger import Ledger
from study.store.tracking.tracker import Tracker
from study.study_file.study import load_study
from study.train.cell import CellResult

LANES = (Lane("cpu", 1),) * 2  # forked workers stand no second thread
FORK = multiprocessing.get_context("fork")
LONG_S = 100.0  # the longest wait of a worker that is not released


@pytest.fixture
def cells(study_file: Callable[..., Path]) -> Callable[..., list[Cell]]:
    def plan(*arms: dict[str, str], **changes: Any) -> list[Cell]:
        design = {"kind": "explicit", "arms": list(arms)}
        return list(make_plan(load_study(study_file(design=design, **changes))).cells)

    return plan


def local_pool(out: Path, lanes: tuple[Lane, ...] = LANES) -> Pool:
    return Pool(LocalWorkers(lanes, functools.partial(pool_module.run_and_record, out)), out)


def run(pool: Pool, cells: list[Cell], *started: Callable[[Cell], None]) -> Iterator[CellRecord]:
    waiting = iter(cells)
    return (record for _, record in pool.run(lambda: next(waiting, None), *started))


@pytest.fixture
def instant(forked: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let forked workers end a cell at once, untrained."""
    monkeypatch.setattr(
        pool_module, "run_cell", lambda cell, lane, out, **limits: CellResult(CellRecord(cell=cell.digest))
    )


def by_label(cells: list[Cell], records: list[CellRecord]) -> dict[str, str]:
    labels = {cell.digest: f"{cell.arm.name} {cell.repeat}" for cell in cells}
    assert len(records) == len(cells), "a record for every cell, and one only"
    return {labels[record.cell]: record.status for record in records}


@pytest.mark.slow
def test_a_failure_costs_its_cell_and_nothing_else(
    plugin: Path, forked: None, cells: Callable[..., list[Cell]], tmp_path: Path
):
    planned = cells({"scorer": "boom"}, {"scorer": "suicide"}, {"contrast": "nan"}, {"scorer": "hungry"})
    pool = local_pool(tmp_path / "out")
    statuses = by_label(planned, list(run(pool, planned)))
    ends = {"boom": "error", "suicide": "killed", "hungry": "oom"}
    for repeat in (0, 1):
        assert statuses[f"full model {repeat}"] == statuses[f"degree {repeat}"] == "ok"
        assert statuses[f"contrast=nan {repeat}"] == "diverged"
        for name, status in ends.items():
            assert statuses[f"scorer={name} {repeat}"] == status
    records = Ledger(tmp_path / "out").read_all(cell.digest for cell in planned)
    assert len(records) == len(planned)
    assert all(record.reason for record in records.values() if not record.ok)
    assert all(record.scores and not record.reason for record in records.values() if record.ok)


class Here:
    """Workers in this process, which end their cells together, as soon as each lane has one."""

    broken: tuple[type[BaseException], ...] = ()

    def __init__(self, work: Callable[[Cell, int], CellResult], lanes: tuple[Lane, ...] = LANES) -> None:
        self.work, self.lanes = work, lanes
        self.flying: list[tuple[Cell, Future[CellResult]]] = []

    @property
    def alone(self) -> Here:
        return Here(self.work, self.lanes[:1])

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *error: object) -> None:
        assert not self.flying

    def submit(self, cell: Cell) -> Future[CellResult]:
        future: Future[CellResult] = Future()
        self.flying.append((cell, future))
        if len(self.flying) == len(self.lanes):
            ended, self.flying = self.flying, []
            for flown, waiting in ended:
                waiting.set_result(self.work(flown, len(ended) - 1))
        return future

    def kill(self) -> None:
        raise AssertionError("nobody asked for it")


def crowded(cell: Cell, neighbours: int) -> CellResult:
    """Run out of memory unless alone: as cells on a device that is too small for two of them."""
    return CellResult(CellRecord(cell=cell.digest, status=Status.OOM if neighbours else Status.OK))


class BreaksWhenSent(Here):
    """Workers that break as a cell is sent: as when a worker died since the pool last waited for one."""

    broken = (BrokenProcessPool,)

    def __init__(self, sent: int, lanes: tuple[Lane, ...] = LANES) -> None:
        super().__init__(lambda cell, neighbours: CellResult(CellRecord(cell=cell.digest)), lanes)
        self.sent = sent

    def __exit__(self, *error: object) -> None:
        self.flying.clear()  # lost with their workers

    def submit(self, cell: Cell) -> Future[CellResult]:
        self.sent -= 1
        if self.sent < 0:
            raise BrokenProcessPool("a worker died")
        return super().submit(cell)


@pytest.mark.parametrize("sent", range(4))
def test_workers_that_break_as_a_cell_is_sent_lose_none(
    sent: int, cells: Callable[..., list[Cell]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    planned = cells({"gnn": "none"})
    alone = Here(lambda cell, neighbours: CellResult(CellRecord(cell=cell.digest)), LANES[:1])
    workers = BreaksWhenSent(sent)
    monkeypatch.setattr(BreaksWhenSent, "alone", alone)
    assert set(by_label(planned, list(run(Pool(workers, tmp_path), planned))).values()) == {"ok"}


def test_a_worker_that_breaks_as_a_cell_is_sent_to_it_alone_costs_that_cell(
    cells: Callable[..., list[Cell]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    planned = cells({"gnn": "none"})
    monkeypatch.setattr(BreaksWhenSent, "alone", BreaksWhenSent(0, LANES[:1]))
    records = list(run(Pool(BreaksWhenSent(0), tmp_path), planned[:1]))
    assert [record.status for record in records] == ["killed"]


def starved(cell: Cell, lane: Lane) -> CellResult:
    return CellResult(CellRecord(cell=cell.digest, status=Status.OOM, reason="needs more than there is"))


def test_a_cell_that_ran_out_of_memory_is_tried_once_more_alone(cells: Callable[..., list[Cell]], tmp_path: Path):
    planned, out = cells({"gnn": "none"}), tmp_path / "out"
    sent: list[str] = []
    records = list(run(Pool(Here(crowded), out), planned, lambda cell: sent.append(cell.digest)))
    assert len(records) == len(planned) and {record.status for record in records} == {"ok"}
    assert sorted(sent) == sorted([cell.digest for cell in planned] * 2), "each had a neighbour at first"
    assert {r.status for r in Ledger(out).read_all(cell.digest for cell in planned).values()} == {"ok"}


def test_every_free_lane_has_a_cell_before_what_it_need_not_wait_for(cells: Callable[..., list[Cell]], tmp_path: Path):
    planned, events = cells({"gnn": "none"}), []
    waiting = iter(planned[:4])
    pool = Pool(Here(lambda cell, neighbours: CellResult(CellRecord(cell=cell.digest))), tmp_path)
    events_of = (lambda cell: events.append("sent")), (lambda: events.append("meanwhile"))
    for _ in pool.run(lambda: next(waiting, None), *events_of):
        events.append("ended")
    both = ["sent", "sent", "meanwhile", "ended", "ended"]
    assert events == [*both, *both, "meanwhile"], "two lanes, whose cells end together"


def test_lanes_have_cells_before_mlflow_has_the_study(
    study_file: Callable[..., Path], out: Path, monkeypatch: pytest.MonkeyPatch
):
    events: list[str] = []
    begin = Tracker.begin
    monkeypatch.setattr(Tracker, "begin", lambda self, plan: (events.append("begun"), begin(self, plan)))
    trained = Here(lambda cell, neighbours: CellResult(CellRecord(cell=cell.digest)))
    monkeypatch.setattr(running, "make_workers", lambda *arguments: trained)
    listener, study = Listener(), load_study(study_file(controls=False))
    monkeypatch.setattr(listener, "started", lambda cell: events.append("sent"))
    for place in range(2):
        outcome = running.run_plan(make_plan(study), out, listener, Means())
        assert outcome.complete and not outcome.remedy and outcome.view
        assert events == [["sent", "sent", "begun", "sent", "sent"], ["begun"]][place], (
            "nothing is sent the second time"
        )
        events.clear()


def test_a_stop_is_announced_while_a_store_hangs(cells: Callable[..., list[Cell]], out: Path):
    """The first Ctrl-C only sets a flag: a server that does not answer must not keep the word from the user."""
    waiting, listener, heard = iter(cells({"gnn": "none"})), Listener(), threading.Event()
    trained = Here(lambda cell, neighbours: CellResult(CellRecord(cell=cell.digest)))

    def hang() -> None:
        if heard.is_set():
            return
        signal.raise_signal(signal.SIGINT)
        assert heard.wait(30), "nothing was said while it hung"

    pool = Pool(trained, out, heard.set)
    ended = [cell for cell, _ in drive(lambda: next(waiting, None), pool, listener, meanwhile=hang)]
    assert len(ended) == 2, "those in flight, and no more"


def test_a_record_that_another_driver_wrote_meanwhile_stays(cells: Callable[..., list[Cell]], tmp_path: Path):
    """As when this driver slept, was taken for dead, and wakes with a result for a cell that was trained anew."""
    planned, ledger = cells({"gnn": "none"})[:2], Ledger(tmp_path)

    def overtaken(cell: Cell, neighbours: int) -> CellResult:
        ledger.write(CellRecord(cell=cell.digest, reason="theirs"))
        return CellResult(CellRecord(cell=cell.digest, reason="ours"))

    records = list(run(Pool(Here(overtaken), tmp_path), planned))
    assert [record.reason for record in records] == ["theirs"] * 2
    assert {r.reason for r in ledger.read_all(cell.digest for cell in planned).values()} == {"theirs"}
    assert not list((tmp_path / "claims").glob("*.json"))


@pytest.mark.slow
def test_a_cell_too_large_for_the_device_alone_is_recorded_as_oom(
    forked: None, cells: Callable[..., list[Cell]], tmp_path: Path
):
    planned, sent = cells({"gnn": "none"})[:3], list[str]()
    pool = Pool(LocalWorkers(LANES, starved), tmp_path / "out")
    assert [r.status for r in run(pool, planned, lambda cell: sent.append(cell.digest))] == ["oom"] * 3
    assert sorted(sent) == sorted([cell.digest for cell in planned] * 2), "each was tried twice, not more"
    assert len(Ledger(tmp_path / "out").read_all(cell.digest for cell in planned)) == 3


def test_cells_may_be_given_in_answer_to_results(instant: None, cells: Callable[..., list[Cell]], tmp_path: Path):
    planned, heard = cells({"gnn": "none"}), list[CellRecord]()

    def take() -> Cell | None:  # each cell only after the one before has ended, as a pruner would
        sent = len(given)
        if sent > len(heard) or sent == len(planned):
            return None
        given.append(planned[sent])
        return planned[sent]

    given: list[Cell] = []
    for cell, record in local_pool(tmp_path / "out").run(take):
        assert record.cell == cell.digest
        heard.append(record)
    assert [record.cell for record in heard] == [cell.digest for cell in planned]


def test_two_pools_on_one_folder_train_every_cell_once(instant: None, cells: Callable[..., list[Cell]], tmp_path: Path):
    planned, out = cells({"gnn": "none"}, repeats=3), tmp_path / "out"
    pools, sent = (local_pool(out), local_pool(out)), list[str]()
    loops = [run(pool, planned, lambda cell: sent.append(cell.digest)) for pool in pools]
    while loops:
        loops = [loop for loop in loops if next(loop, None) is not None]
    assert sorted(sent) == sorted({cell.digest for cell in planned}), "each was started once by one of the two"


def test_each_worker_owns_a_lane_with_its_threads(
    forked: None, cells: Callable[..., list[Cell]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    both = FORK.Barrier(2)

    def report(cell: Cell, lane: Lane, out: Path, **limits: Any) -> CellResult:
        both.wait(LONG_S)  # the other worker has a cell, too
        return CellResult(CellRecord(cell=cell.digest, reason=f"worker {os.getpid()} threads {lane.threads}"))

    monkeypatch.setattr(pool_module, "run_cell", report)
    planned = cells({"gnn": "none"})
    records = list(run(local_pool(tmp_path / "out", (Lane("cpu", 1), Lane("cpu", 2))), planned))
    assert len(records) == len(planned) == 6
    seen = {record.reason for record in records}
    assert sorted(reason.split()[-1] for reason in seen) == ["1", "2"]
    assert len({reason.split()[1] for reason in seen}) == 2


def test_a_lane_is_free_again_when_its_worker_has_left(tmp_path: Path):
    over = FORK.Event()

    def take(queue: Any, stay: bool) -> None:
        queue.put(workers_module._take_slot(tmp_path, 2))
        if stay:
            over.wait(LONG_S)

    queue = FORK.Queue()
    stays = FORK.Process(target=take, args=(queue, True))
    stays.start()
    held = queue.get(timeout=LONG_S)
    for _ in range(3):
        leaves = FORK.Process(target=take, args=(queue, False))
        leaves.start()
        assert queue.get(timeout=LONG_S) == 1 - held
        leaves.join()
    over.set()
    stays.join()


def test_the_ledger_spares_a_cell_that_another_driver_has_finished(
    instant: None, cells: Callable[..., list[Cell]], tmp_path: Path
):
    planned = cells({"gnn": "none"})
    Ledger(tmp_path / "out").write(CellRecord(cell=planned[0].digest, reason="of another driver"))
    reasons = {record.cell: record.reason for record in run(local_pool(tmp_path / "out"), planned)}
    assert reasons.pop(planned[0].digest) == "of another driver"
    assert set(reasons.values()) == {""}


def test_a_stopped_pool_finishes_running_cells_and_starts_none(
    instant: None, cells: Callable[..., list[Cell]], tmp_path: Path
):
    planned = cells({"gnn": "none"}, repeats=3)
    pool, started = local_pool(tmp_path / "out"), []

    def start(cell: Cell) -> None:
        started.append(cell.digest)
        if len(started) == 2:
            pool.stopping.set()

    records = list(run(pool, planned, start))
    assert len(records) == 2 and {record.cell for record in records} == set(started)
    assert len(started) == 2 < len(planned)
    assert len(list((tmp_path / "out" / "ledger").glob("*.json"))) == 2


def test_leaving_the_loop_does_not_wait_for_cells_in_flight(
    forked: None, cells: Callable[..., list[Cell]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    planned, never = cells({"gnn": "none"}), FORK.Event()

    def work(cell: Cell, lane: Lane, out: Path, **limits: Any) -> CellResult:
        if cell.digest != planned[0].digest:
            never.wait(LONG_S)
        return CellResult(CellRecord(cell=cell.digest))

    monkeypatch.setattr(pool_module, "run_cell", work)
    running = run(local_pool(tmp_path), planned)
    assert next(running).cell == planned[0].digest
    running.close()
    assert Ledger(tmp_path).cells() == {planned[0].digest}, "what flew was not waited for"


def test_a_damaged_record_is_the_cells_failure_and_the_others_run(
    instant: None, cells: Callable[..., list[Cell]], tmp_path: Path
):
    planned, ledger = cells({"gnn": "none"}), Ledger(tmp_path)
    path = ledger.folder.record(planned[0].digest)
    path.parent.mkdir(parents=True)
    path.write_text("[]")
    records = {record.cell: record for record in run(local_pool(tmp_path), planned)}
    damaged = records.pop(planned[0].digest)
    assert damaged.status == "damaged" and str(path) in damaged.reason
    assert len(records) == 5 and all(record.ok for record in records.values())
    assert path.read_text() == "[]", "no one writes over it unasked"


def test_lanes_of_a_killed_driver_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("psutil.pid_exists", lambda pid: pid == 11)
    for name in ("knockout-lanes-11-a", "knockout-lanes-12-b", "knockout-lanes-x", "others-12-c"):
        (tmp_path / name).mkdir()
    _sweep_slots()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "knockout-lanes-11-a",
        "knockout-lanes-x",
        "others-12-c",
    ]


def never_end(begun: Path, cell: Cell, lane: Lane) -> CellResult:
    begun.touch()
    time.sleep(LONG_S)
    raise AssertionError("the worker was not killed")


def test_killed_workers_are_gone_when_the_pool_is_left(
    forked: None, cells: Callable[..., list[Cell]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Also where the thread of loky that kills them comes to it late, as on a busy machine."""
    on_time = _ExecutorManagerThread.flag_executor_shutting_down

    def late(thread: _ExecutorManagerThread) -> None:
        time.sleep(0.5)
        on_time(thread)

    monkeypatch.setattr(_ExecutorManagerThread, "flag_executor_shutting_down", late)
    before = set(psutil.Process().children(recursive=True))
    begun = tmp_path / "begun"
    with LocalWorkers(LANES[:1], functools.partial(never_end, begun)) as workers:
        workers.submit(cells({"gnn": "none"})[0])
        while not begun.exists():
            time.sleep(0.01)
        workers.kill()
    left = set(psutil.Process().children(recursive=True)) - before
    assert not psutil.wait_procs(left, timeout=LONG_S / 10)[1]
