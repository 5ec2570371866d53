from __future__ import annotations

import os
import signal
import socket
import time
import types
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.core.errors import KnockoutError
from study.plan.plan import make_plan
from study.run import cluster
from study.run.cluster import ClusterLostError, DaskWorkers, data_paths, work_on_cluster
from study.spec.cell import Cell
from study.spec.datasets import DatasetSpec
from study.spec.machine import Lane
from study.spec.records import CellRecord
from study.study_file.study import load_study
from study.train.cell import CellResult, run_cell

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.slow

# a nested function travels by value: the workers cannot import this module


@pytest.fixture(scope="module")
def start() -> Iterator[Callable[..., Any]]:
    """Start a cluster of worker processes that fork from one in which everything is imported."""
    import multiprocessing.popen_forkserver  # two nannies would import it at once, which Python 3.11 does not stand

    import dask
    from distributed.utils import get_mp_context

    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        get_mp_context()  # sets what it would import; ours replaces it
        multiprocessing.set_forkserver_preload(["distributed", "study.run.cluster"])
        yield partial(distributed.LocalCluster, host="127.0.0.1", dashboard_address=":0", processes=True)


@pytest.fixture(scope="module")
def local(start: Callable[..., Any]) -> Iterator[Any]:
    """Two worker processes, each with a nanny that starts it anew when it dies."""
    with start(n_workers=2, threads_per_worker=1) as running:
        yield running


@pytest.fixture
def cells(study_file: Callable[..., Path]) -> list[Cell]:
    return list(make_plan(load_study(study_file())).cells)


def outcomes(futures: list[Future[CellResult]]) -> list[CellResult]:
    assert not wait(futures, timeout=100).not_done
    return [future.result() for future in futures]


def until(condition: Callable[[], bool]) -> None:
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("waited for a minute in vain")


