"""Cells on a Dask cluster: workers on other machines, results back through the driver."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import torch
from joblib import parallel_config

from components.core.errors import KnockoutError
from components.plugins import loaded_paths
from study.spec.cell import Cell
from study.spec.code import code_digest
from study.spec.folder import OutFolder
from study.spec.machine import Lane
from study.spec.records import Status
from study.train.cell import CellResult, failed, run_cell

WHERE = "--cluster"
SCHEMES = ("dask", "tcp", "tls")
CONNECT_S = 10.0  # for the scheduler to answer, and for its first worker
ANY = Lane("cpu", 1)  # of a worker that is yet to come
ALIVE = ("running", "connecting")  # of a client
REFRESH_S = 1.0  # how often the driver looks for workers that came or went


class ClusterLostError(RuntimeError):
    """The scheduler is gone, and with it the cells in flight."""


Sight: TypeAlias = tuple[Lane, str, tuple[str, ...]]  # lane, code and missing data of one worker


class DaskWorkers:
    """The workers of a Dask cluster, one cell each.

    The address is the scheduler's: ``dask://host:port``; also ``tcp://`` and, with certificates in Dask's
    configuration, ``tls://``.

    Dask sends the cell of a worker that died to another, three times by default (``distributed.scheduler.
    allowed-failures``); then it is recorded as ``killed``. Cells that run when :meth:`kill` is called go on to their
    end on the workers, which cannot be interrupted; nobody hears of them.

    Raises
    ------
    KnockoutError
        If the address is none, no scheduler or worker answers, or a worker lacks the code or the data.
    """

    broken = (ClusterLostError,)

    def __init__(
        self,
        address: str,
        work: Callable[[Cell], CellResult],  # what a worker does with a cell; must be importable there
        data: Sequence[Path] = (),  # files and folders that every worker must see (data_paths)
        most: int | None = None,  # cells in flight; as many as there are workers if not given
    ) -> None:
        self.address, self.work, self.data, self.most = _scheduler(address), work, tuple(data), most
        self._known: dict[str, Lane] = {}  # by address; those that may work
        self._present: tuple[str, ...] = ()
        self._in_flight: set[Future[CellResult]] = set()
        self._looked = 0.0

    @property
    def alone(self) -> DaskWorkers:
        """The same cluster with one cell at a time."""
        return DaskWorkers(self.address, self.work, self.data, most=1)

    def __enter__(self) -> DaskWorkers:
        """Connect, and refuse workers that could not run a cell."""
        with ExitStack() as stack:
            self._client = _connect(self.address)
            stack.callback(self._client.close)
            try:
                self._client.wait_for_workers(1, timeout=CONNECT_S)
            except TimeoutError:
                raise KnockoutError(
                    f"the scheduler at {self.address} has no worker. Start some first: "
                    f"dask worker {self.address} --nworkers 4 --nthreads 1",
                    where=WHERE,
                ) from None
            self._look()
            left = threading.Event()
            stack.callback(left.set)
            threading.Thread(target=self._watch, args=(left,), name="knockout-cluster", daemon=True).start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the cluster; the results of cells in flight are lost."""
        self._stack.close()

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """One per worker of the cluster now; at least one, on which cells wait while all workers are gone."""
        if time.monotonic() - self._looked > REFRESH_S:
            with suppress(OSError):  # the cells in flight tell of a scheduler that is gone
                self._look()
        return (tuple(self._known[address] for address in self._present) or (ANY,))[: self.most]

    def submit(self, cell: Cell) -> Future[CellResult]:
        """Send a cell to the cluster."""
        if self._client.status not in ALIVE:
            raise self._lost()
        here = replace(cell, root=cell.root.resolve())  # a worker stands in another folder
        ended: Future[CellResult] = Future()
        self._in_flight.add(ended)
        task = self._client.submit(self.work, here, pure=False)
        task.add_done_callback(partial(self._pass_on, cell, ended))
        return ended

    def kill(self) -> None:
        """Leave the cells in flight; workers finish the ones they are at."""
        self._client.close()

    def _pass_on(self, cell: Cell, ended: Future[CellResult], task: Any) -> None:
        """Give the outcome of a Dask task to the future that the pool waits for."""
        from distributed import CancelledError, KilledWorker

        try:
            result = task.result()
        except KilledWorker as error:
            times, last = error.allowed_failures + 1, error.last_worker.address
            reason = f"{times} workers of the cluster died at this cell, one after the other, {last} the last"
            result = failed(cell, Status.KILLED, reason, self._known.get(last, ANY).device)
        except CancelledError:
            return self._fail(ended, self._lost())
        except BaseException as error:
            return self._fail(ended, error)
        self._in_flight.discard(ended)
        with suppress(InvalidStateError):  # it was given up already
            ended.set_result(result)

    def _fail(self, ended: Future[CellResult], error: BaseException) -> None:
        self._in_flight.discard(ended)
        with suppress(InvalidStateError):
            ended.set_exception(error)

    def _lost(self) -> ClusterLostError:
        return ClusterLostError(f"the scheduler at {self.address} is gone")

    def _watch(self, left: threading.Event) -> None:
        """Fail the cells in flight once the client has closed: Dask may then lose their callbacks."""
        while not left.wait(REFRESH_S):
            if self._client.status not in ALIVE:
                for ended in list(self._in_flight):
                    self._fail(ended, self._lost())

    def _look(self) -> None:
        """List the workers, and refuse new ones that could not work or would give other numbers."""
        threads = self._client.nthreads()
        new = [address for address in threads if address not in self._known]
        if new:
            paths = [str(path) for path in self.data]
            for address, sight in self._client.run(_look_around, paths, workers=new, on_error="return").items():
                if not isinstance(sight, OSError):  # it has left again
                    self._known[address] = _approved(address, threads[address], sight)
        self._present = tuple(address for address in threads if address in self._known)
        self._looked = time.monotonic()


