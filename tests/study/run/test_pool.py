import functools
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from study.plan.plan import make_plan
from study.run import pool as pool_module
from study.run import workers as workers_module
from study.run.pool import Pool
from study.run.workers import LocalWorkers
from study.spec.machine import Lane
from study.store.ledger import Ledger
from study.study_file.study import load_study
from study.train.cell import Cell, Result

LANES = (Lane("cpu", 1),) * 2  # forked workers stand no second thread


@pytest.fixture
def cells(study_file: Callable[..., Path]) -> Callable[..., list[Cell]]:
    def plan(*arms: dict[str, str], **changes: Any) -> list[Cell]:
        design = {"kind": "explicit", "arms": list(arms)}
        return list(make_plan(load_study(study_file(design=design, **changes))).cells)

    return plan


def local_pool(out: Path, lanes: tuple[Lane, ...] = LANES) -> Pool:
    return Pool(LocalWorkers(lanes, functools.partial(pool_module.run_and_record, out)), out)


def run(pool: Pool, cells: list[Cell], *started: Callable[[Cell], None]) -> Iterator[Result]:
    waiting = iter(cells)
    return pool.run(lambda: next(waiting, None), *started)


def by_label(cells: list[Cell], results: list[Result]) -> dict[str, str]:
    labels = {cell.digest: f"{cell.arm.name} {cell.repeat}" for cell in cells}
    assert len(results) == len(cells), "a result for every cell, and one only"
    return {labels[result.cell]: result.status for result in results}


def test_a_failure_costs_its_cell_and_nothing_else(
    plugin: Path, forked: None, cells: Callable[..., list[Cell]], tmp_path: Path
):
    planned = cells({"scorer": "boom"}, {"scorer": "suicide"}, {"contrast": "nan"}, {"scorer": "hungry"})
    pool = local_pool(tmp_path / "out")
    found = by_label(planned, list(run(pool, planned)))
    ends = {"boom": "error", "suicide": "killed", "hungry": "oom"}
    for repeat in (0, 1):
        assert found[f"full model {repeat}"] == found[f"degree {repeat}"] == "ok"
        assert found[f"contrast=nan {repeat}"] == "diverged"
        for name, status in ends.items():
            assert found[f"scorer={name} {repeat}"] == status
    records = Ledger(tmp_path / "out").read_all(cell.digest for cell in planned)
    assert len(records) == len(planned)
    assert all(record.reason for record in records.values() if record.status != "ok")
    assert all(record.scores and not record.reason for record in records.values() if record.status == "ok")


def crowded(folder: Path, cell: Cell, lane: Lane) -> Result:
    """Run out of memory unless alone: as cells on a device that is too small for two of them."""
    mine = folder / f"{cell.digest}.running"
    mine.touch()
    time.sleep(0.3)
    neighbours = len(list(folder.glob("*.running"))) - 1
    mine.unlink()
    return Result(cell.digest, status="oom" if neighbours else "ok", facts={"neighbours": neighbours})


def starved(cell: Cell, lane: Lane) -> Result:
    return Result(cell.digest, status="oom", reason="needs more than there is")


def test_a_cell_that_ran_out_of_memory_is_tried_once_more_alone(
    forked: None, cells: Callable[..., list[Cell]], tmp_path: Path
):
    planned, out = cells({"gnn": "none"}), tmp_path / "out"
    (tmp_path / "running").mkdir()
    pool = Pool(LocalWorkers(LANES, functools.partial(crowded, tmp_path / "running")), out)
    sent: list[str] = []
    results = list(run(pool, planned, lambda cell: sent.append(cell.digest)))
    assert len(results) == len(planned) and {result.status for result in results} == {"ok"}
    assert len(sent) > len(planned), "some had neighbours at first"
    assert {r.status for r in Ledger(out).read_all(cell.digest for cell in planned).values()} == {"ok"}


def test_a_cell_too_large_for_the_device_alone_is_recorded_as_oom(
    forked: None, cells: Callable[..., list[Cell]], tmp_path: Path
):
    planned, sent = cells({"gnn": "none"})[:3], list[str]()
    pool = Pool(LocalWorkers(LANES, starved), tmp_path / "out")
    assert [r.status for r in run(pool, planned, lambda cell: sent.append(cell.digest))] == ["oom"] * 3
    assert sorted(sent) == sorted([cell.digest for cell in planned] * 2), "each was tried twice, not more"
    assert len(Ledger(tmp_path / "out").read_all(cell.digest for cell in planned)) == 3


def test_cells_may_be_given_in_answer_to_results(forked: None, cells: Callable[..., list[Cell]], tmp_path: Path):
    planned, heard = cells({"gnn": "none"}), list[Result]()

    def take() -> Cell | None:  # each cell only after the one before has ended, as a pruner would
        sent = len(given)
        if sent > len(heard) or sent == len(planned):
            return None
        given.append(planned[sent])
        return planned[sent]

    given: list[Cell] = []
    for result in local_pool(tmp_path / "out").run(take):
        heard.append(result)
    assert [result.cell for result in heard] == [cell.digest for cell in planned]


