"""What is watched of a running program: what it prints, and the peak memory of its processes on GPUs."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Container
from contextlib import suppress
from typing import IO, Any

MOST = 4 << 20  # bytes kept of the beginning, and of the end
BLOCK = 1 << 16
EVERY_S = 0.5


class Output(threading.Thread):
    """Writes what comes through a pipe to a file: the first ``most`` bytes as they come, the last ones at the end.

    Parameters
    ----------
    pipe
        End of the pipe to read from, until no process holds the other end any more.
    log
        File that it is written to.
    most
        Bytes kept of the beginning, and of the end.
    """

    def __init__(self, pipe: IO[bytes], log: IO[bytes], most: int = MOST) -> None:
        super().__init__(daemon=True)
        self.pipe, self.log, self.most = pipe, log, most
        self._room, self._cut = most, 0
        self._last = bytearray()
        self._lock = threading.Lock()
        self._closed = False

    def run(self) -> None:
        """Read until the pipe ends."""
        for block in iter(lambda: os.read(self.pipe.fileno(), BLOCK), b""):
            with self._lock:
                if self._closed:
                    return
                self._take(block)

    def close(self, seconds: float) -> None:
        """Wait for the end of the pipe, not longer than a process that holds it may take, and write what is held."""
        self.join(seconds)
        with self._lock:
            self._closed = True
            self._forget()
            if self._cut:
                self.log.write(f"\n[... {self._cut} bytes are cut here ...]\n".encode())
            self.log.write(self._last)
            self.log.flush()

    def _take(self, block: bytes) -> None:
        first, rest = block[: self._room], block[self._room :]
        if first:
            self._room -= len(first)
            self.log.write(first)
            self.log.flush()
        self._last += rest
        if len(self._last) > 2 * self.most:
            self._forget()

    def _forget(self) -> None:
        """Cut what is held to the last ``most`` bytes."""
        gone = max(0, len(self._last) - self.most)
        del self._last[:gone]
        self._cut += gone


class GpuPeak:
    """Samples the GPU memory of processes; unknown where NVML is not there or does not know them.

    Package ``nvidia-ml-py`` is optional. In a container, and where the driver counts processes of another namespace, no
    process of a program is found, and its memory is unknown.
    """

    def __init__(self) -> None:
        self._nvml: Any = None
        self._peak, self._next = 0, 0.0
        with suppress(Exception):  # no package, no driver: unknown
            import pynvml

            pynvml.nvmlInit()
            self._nvml = pynvml

    @property
    def mb(self) -> float:
        """The peak in megabytes (2^20 bytes), all devices together; NaN if it is unknown."""
        return self._peak / 2**20 if self._peak else math.nan

    def sample(self, processes: Callable[[], Container[int]]) -> None:
        """Look at the memory of processes, given by a function of their ids, if the last look is long enough ago."""
        if self._nvml is None or time.monotonic() < self._next:
            return
        with suppress(self._nvml.NVMLError):
            ids, nvml = processes(), self._nvml
            handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
            running = [one for handle in handles for one in nvml.nvmlDeviceGetComputeRunningProcesses(handle)]
            self._peak = max(self._peak, sum(one.usedGpuMemory or 0 for one in running if one.pid in ids))
        self._next = time.monotonic() + EVERY_S