def local_copy(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that travels by value, though it belongs to this module."""
    copy = types.FunctionType(function.__code__, {"time": time, "__builtins__": __builtins__}, function.__name__)
    copy.__module__ = "__main__"
    return copy


def test_cells_on_a_cluster_equal_the_local_ones_value_by_value(local: Any, cells: list[Cell], tmp_path: Path):
    with DaskWorkers(local.scheduler_address, partial(work_on_cluster, out=tmp_path)) as workers:
        assert workers.lanes == (Lane("cpu", 1),) * 2
        remote = outcomes([workers.submit(cell) for cell in cells])
    assert len(remote) == len(cells) > 4
    for cell, ours in zip(cells, remote, strict=True):
        theirs = run_cell(cell, Lane("cpu", 1))
        assert ours.record.ok and theirs.record.ok, ours.record.reason
        costs = {"seconds", "shared_s", "peak_memory_mb"}
        assert ours.record.model_dump(exclude=costs) == theirs.record.model_dump(exclude=costs)
        assert ours.predictions is not None and theirs.predictions is not None
        for name, column in theirs.predictions.items():
            np.testing.assert_array_equal(ours.predictions[name], column)


def test_cells_run_in_the_processes_of_the_workers_and_keep_joblib_to_themselves(
    local: Any, cells: list[Cell], tmp_path: Path
):
    def work(cell: Cell) -> CellResult:
        from joblib.parallel import get_active_backend

        from study.run import cluster as there

        seen: dict[str, Any] = {}
        there.run_cell = lambda *given, **limits: seen.update(backend=type(get_active_backend()[0]).__name__)  # type: ignore
        try:
            there.work_on_cluster(cell, Path("nowhere"))
        finally:
            there.run_cell = run_cell
        (tmp_path / str(os.getpid())).touch()
        wait_until(lambda: len(list(tmp_path.iterdir())) >= 2)  # another worker has a cell, too
        return CellResult(CellRecord(cell=cell.digest, reason=seen["backend"]))

    wait_until = local_copy(until)
    with DaskWorkers(local.scheduler_address, work) as workers:
        ended = outcomes([workers.submit(cell) for cell in cells])
    pids = {path.name for path in tmp_path.iterdir()}
    assert len(pids) >= 2 and str(os.getpid()) not in pids  # more if one was started anew
    assert {result.record.reason for result in ended} == {"SequentialBackend"}


def test_a_cluster_of_one_worker_is_not_mistaken_for_the_driver(
    start: Callable[..., Any], local: Any, cells: list[Cell]
):
    def work(cell: Cell) -> CellResult:
        return CellResult(CellRecord(cell=cell.digest, reason=str(os.getpid())))

    with (
        start(n_workers=1, threads_per_worker=1) as single,
        DaskWorkers(single.scheduler_address, work) as workers,
    ):
        assert len(workers.lanes) == 1
        assert outcomes([workers.submit(cells[0])])[0].record.reason != str(os.getpid())
    with DaskWorkers(local.scheduler_address, work).alone as workers:
        assert len(workers.lanes) == 1


def test_a_worker_killed_in_the_middle_of_a_cell_does_not_lose_it(local: Any, cells: list[Cell], tmp_path: Path):
    def work(cell: Cell) -> CellResult:
        mark = tmp_path / cell.digest
        first = not mark.exists()
        mark.touch()
        if first and cell.digest == victim:
            os.kill(os.getpid(), signal.SIGKILL)
        return CellResult(CellRecord(cell=cell.digest))

    victim, before = cells[0].digest, set(local.scheduler.workers)
    with DaskWorkers(local.scheduler_address, work) as workers:
        ended = outcomes([workers.submit(cell) for cell in cells[:4]])
        assert [result.record.cell for result in ended] == [cell.digest for cell in cells[:4]]
        assert all(result.record.ok for result in ended)
        until(lambda: len(set(local.scheduler.workers) - before) == 1)  # the nanny starts another
        until(lambda: len(workers.lanes) == 2)


def test_a_cell_that_kills_every_worker_is_recorded_and_the_next_one_runs(
    local: Any, cells: list[Cell], monkeypatch: pytest.MonkeyPatch
):
    def work(cell: Cell) -> CellResult:
        if cell.digest == deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return CellResult(CellRecord(cell=cell.digest))

    deadly = cells[0].digest
    monkeypatch.setattr(local.scheduler, "allowed_failures", 1)
    with DaskWorkers(local.scheduler_address, work) as workers:
        (killed,) = outcomes([workers.submit(cells[0])])
        (other,) = outcomes([workers.submit(cells[1])])
    assert (killed.record.status, killed.record.cell, killed.record.device) == ("killed", deadly, "cpu")
    assert "2 workers of the cluster died at this cell" in killed.record.reason
    assert other.record.ok


def test_what_a_cell_raises_comes_back_as_it_is(local: Any, cells: list[Cell]):
    def work(cell: Cell) -> CellResult:
        raise KnockoutError("no such thing", where="here")

    with (
        DaskWorkers(local.scheduler_address, work) as workers,
        pytest.raises(KnockoutError, match="here: no such thing"),
    ):
        workers.submit(cells[0]).result(timeout=60)


def test_after_kill_no_cell_reports(local: Any, cells: list[Cell], tmp_path: Path):
    def work(cell: Cell) -> CellResult:
        wait_until((tmp_path / "released").exists)
        return CellResult(CellRecord(cell=cell.digest))

    wait_until = local_copy(until)
    with DaskWorkers(local.scheduler_address, work) as workers:
        flying = [workers.submit(cell) for cell in cells]
        workers.kill()  # if it waited for the cells, it would wait in vain
    (tmp_path / "released").touch()
    assert not any(future.done() and not future.exception() for future in flying)
    with pytest.raises(ClusterLostError):
        workers.submit(cells[0])


def test_a_scheduler_that_goes_away_breaks_the_cells_in_flight(
    start: Callable[..., Any], cells: list[Cell], tmp_path: Path
):
    def work(cell: Cell) -> CellResult:
        (tmp_path / "begun").touch()
        wait_until((tmp_path / "released").exists)
        return CellResult(CellRecord(cell=cell.digest))

    wait_until = local_copy(until)
    with (
        start(n_workers=1, threads_per_worker=1) as doomed,
        DaskWorkers(doomed.scheduler_address, work) as workers,
    ):
        future = workers.submit(cells[0])
        until((tmp_path / "begun").exists)
        doomed.close(timeout=5)
        with pytest.raises(workers.broken):
            future.result(timeout=60)


def test_workers_are_refused_where_data_code_or_threads_are_not_as_they_must_be(
    start: Callable[..., Any], local: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    absent = tmp_path / "absent"
    with pytest.raises(KnockoutError, match=rf"--cluster: worker tcp://127.* does not see {absent}"):
        DaskWorkers(local.scheduler_address, run_nothing, [tmp_path, absent]).__enter__()
    with monkeypatch.context() as other:
        other.setattr(cluster, "code_digest", lambda levels: "other code")
        with pytest.raises(KnockoutError, match="runs other code than this machine"):
            DaskWorkers(local.scheduler_address, run_nothing).__enter__()
    with monkeypatch.context() as other:
        other.setattr(cluster, "_look_around", lambda paths: __import__("knockout_is_not_there"))
        with pytest.raises(KnockoutError, match=r"cannot run knockout .*No module named 'knockout_is_not_there'"):
            DaskWorkers(local.scheduler_address, run_nothing).__enter__()
    with (
        start(n_workers=1, threads_per_worker=2) as wide,
        pytest.raises(KnockoutError, match=r"has 2 threads.*--nthreads 1"),
    ):
        DaskWorkers(wide.scheduler_address, run_nothing).__enter__()


def run_nothing(cell: Cell) -> CellResult:
    return CellResult(CellRecord(cell=cell.digest))


def test_no_scheduler_and_no_worker_have_different_messages(start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cluster, "CONNECT_S", 0.5)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: no answer, and no other process gets the port
        with pytest.raises(KnockoutError, match=r"--cluster: no Dask scheduler answers at tcp://127\.0\.0\.1"):
            DaskWorkers(f"dask://127.0.0.1:{taken.getsockname()[1]}", run_nothing).__enter__()
    with (
        start(n_workers=0) as empty,
        pytest.raises(KnockoutError, match=r"has no worker\. Start some first: dask worker tcp"),
    ):
        DaskWorkers(empty.scheduler_address, run_nothing).__enter__()


@pytest.mark.parametrize(
    "address", ["", "localhost", "ray://host:1", "dask://host", "dask://:8786", "dask://host:many", "tcp://host:1/path"]
)
def test_an_address_that_is_none_is_refused_before_anything_is_tried(address: str):
    with pytest.raises(KnockoutError, match=r"--cluster: .* is no address of a Dask scheduler.*dask://host:port"):
        DaskWorkers(address, run_nothing)


def test_the_likely_address_is_named():
    with pytest.raises(KnockoutError, match="Did you mean 'dask://node7:8786'"):
        DaskWorkers("node7:8786", run_nothing)
    assert DaskWorkers("dask://node7:8786", run_nothing).address == "tcp://node7:8786"
    assert DaskWorkers("tls://[::1]:8786", run_nothing).address == "tls://[::1]:8786"


def test_tls_without_certificates_is_refused_at_once():
    with pytest.raises(KnockoutError, match=r"--cluster: .* asks for TLS, but Dask's configuration names no cert"):
        DaskWorkers("tls://127.0.0.1:1", run_nothing).__enter__()


def test_dask_that_is_not_installed_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(KnockoutError, match=r"pip install 'knockout\[distributed\]'"):
        DaskWorkers("dask://127.0.0.1:1", run_nothing).__enter__()


def test_every_file_of_a_data_set_must_be_visible_from_the_workers(cells: list[Cell], tmp_path: Path):
    spec = DatasetSpec(path="a", network_file="n.csv", train_on=["b", "c"], orthologs="o.csv")
    other = replace(cells[0], dataset=spec, root=tmp_path)
    assert data_paths(cells) == ()  # simulated
    assert {path.name for path in data_paths([other, other, cells[0]])} == {"a", "n.csv", "b", "c", "o.csv"}
    assert all(path.parent == tmp_path for path in data_paths([other]))


def test_the_folder_of_the_study_is_used_only_where_the_worker_sees_it(
    cells: list[Cell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    given: list[Path | None] = []
    monkeypatch.setattr(cluster, "run_cell", lambda cell, lane, out, **limits: given.append(out))
    work_on_cluster(cells[0], tmp_path)
    (tmp_path / "search").mkdir()
    work_on_cluster(cells[0], tmp_path)
    assert given == [None, tmp_path]