def work_on_cluster(cell: Cell, out: Path, timeout_s: float | None = None) -> CellResult:
    """Run a cell on a worker of the cluster, with the study's folder where the worker sees it.

    Without the folder the cell has neither checkpoints nor stages that arms share, and the same result.
    """
    shared = out if OutFolder(out).is_study else None
    with parallel_config(backend="sequential"):  # joblib in a cell, as in sklearn's forests, must not use the cluster
        return run_cell(cell, _own_lane(), shared, timeout_s=timeout_s)


def data_paths(cells: Iterable[Cell]) -> tuple[Path, ...]:
    """Return every file and folder that the cells' data sets are read from, and the files of plug-ins."""
    sources = {(cell.dataset.model_dump_json(), cell.root): cell for cell in cells}
    paths = [path for cell in sources.values() for path in cell.dataset.paths(cell.root)]
    return tuple(dict.fromkeys([*paths, *loaded_paths()]))


def _scheduler(address: str) -> str:
    """Return the address as Dask writes it, or refuse it."""
    parts = urlsplit(address)
    with suppress(ValueError):  # of a port that is no number
        plain = "@" not in parts.netloc and not parts.query  # Dask knows no users; it would raise
        if parts.scheme in SCHEMES and parts.hostname and parts.port and parts.path in ("", "/") and plain:
            return f"{'tcp' if parts.scheme == 'dask' else parts.scheme}://{parts.netloc}"
    likely = f"dask://{address.rpartition('://')[2]}"
    meant = f" Did you mean {likely!r}?" if parts.scheme not in SCHEMES and ":" in likely.removeprefix("dask:") else ""
    raise KnockoutError(
        f"{address!r} is no address of a Dask scheduler.{meant} Write dask://host:port; tcp:// and tls:// are read, "
        "too, as `dask scheduler` prints them.",
        where=WHERE,
    )


def _connect(address: str) -> Any:
    try:
        from distributed import Client, Security
    except ImportError:
        raise KnockoutError("a cluster needs Dask: pip install 'knockout[distributed]'", where=WHERE) from None
    if address.startswith("tls:") and Security().get_connection_args("client")["ssl_context"] is None:
        raise KnockoutError(
            f"{address} asks for TLS, but Dask's configuration names no certificates for a client "
            "(distributed.comm.tls).",
            where=WHERE,
        )
    try:
        return Client(address, timeout=CONNECT_S, set_as_default=False, name="knockout")
    except OSError as error:  # as TimeoutError is
        reason = str(error).split("\n")[0] or type(error).__name__
        raise KnockoutError(
            f"no Dask scheduler answers at {address} within {CONNECT_S:.0f} s ({reason}). Is `dask scheduler` running, "
            "and may this machine reach that port?",
            where=WHERE,
        ) from None


def _look_around(paths: Sequence[str]) -> Sight:
    return _own_lane(), code_digest(()), tuple(path for path in paths if not Path(path).exists())


def _own_lane() -> Lane:
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    return Lane(device, int(os.environ.get("OMP_NUM_THREADS") or 1))


def _approved(address: str, threads: int, sight: Sight | BaseException) -> Lane:
    if threads != 1:
        raise KnockoutError(
            f"worker {address} has {threads} threads. Cells in one process would draw from the same random numbers and "
            "come out different each time; start workers with --nthreads 1, and more of them.",
            where=WHERE,
        )
    if isinstance(sight, BaseException):
        raise KnockoutError(
            f"worker {address} cannot run knockout ({type(sight).__name__}: {sight}). Install the same version there.",
            where=WHERE,
        )
    lane, code, absent = sight
    if code != code_digest(()):
        raise KnockoutError(
            f"worker {address} runs other code than this machine. Install the same version there, and start the worker "
            "anew.",
            where=WHERE,
        )
    if absent:
        raise KnockoutError(
            f"worker {address} does not see {', '.join(absent[:3])}. The data must lie under the same path on "
            "every machine.",
            where=WHERE,
        )
    return lane
