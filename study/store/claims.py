"""Claims: which driver trains which cell of an output folder, so that two drivers never train one twice.

A claim names the driver (``drivers.py``) that trains a cell. It is stale when its driver is seen dead from the same
machine, or has given no sign of life for two minutes. Times are those of the file system, since the clocks of two
machines differ.
"""

from __future__ import annotations

import os
import platform
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from components.core.errors import KnockoutError
from study.spec.files import write_text
from study.spec.folder import OutFolder
from study.spec.machine import Lane
from study.spec.records import ClaimRecord
from study.store.drivers import TIMEOUT_S, read_driver, read_timed, this_driver
from study.store.locks import hold

BEAT_S = 10.0


@dataclass(frozen=True)
class Claim:
    """A cell that a driver trains, or trained when it died."""

    record: ClaimRecord  # which cell, and which driver
    age: float  # seconds since the claim was made
    alive: bool  # whether the driver lives; a claim whose driver does not is stale, and anybody's to take over

    @property
    def cell(self) -> str:
        """Digest of the cell."""
        return self.record.cell

    @property
    def label(self) -> str:
        """The cell's name for people."""
        return self.record.label or self.record.cell

    @property
    def owner(self) -> str:
        """The driver in words."""
        return f"process {self.record.pid} on {self.record.host}"


class Claims:
    """A context manager: inside, this process is a driver with a heartbeat; on the way out its claims are given up.

    A driver that is killed leaves claims that the next one takes over.

    Raises
    ------
    KnockoutError
        If claims cannot be written there.
    """

    def __init__(self, out: Path) -> None:
        self.folder = OutFolder(out)
        self._mine: set[str] = set()
        self._lanes: tuple[Lane, ...] = ()

    def __enter__(self) -> Self:
        """Register this process as a driver, and remove the files of dead ones."""
        self.driver, self._started = uuid.uuid4().hex[:16], time.time()
        self._file = self.folder.driver(self.driver)
        self._awake, self._beating = float("-inf"), threading.Lock()
        self._ended = threading.Event()
        with self._locked():
            self._register()
            self._sweep()
        self._heart = threading.Thread(target=self._beat, name="knockout-claims", daemon=True)
        self._heart.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Give up what is still claimed, and be no driver any more."""
        self._ended.set()
        self._heart.join()
        with suppress(KnockoutError, OSError):  # the folder may be gone; dead drivers' claims block nobody
            for cell in list(self._mine):
                self.release(cell)
            self._file.unlink(missing_ok=True)
        self._mine.clear()

    def take(self, cell: str, label: str = "") -> bool:
        """Claim a cell, given by its digest and a name for people; return False if another living driver has it."""
        file = self.folder.claim(cell)
        with self._locked():
            claim = _read_claim(file)
            if claim is not None and claim.driver != self.driver:
                owner = read_driver(self.folder.driver(claim.driver), self._now(), self._awake)
                if owner is not None and owner.alive:
                    return False
            ours = ClaimRecord(cell=cell, label=label, driver=self.driver, host=platform.node(), pid=os.getpid())
            write_text(file, ours.text())
            self._mine.add(cell)
        return True

    def release(self, cell: str) -> None:
        """Let go of a cell; nothing happens if it is not ours (any more)."""
        self._mine.discard(cell)
        file = self.folder.claim(cell)
        with self._locked():
            claim = _read_claim(file)
            if claim is not None and claim.driver == self.driver:
                file.unlink(missing_ok=True)

    def work_on(self, lanes: Sequence[Lane]) -> None:
        """Let others see what this driver works on; cheap while it stays the same."""
        if tuple(lanes) != self._lanes:
            self._lanes = tuple(lanes)
            with self._locked():
                self._register()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.folder.claims.mkdir(parents=True, exist_ok=True)
            with hold(self.folder.claims_lock, TIMEOUT_S, poll_s=0.005):  # a claim takes less than a millisecond
                yield
        except OSError as error:
            raise KnockoutError(
                f"cells cannot be claimed in this folder: {error.strerror or error}.", where=str(self.folder.claims)
            ) from None

    def _register(self) -> None:
        write_text(self._file, this_driver(self.driver, self._started, self._lanes).text())

    def _sweep(self) -> None:
        now = self._now()
        for claim in _claims(self.folder, now, self._awake):
            if not claim.alive:
                self.folder.claim(claim.cell).unlink(missing_ok=True)
        for file in self._file.parent.glob("*.json"):
            driver = read_driver(file, now, self._awake)
            if driver is None or not driver.alive:
                file.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_S):
            with suppress(KnockoutError, OSError):  # a file system that is away for a moment
                self._now()

    def _now(self) -> float:
        """Give a sign of life; return the time by the file system's clock.

        A driver that was asleep itself (a closed laptop, a suspended process) cannot tell who else slept: it judges
        nobody's silence from before it woke.
        """
        with self._beating:
            try:
                before = self._file.stat().st_mtime
                os.utime(self._file)
            except FileNotFoundError:  # somebody took us for dead
                if not self._file.parent.is_dir():
                    raise
                self._register()
                before = float("-inf")
            now = self._file.stat().st_mtime
            if now - before > TIMEOUT_S / 2:
                self._awake = now
            return now


def read_claims(out: Path) -> list[Claim]:
    """Return every claim in a folder, stale ones included, oldest first; see :func:`read_drivers`."""
    return sorted(_claims(OutFolder(out), time.time()), key=lambda claim: (-claim.age, claim.cell))


def _claims(folder: OutFolder, now: float, awake: float = float("-inf")) -> list[Claim]:
    living: dict[str, bool] = {}
    claims = []
    for file in folder.claims.glob("*.json"):
        timed = read_timed(file, ClaimRecord)
        if timed is None:
            continue
        record, since = timed
        if record.driver not in living:
            owner = read_driver(folder.driver(record.driver), now, awake)
            living[record.driver] = owner is not None and owner.alive
        claims.append(Claim(record, max(0.0, now - since), living[record.driver]))
    return claims


def _read_claim(path: Path) -> ClaimRecord | None:
    """Return a claim; one that is damaged is none, and is overwritten by whoever takes the cell."""
    timed = read_timed(path, ClaimRecord)
    return None if timed is None else timed[0]
