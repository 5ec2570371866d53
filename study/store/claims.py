"""Claims: which driver trains which cell of an output folder, so that two drivers never train one twice.

``OUT/claims/<cell>.json`` names the driver (``drivers.py``) that trains a cell. A claim is stale when its driver
is seen dead from the same machine, or has given no sign of life for two minutes. Times are those of the file system,
since the clocks of two machines differ.
"""

from __future__ import annotations

import json
import os
import platform
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout
from pydantic import TypeAdapter

from components.core.errors import KnockoutError
from study.spec.files import write_atomically
from study.spec.machine import Lane
from study.store.drivers import TIMEOUT_S, Driver, driver_file, read_driver, read_timed

__all__ = ["BEAT_S", "Claim", "Claims", "read_claims"]

BEAT_S = 10.0


@dataclass(frozen=True)
class Claim:
    """A cell that a driver trains, or trained when it died.

    Attributes
    ----------
    cell, label
        Digest of the cell, and its name for people.
    driver
        Name of the driver's file.
    host, pid
        Where the driver runs.
    age
        Seconds since the claim was made.
    alive
        Whether the driver lives; a claim whose driver does not is stale, and anybody's to take over.
    """

    cell: str
    label: str
    driver: str
    host: str
    pid: int
    age: float = 0.0
    alive: bool = False

    @property
    def owner(self) -> str:
        """The driver in words."""
        return f"process {self.pid} on {self.host}"


_CLAIM = TypeAdapter(Claim)


class Claims:
    """Which driver trains which cell of an output folder, so that two drivers never train one twice.

    A context manager: inside, this process is a driver with a heartbeat; on the way out its claims are given up. A
    driver that is killed leaves claims that the next one takes over.

    Parameters
    ----------
    out
        The study's output folder.

    Raises
    ------
    KnockoutError
        If claims cannot be written there.
    """

    def __init__(self, out: Path) -> None:
        self.folder = out / "claims"
        # poll_interval: a claim takes less than a millisecond
        self._lock = FileLock(self.folder / ".lock", timeout=TIMEOUT_S, poll_interval=0.005)
        self._mine: set[str] = set()
        self._lanes: tuple[Lane, ...] = ()

    def __enter__(self) -> Self:
        """Register this process as a driver, and clear away what dead ones left."""
        self.driver, self._started = uuid.uuid4().hex[:16], time.time()
        self._file = driver_file(self.folder, self.driver)
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
        file = _claim_file(self.folder, cell)
        with self._locked():
            claim = _read_claim(file)
            if claim is not None and claim.driver != self.driver:
                owner = read_driver(driver_file(self.folder, claim.driver), self._now(), self._awake)
                if owner is not None and owner.alive:
                    return False
            ours = Claim(cell, label, self.driver, platform.node(), os.getpid())
            text = json.dumps(asdict(ours))
            write_atomically(file, lambda temporary: temporary.write_text(text))
            self._mine.add(cell)
        return True

    def release(self, cell: str) -> None:
        """Let go of a cell; nothing happens if it is not ours (any more)."""
        self._mine.discard(cell)
        file = _claim_file(self.folder, cell)
        with self._locked():
            claim = _read_claim(file)
            if claim is not None and claim.driver == self.driver:
                file.unlink(missing_ok=True)

    def others(self) -> dict[str, Claim]:
        """Return the cells that other living drivers train."""
        claims = _claims(self.folder, self._now(), self._awake)
        return {claim.cell: claim for claim in claims if claim.alive and claim.driver != self.driver}

    def work_on(self, lanes: Sequence[Lane]) -> None:
        """Let others see what this driver works on; cheap while it stays the same."""
        if tuple(lanes) != self._lanes:
            self._lanes = tuple(lanes)
            with self._locked():
                self._register()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._lock:
                yield
        except Timeout:
            raise KnockoutError(
                f"another process has held this lock for {TIMEOUT_S:.0f} s; is it suspended? Resume or end it.",
                where=str(self._lock.lock_file),
            ) from None
        except OSError as error:
            raise KnockoutError(
                f"cells cannot be claimed in this folder: {error.strerror or error}.", where=str(self.folder)
            ) from None

    def _register(self) -> None:
        Driver.here(self.driver, self._started, self._lanes).write(self._file)

    def _sweep(self) -> None:
        now = self._now()
        for claim in _claims(self.folder, now, self._awake):
            if not claim.alive:
                _claim_file(self.folder, claim.cell).unlink(missing_ok=True)
        for file in self._file.parent.glob("*.json"):
            found = read_driver(file, now, self._awake)
            if found is None or not found.alive:
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
    return sorted(_claims(out / "claims", time.time()), key=lambda claim: (-claim.age, claim.cell))


def _claims(folder: Path, now: float, awake: float = float("-inf")) -> list[Claim]:
    living: dict[str, bool] = {}
    found = []
    for file in folder.glob("*.json"):
        claim = _read_claim(file, now)
        if claim is None:
            continue
        if claim.driver not in living:
            owner = read_driver(driver_file(folder, claim.driver), now, awake)
            living[claim.driver] = owner is not None and owner.alive
        found.append(replace(claim, alive=living[claim.driver]))
    return found


def _claim_file(folder: Path, cell: str) -> Path:
    return folder / f"{cell}.json"


def _read_claim(path: Path, now: float = 0.0) -> Claim | None:
    """Return a claim; one that is damaged is none, and is overwritten by whoever takes the cell."""
    return read_timed(path, _CLAIM, lambda since: {"age": max(0.0, now - since)})
