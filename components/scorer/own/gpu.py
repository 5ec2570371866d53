"""Peak memory of a program's processes on GPUs, as the driver tells it through NVML."""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Callable, Container
from contextlib import suppress
from typing import Any

EVERY_S = 0.5


class GpuPeak:
    """Samples the GPU memory of processes; unknown where NVML is not there or does not know them.

    Package ``nvidia-ml-py`` is optional. In a container, and where the driver counts processes of another namespace, no
    process of a program is found, and its memory is unknown.
    """

    def __init__(self) -> None:
        self._nvml: Any = None
        self._peak, self._next = 0, 0.0
        with suppress(Exception):  # no package, no driver: unknown
            nvml = importlib.import_module("pynvml")
            nvml.nvmlInit()
            self._nvml = nvml

    @property
    def mb(self) -> float:
        """The peak in megabytes (2^20 bytes), all devices together; NaN if it is unknown."""
        return self._peak / 2**20 if self._peak else math.nan

    def sample(self, processes: Callable[[], Container[int]]) -> None:
        """Look at the memory of processes, given by a function of their ids, if the last look is long enough ago."""
        if self._nvml is None or time.monotonic() < self._next:
            return
        with suppress(self._nvml.NVMLError):
            self._peak = max(self._peak, self._used(processes()))
        self._next = time.monotonic() + EVERY_S

    def _used(self, processes: Container[int]) -> int:
        nvml = self._nvml
        handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
        running = [one for handle in handles for one in nvml.nvmlDeviceGetComputeRunningProcesses(handle)]
        return sum(one.usedGpuMemory or 0 for one in running if one.pid in processes)
