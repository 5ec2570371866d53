"""Peak memory of one cell, on a CPU or a GPU."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import psutil
import torch

__all__ = ["PeakMemory"]

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class PeakMemory:
    """Measures from its construction to :meth:`read_mb`.

    On a GPU: torch's peak of allocated memory. On Linux: the process's peak resident memory, whose mark the kernel
    resets on request, so that an earlier cell of the same worker does not count. Elsewhere: resident memory at the end.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        if device.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats(device)
        else:
            with contextlib.suppress(OSError):
                CLEAR.write_text("5")

    def read_mb(self) -> float:
        """Return the peak in megabytes (2^20 bytes)."""
        if self.device.startswith("cuda"):
            return torch.cuda.max_memory_allocated(self.device) / 2**20
        with contextlib.suppress(OSError):
            if found := re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text()):
                return int(found[1]) / 1024
        return float(psutil.Process().memory_info().rss) / 2**20