def test_two_pools_on_one_folder_train_every_cell_once(
    plugin: Path, forked: None, cells: Callable[..., list[Cell]], tmp_path: Path
):
    planned, out = cells({"gnn": "none"}, {"scorer": "slow"}, repeats=3), tmp_path / "out"
    pools, sent = (local_pool(out), local_pool(out)), list[str]()
    loops = [run(pool, planned, lambda cell: sent.append(cell.digest)) for pool in pools]
    found: list[list[Result]] = [[], []]
    while loops:
        for loop in list(loops):
            result = next(loop, None)
            if result is None:
                loops.remove(loop)
            else:
                found[len(loops) == 2 and loops.index(loop)].append(result)
    assert sorted(sent) == sorted({cell.digest for cell in planned}), "each was started once by one of the two"


def test_each_worker_owns_a_lane_with_its_threads(
    plugin: Path, forked: None, cells: Callable[..., list[Cell]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def report(cell: Cell, lane: Lane, out: Path) -> Result:
        time.sleep(0.3)  # long enough that the other worker takes the next
        return Result(cell.digest, facts={"threads": lane.threads, "worker": os.getpid()})

    monkeypatch.setattr(pool_module, "run_cell", report)
    planned = cells({"gnn": "none"})
    facts = [result.facts for result in run(local_pool(tmp_path / "out", (Lane("cpu", 1), Lane("cpu", 2))), planned)]
    lane_of = {fact["worker"]: fact["threads"] for fact in facts}
    assert sorted(lane_of.values()) == [1, 2]
    assert all(lane_of[fact["worker"]] == fact["threads"] for fact in facts)


def test_a_lane_is_free_again_when_its_worker_has_left(tmp_path: Path):
    import multiprocessing

    def take(queue: Any, hold: float) -> None:
        queue.put(workers_module._take_slot(tmp_path, 2))
        time.sleep(hold)

    fork = multiprocessing.get_context("fork")
    queue = fork.Queue()
    stays = fork.Process(target=take, args=(queue, 5.0))
    stays.start()
    held = queue.get(timeout=5)
    for _ in range(3):
        leaves = fork.Process(target=take, args=(queue, 0.0))
        leaves.start()
        assert queue.get(timeout=5) == 1 - held
        leaves.join()
    stays.kill()
    stays.join()


def test_the_ledger_spares_a_cell_that_another_driver_has_finished(
    forked: None, cells: Callable[..., list[Cell]], tmp_path: Path
):
    planned = cells({"gnn": "none"})
    Ledger(tmp_path / "out").write(Result(planned[0].digest, reason="of another driver"))
    found = {result.cell: result.reason for result in run(local_pool(tmp_path / "out"), planned)}
    assert found.pop(planned[0].digest) == "of another driver"
    assert set(found.values()) == {""}


def test_a_stopped_pool_finishes_what_flies_and_starts_nothing(
    plugin: Path, forked: None, cells: Callable[..., list[Cell]], tmp_path: Path
):
    planned = cells({"scorer": "slow"}, repeats=3)
    pool, started = local_pool(tmp_path / "out"), []

    def start(cell: Cell) -> None:
        started.append(cell.digest)
        if len(started) == 2:
            pool.stop()

    results = list(run(pool, planned, start))
    assert [result.cell for result in results] and {r.cell for r in results} == set(started)
    assert len(started) == 2 < len(planned)
    assert len(list((tmp_path / "out" / "ledger").glob("*.json"))) == 2


def test_leaving_the_loop_does_not_wait_for_cells_in_flight(
    plugin: Path, forked: None, cells: Callable[..., list[Cell]], tmp_path: Path
):
    planned = [cell for cell in cells({"scorer": "slow"}, repeats=4) if cell.arm.name == "scorer=slow"]
    running = run(local_pool(tmp_path / "out"), planned)
    next(running)
    left = time.monotonic()
    running.close()
    assert time.monotonic() - left < 0.8  # a slow cell takes a second
    assert len(list((tmp_path / "out" / "ledger").glob("*.json"))) < len(planned)


def test_a_damaged_record_stops_the_study_and_names_the_file(
    forked: None, cells: Callable[..., list[Cell]], tmp_path: Path
):
    from components.core.errors import KnockoutError

    planned = cells({"gnn": "none"})
    (tmp_path / "out" / "ledger").mkdir(parents=True)
    (tmp_path / "out" / "ledger" / f"{planned[0].digest}.json").write_text(json.dumps([]))
    with pytest.raises(KnockoutError, match=planned[0].digest):
        list(run(local_pool(tmp_path / "out"), planned))
