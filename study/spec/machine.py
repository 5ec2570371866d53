"""The machine: its lanes, which are shares of a device with one worker each, and the versions of what runs on it."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from components.core.errors import KnockoutError, count

PACKAGES = ("knockout", "torch", "torch-geometric", "numpy", "scipy", "scikit-learn", "pandas")
PATTERN = re.compile(r"^(cpu|cuda)(?::(\d+))?(?:x(\d+))?$")


@dataclass(frozen=True)
class Lane:
    """A share of a device that one worker owns."""

    device: str  # torch device: ``cpu`` or ``cuda:N``
    threads: int  # CPU threads the worker may use


def parse_lanes(text: str, *, where: str = "lanes", auto: Sequence[str] | None = None) -> tuple[Lane, ...]:
    """Read lanes as ``auto``, ``cpu:2`` (two CPU workers) or ``cuda:0,cuda:1x3`` (three workers on GPU 1).

    Parameters
    ----------
    auto
        Devices that ``auto`` stands for, one per worker; one worker on every GPU, or on every core if not given.
        :func:`study.run.lane_sizing.size_lanes` gives as many as memory holds.

    Raises
    ------
    KnockoutError
        If the text is none of these, or asks for more than the machine has.
    """
    devices: list[str] = []
    for part in (p.strip() for p in text.split(",")):
        if part == "auto":
            devices += auto if auto is not None else _gpus() or ["cpu"] * cores()
            continue
        match = PATTERN.match(part)
        if not match or (match[1] == "cpu" and match[3]):
            raise KnockoutError(f"{part!r} is no lane. Write auto, cpu:2, cuda:0 or cuda:1x3.", where=where)
        device = "cpu" if match[1] == "cpu" else f"cuda:{int(match[2] or 0)}"
        workers = int(match[2] or cores()) if device == "cpu" else int(match[3] or 1)
        if not 1 <= workers <= 1024:
            raise KnockoutError(f"{part!r} asks for {workers} workers; 1 to 1024 are possible.", where=where)
        if device != "cpu" and device not in (gpus := _gpus()):
            raise KnockoutError(f"{device} is asked for, but this machine has {len(gpus)} CUDA devices.", where=where)
        devices += [device] * workers
    threads = max(1, cores() // len(devices))
    return tuple(Lane(device, threads) for device in devices)


def is_auto(text: str) -> bool:
    """Return whether a text leaves the number of workers, or some of it, to what memory holds."""
    return "auto" in (part.strip() for part in text.split(","))


def describe(lanes: tuple[Lane, ...]) -> str:
    """Describe how many workers run where: '2 x cpu (1 thread)'."""
    counts = Counter(lanes)
    return ", ".join(f"{n} x {lane.device} ({count(lane.threads, 'thread')})" for lane, n in counts.items())


def cores() -> int:
    """Return the CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _gpus() -> list[str]:
    import torch

    return [f"cuda:{i}" for i in range(torch.cuda.device_count())]


@cache
def versions() -> dict[str, str]:
    """Return package versions, Python, platform, and knockout's git commit where it runs from a checkout."""
    packages = {"python": platform.python_version(), "platform": f"{platform.system()} {platform.machine()}"}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "not installed"
    return packages | {"git_commit": _git_commit()}


def _git_commit() -> str:
    folder = Path(__file__).parents[2]
    if not (folder / ".git").exists():
        return ""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
