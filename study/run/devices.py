"""What devices this machine has for workers, and the memory that is free on each."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil
import torch
from joblib.externals.loky import ProcessPoolExecutor

T = TypeVar("T")


@dataclass(frozen=True)
class Device:
    """Where workers may run.

    Attributes
    ----------
    name
        torch device: ``cpu`` or ``cuda:N``.
    free_mb
        Memory (2^20 bytes) that nobody uses now.
    """

    name: str
    free_mb: float

    @property
    def kind(self) -> str:
        """``cpu`` or ``cuda``."""
        return self.name.partition(":")[0]


def devices() -> tuple[Device, ...]:
    """Return this machine's GPUs, or its CPU if it has none, with the memory that is free now."""
    if torch.cuda.device_count():
        return in_child(_gpus)  # this process would hold a context on every GPU to its end
    return (Device("cpu", min(psutil.virtual_memory().available / 2**20, cgroup_headroom_mb())),)


def _gpus() -> tuple[Device, ...]:
    free = [torch.cuda.mem_get_info(index)[0] for index in range(torch.cuda.device_count())]
    return tuple(Device(f"cuda:{index}", here / 2**20) for index, here in enumerate(free))


def cgroup_headroom_mb(own: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")) -> float:
    """Return the memory that control groups leave this process: SLURM's and a container's limit, which psutil ignores.

    Page cache counts as free, since the kernel drops it first.
    """
    try:
        lines = [line.split(":", 2) for line in own.read_text().splitlines()]
    except OSError:
        return math.inf
    left = math.inf
    for _, controllers, path in lines:
        if controllers == "":
            top, names = root, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            top, names = root / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        folder = top / path.lstrip("/")
        for group in (folder, *folder.parents):
            left = min(left, _headroom_mb(group, *names))
            if group == top:
                break
    return left


def _headroom_mb(group: Path, limit: str, usage: str, cache: str) -> float:
    with suppress(OSError, ValueError):  # no such file; "max"
        dropped = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        bound, used = int((group / limit).read_text()), int((group / usage).read_text())
        return max(0.0, (bound - used + int(dropped.get(cache, 0))) / 2**20)
    return math.inf


def in_child(function: Callable[[], T]) -> T:
    """Call a function in a process of its own, which is gone, with all its memory, when this returns."""
    with ProcessPoolExecutor(1, env={"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}) as executor:
        answer: T = executor.submit(function).result()
    return answer
