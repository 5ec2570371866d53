from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from reports.errors import ReportError
from reports.side_by_side import side_by_side

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux alone")


def fail(message: str) -> None:
    raise ReportError(message, where="a table")


def slow(seconds: float, value: object) -> object:
    time.sleep(seconds)
    return value


@pytest.mark.parametrize("processes", [1, 2, 8])
def test_calls_return_in_their_order(processes: int):
    calls = [partial(slow, seconds, number) for number, seconds in enumerate((0.05, 0.0, 0.02, 0.0, 0.0))]
    assert side_by_side(calls, processes) == [0, 1, 2, 3, 4]
    assert side_by_side([], processes) == []


def test_calls_run_in_forks_and_no_more_at_a_time_than_asked(tmp_path: Path):
    def present() -> tuple[int, int]:
        mine = tmp_path / str(os.getpid())
        mine.touch()
        time.sleep(0.05)
        at_once = len([*tmp_path.iterdir()])
        mine.unlink()
        return os.getpid(), at_once

    seen = side_by_side([present] * 6, 2)
    assert len({pid for pid, _ in seen} | {os.getpid()}) == 7
    assert max(at_once for _, at_once in seen) == 2
    assert {pid for pid, _ in side_by_side([present] * 2, 1)} == {os.getpid()}


@pytest.mark.parametrize("processes", [1, 2])
def test_what_a_call_raises_is_raised(processes: int):
    with pytest.raises(ReportError, match="a table: no scores") as raised:
        side_by_side([partial(slow, 0, 1), partial(fail, "no scores"), partial(fail, "later")], processes)
    assert raised.value.where == "a table" and raised.value.message == "no scores"


def test_a_call_whose_fork_was_killed_runs_here():
    here = os.getpid()

    def die() -> int:
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return 1

    assert side_by_side([die, partial(slow, 0, 2)], 2) == [1, 2]


class OddError(Exception):
    """Is pickled, and not unpickled."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def test_a_call_whose_outcome_cannot_be_pickled_runs_here(capfd: pytest.CaptureFixture[str]):
    def odd() -> None:
        raise OddError(1, 2)

    with pytest.raises(OddError, match="1 and 2"):
        side_by_side([odd, partial(slow, 0, 2)], 2)
    unpicklable = lambda: 3  # noqa: E731
    assert side_by_side([lambda: unpicklable, partial(slow, 0, 2)], 2) == [unpicklable, 2]
    assert capfd.readouterr().err == ""


def test_a_process_that_may_have_no_children_calls_one_after_another():
    with multiprocessing.get_context("fork").Pool(1) as pool:  # its process is a daemon
        assert pool.apply(side_by_side, ([partial(slow, 0, 1), partial(slow, 0, 2)], 2)) == [1, 2]


SLEEP = """
import os, sys, time
from reports.side_by_side import side_by_side
def call():
    print(os.getpid(), flush=True)
    time.sleep(60)
    return bytes(10**6)
side_by_side([call, call], 2)
"""


def works(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def sleeping(at_ctrl_c: signal.Handlers) -> subprocess.Popen[str]:
    """Start two forks that sleep, in a session of their own; who runs the tests may ignore Ctrl-C."""
    return subprocess.Popen(
        [sys.executable, "-c", SLEEP],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, at_ctrl_c),
    )


def test_forks_of_a_process_that_ignores_ctrl_c_ignore_it():
    started = sleeping(signal.SIG_IGN)
    assert started.stdout is not None
    forks = [int(started.stdout.readline()) for _ in range(2)]
    os.killpg(started.pid, signal.SIGINT)
    time.sleep(0.5)
    assert all(map(works, forks)) and started.poll() is None
    os.killpg(started.pid, signal.SIGKILL)
    started.communicate(timeout=20)


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_forks_end_with_the_process_that_started_them(ended_by: signal.Signals):
    started = sleeping(signal.SIG_DFL)
    assert started.stdout is not None and started.stderr is not None
    forks = [int(started.stdout.readline()) for _ in range(2)]
    if ended_by is signal.SIGINT:  # a terminal tells all of them
        os.killpg(started.pid, ended_by)
    else:
        started.send_signal(ended_by)
    _, said = started.communicate(timeout=20)
    assert said.count("Traceback") == (ended_by is signal.SIGINT), said
    limit = time.monotonic() + 20
    while any(map(works, forks)):
        assert time.monotonic() < limit, "a fork waits for a reader that is gone"
        time.sleep(0.05)
