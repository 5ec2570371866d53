"""Peak memory of one cell, on a CPU or a GPU."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class PeakMemory:
    """Measures from :meth:`start` to :meth:`read_mb`.

    On a GPU: torch's peak of allocated memory. On Linux: the process's peak resident memory, whose mark the kernel
    resets on request, so that an earlier cell of the same worker does not count. Elsewhere: resident memory at the end.
    """

    device: str

    @classmethod
    def start(cls, device: str) -> PeakMemory:
        """Reset the mark and start to measure."""
        if device.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats(device)
        else:
            with contextlib.suppress(OSError):
                CLEAR.write_text("5")
        return cls(device)

    def read_mb(self) -> float:
        """Return the peak in megabytes (2^20 bytes)."""
        if self.device.startswith("cuda"):
            return torch.cuda.max_memory_allocated(self.device) / 2**20
        with contextlib.suppress(OSError):
            if peak := re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text()):
                return int(peak[1]) / 1024
        return float(psutil.Process().memory_info().rss) / 2**20
