"""Sizes lanes by measurement: as many workers on a device as its memory holds, from the memory that one cell takes.

What a cell takes is read from the ledger where a cell of the same arm and data set was finished, and else measured
(:mod:`study.run.memory_probe`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from search_spaces.arm import canonical_json
from study.run.devices import Device, devices
from study.run.memory_probe import probe_peak
from study.spec.cell import Cell
from study.spec.machine import Lane, cores, is_auto, parse_lanes
from study.store.ledger import Ledger

GPU_SHARE, CPU_SHARE = 0.9, 0.8  # of what is free; a CPU's memory is also the page cache's and the driver's
MOST_PER_GPU = 4  # without MPS, workers take turns on a GPU: a few fill the gaps that Python leaves, more only wait
CONTEXT_MB = 600.0  # a process's CUDA context and kernels, which torch does not count
# Arms on BEELINE's data take below 1 GiB each, interpreter and libraries with them, and paper-scale ones below 4:
# where every core has that much, a probe would cost seconds and change nothing.
ENOUGH_PER_CORE_MB = 4096.0


def size_lanes(
    text: str,
    cells: Sequence[Cell],
    ledger: Ledger,
    *,
    find: Callable[[], Sequence[Device]] | None = None,
    probe: Callable[[Sequence[Cell], str], float | None] | None = None,
) -> tuple[Lane, ...]:
    """Read lanes as a user writes them; ``auto`` means as many workers as memory holds of the largest of the cells.

    Parameters
    ----------
    text
        As :func:`study.spec.machine.parse_lanes` reads it. What is written out is kept, whatever memory there is.
    cells
        What will be run.
    ledger
        Knows what finished cells took.
    find, probe
        In place of :func:`study.run.devices.devices` and :func:`study.run.memory_probe.probe_peak`.
    """
    if not is_auto(text):
        return parse_lanes(text)
    available = (find or devices)()
    peak = _peak(cells, ledger, available, probe or probe_peak)
    return parse_lanes(text, auto=[lane.device for lane in pack(available, peak, cores=cores())])


def pack(
    available: Sequence[Device], peak_mb: float | None, *, cores: int, most_per_gpu: int = MOST_PER_GPU
) -> tuple[Lane, ...]:
    """Share devices out among workers that take ``peak_mb`` each: at least one per device, and one if it is unknown.

    A CPU gives a worker per core as far as memory goes; a GPU as many as it holds, ``most_per_gpu`` at most, and no
    more than there are cores to drive them. Cores are divided among the workers.
    """
    lanes: list[str] = []
    for device in available:
        if device.kind == "cpu":
            most, fit = cores, cores if peak_mb is None else _fit(CPU_SHARE * device.free_mb, peak_mb)
        else:
            most = min(most_per_gpu, cores // len(available))
            fit = 1 if peak_mb is None else _fit(GPU_SHARE * device.free_mb, peak_mb)
        lanes += [device.name] * max(1, min(most, fit))
    threads = max(1, cores // len(lanes))
    return tuple(Lane(name, threads) for name in lanes)


def _fit(free_mb: float, peak_mb: float) -> int:
    return int(free_mb // peak_mb) if math.isfinite(peak_mb) and peak_mb > 0 else 1


def _peak(
    cells: Sequence[Cell],
    ledger: Ledger,
    available: Sequence[Device],
    probe: Callable[[Sequence[Cell], str], float | None],
) -> float | None:
    """Return the most memory that one worker takes, in megabytes; None where it is unknown and not worth measuring."""
    gpu = available[0].kind == "cuda"
    if gpu and len(cells) <= len(available):
        return None  # each cell has a device to itself
    known, unknown = known_peaks(cells, ledger, available[0].kind)
    peaks = list(known)
    if unknown and (gpu or available[0].free_mb < ENOUGH_PER_CORE_MB * cores()):
        peaks += [peak for peak in [probe(unknown, available[0].name)] if peak is not None]
    return max(peaks) + (CONTEXT_MB if gpu else 0.0) if peaks else None


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
