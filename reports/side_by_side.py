"""Calls that do not wait for each other, each in a copy of this process."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

Call = Callable[[], Any]
Outcome = tuple[Any, Exception | None]  # what a call returned, or what it raised


def side_by_side(calls: Sequence[Call], processes: int) -> list[Any]:
    """Return what calls return, in their order; ``processes`` at a time, each in a fork of this one.

    A fork has what was imported and read already, and ends with this process. What a call returns or raises is
    pickled, and what it changes elsewhere is lost. With one process, on a system that does not fork safely (any but
    Linux), or in a process that may have no children, the calls run one after another, here; as does one whose fork
    was killed, or whose outcome cannot be pickled.
    """
    alone = sys.platform != "linux" or multiprocessing.current_process().daemon
    if alone or min(processes, len(calls)) < 2:
        return [call() for call in calls]
    returned = []
    for call, outcome in zip(calls, _outcomes(calls, processes), strict=True):
        value, error = (call(), None) if outcome is None else outcome
        if error is not None:
            raise error
        returned.append(value)
    return returned


def _outcomes(calls: Sequence[Call], at_once: int) -> list[Outcome | None]:
    """Return the outcomes of calls in forks, None where one did not arrive: it was killed for memory, most likely."""
    outcomes: list[Outcome | None] = [None] * len(calls)
    running: dict[Connection, tuple[int, BaseProcess]] = {}
    waiting = list(enumerate(calls))
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                number, call = waiting.pop(0)
                receiver, process = _start(call)
                running[receiver] = number, process
            ready = wait([*running])
            for receiver in [one for one in running if one in ready]:
                outcomes[running[receiver][0]] = _received(receiver)
                running.pop(receiver)[1].join()
    finally:  # at Ctrl-C nobody waits for them
        for _, process in running.values():
            process.terminate()
    return outcomes


def _start(call: Call) -> tuple[Connection, BaseProcess]:
    fork = multiprocessing.get_context("fork")
    receiver, sender = fork.Pipe(duplex=False)
    process = fork.Process(target=_send, args=(call, sender, os.getpid()), daemon=True)
    with warnings.catch_warnings():
        # of threads in this process, whose locks a fork finds as they are: none is asked for in a call
        warnings.filterwarnings("ignore", ".*fork", DeprecationWarning)
        process.start()
    sender.close()
    return receiver, process


def _send(call: Call, sender: Connection, parent: int) -> None:
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as in a job in the background of a script
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # it ends without a word
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    gc.freeze()  # to look for garbage in what it has of its parent would copy it
    outcome: Outcome
    try:
        outcome = call(), None
    except Exception as error:
        outcome = None, error
    with suppress(Exception):  # nobody reads, or it cannot be pickled
        sender.send(outcome)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.1)
    os._exit(1)


def _received(receiver: Connection) -> Outcome | None:
    try:
        outcome: Outcome = receiver.recv()
    except Exception:  # nothing came, or it cannot be unpickled
        return None
    finally:
        receiver.close()
    return outcome
