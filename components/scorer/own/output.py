"""Keeps what a program prints: the first and the last of it, for a program may print without end."""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import IO

MOST = 4 << 20  # bytes kept of the beginning, and of the end
BLOCK = 1 << 16


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
        self._last: deque[bytes] = deque()
        self._held = 0
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
            last = b"".join(self._last)
            cut = self._cut + max(0, len(last) - self.most)
            if cut:
                self.log.write(f"\n[... {cut} bytes are cut here ...]\n".encode())
            self.log.write(last[-self.most :])
            self.log.flush()

    def _take(self, block: bytes) -> None:
        first, rest = block[: self._room], block[self._room :]
        if first:
            self._room -= len(first)
            self.log.write(first)
            self.log.flush()
        if rest:
            self._last.append(rest)
            self._held += len(rest)
        while self._last and self._held - len(self._last[0]) >= self.most:
            gone = len(self._last.popleft())
            self._held -= gone
            self._cut += gone
