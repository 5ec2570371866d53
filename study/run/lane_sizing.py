"""Sizes lanes by measurement: as many workers on a device as its memory holds, from the memory that one cell takes.

What a cell takes is read from the ledger where a cell of the same arm and data set was finished, and else measured
(:mod:`study.run.memory_probe`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from search_spaces.arm import canonical_json
from study.run.memory_probe import in_child, probe_peak
from study.spec.cell import Cell
from study.spec.machine import Lane, cores, is_auto, parse_lanes
from study.store.ledger import Ledger

GPU_SHARE, CPU_SHARE = 0.9, 0.8  # of what is free; a CPU's memory is also the page cache's and the driver's
MOST_PER_GPU = 4  # without MPS, workers take turns on a GPU: a few fill the gaps that Python leaves, more only wait
CONTEXT_MB = 600.0  # a process's CUDA context and kernels, which torch does not count
# Arms on BEELINE's data take below 1 GiB each, interpreter and libraries with them, and paper-scale ones below 4:
# where every core has that much, a probe would cost seconds and change nothing.
ENOUGH_PER_CORE_MB = 4096.0


@dataclass(frozen=True)
class Device:
    """Where workers may run."""

    name: str  # torch device: ``cpu`` or ``cuda:N``
    free_mb: float  # memory (2^20 bytes) that nobody uses now

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


def size_lanes(text: str, cells: Sequence[Cell], ledger: Ledger) -> tuple[Lane, ...]:
    """Read lanes as a user writes them; ``auto`` means as many workers as memory holds of the largest of the cells.

    What is written out is kept, whatever memory there is.
    """
    if not is_auto(text):
        return parse_lanes(text)
    available = devices()
    peak = _peak(cells, ledger, available)
    return parse_lanes(text, auto=pack(available, peak, cores=cores()))


def pack(available: Sequence[Device], peak_mb: float | None, *, cores: int) -> list[str]:
    """Return the device of each worker that takes ``peak_mb``: at least one per device, and one if it is unknown.

    A CPU gives a worker per core as far as memory goes; a GPU as many as it holds, ``MOST_PER_GPU`` at most, and no
    more than there are cores to drive them.
    """
    lanes: list[str] = []
    for device in available:
        if device.kind == "cpu":
            most, fit = cores, cores if peak_mb is None else _fit(CPU_SHARE * device.free_mb, peak_mb)
        else:
            most = min(MOST_PER_GPU, cores // len(available))
            fit = 1 if peak_mb is None else _fit(GPU_SHARE * device.free_mb, peak_mb)
        lanes += [device.name] * max(1, min(most, fit))
    return lanes


def _fit(free_mb: float, peak_mb: float) -> int:
    return int(free_mb // peak_mb) if math.isfinite(peak_mb) and peak_mb > 0 else 1


def _peak(cells: Sequence[Cell], ledger: Ledger, available: Sequence[Device]) -> float | None:
    """Return the most memory that one worker takes, in megabytes; None where it is unknown and not worth measuring."""
    gpu = available[0].kind == "cuda"
    if gpu and len(cells) <= len(available):
        return None  # each cell has a device to itself
    known, unknown = known_peaks(cells, ledger, available[0].kind)
    if unknown and (gpu or available[0].free_mb < ENOUGH_PER_CORE_MB * cores()):
        peak = probe_peak(unknown, available[0].name)
        known += [] if peak is None else [peak]
    return max(known) + (CONTEXT_MB if gpu else 0.0) if known else None


def known_peaks(cells: Iterable[Cell], ledger: Ledger, kind: str) -> tuple[list[float], list[Cell]]:
    """Return what finished cells of the same arms and data sets took, in megabytes, and the cells that have none.

    Only cells that ran on the same ``kind`` of device count, ``cpu`` or ``cuda``: other memory is meant.
    """
    peaks: dict[tuple[str, str], float] = {}
    for record in ledger.read_all(ledger.cells()).values():
        if record.ok and record.device.partition(":")[0] == kind and record.identity:
            key = (canonical_json(record.identity["arm"]), record.identity["data"])
            if not math.isnan(record.peak_memory_mb):  # of a program on a GPU it may be unknown
                peaks[key] = max(peaks.get(key, 0.0), record.peak_memory_mb)
    known: list[float] = []
    unknown: list[Cell] = []
    for cell in cells:
        key = (canonical_json(cell.arm.canonical), cell.labels.data_digest)
        known += [peaks[key]] if key in peaks else []
        unknown += [] if key in peaks else [cell]
    return known, unknown
