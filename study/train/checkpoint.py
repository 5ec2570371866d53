"""What outlives a killed training: its state at an epoch's end, from which the same cell goes on to the last bit.

Tensors and plain values only, so that reading a file can run no code; a file that cannot be read, or is another
cell's, counts as none.
"""

from __future__ import annotations

import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from components.core.errors import KnockoutError
from components.learning.loop import same_shapes
from study.spec.files import write_atomically

EVERY_S = 60.0  # the most that a kill costs, beside the epoch in flight
FOLD_S = 1.0  # a finished fold is kept if it took this long: the file costs about a thousandth of it
STATE = frozenset(("stage", "epoch", "best", "best_epoch", "best_state", "curves", "model", "parts", "random"))
FINISHED = frozenset(("validation", "test", "curves", "best_epoch", "parameters", "memory_mb", "embeddings"))


@dataclass
class Clock:
    """Seconds that a cell, or one fold of it, costs, whoever spends them."""

    # spent by a predecessor that was killed, or by the arm that trained what this one shares, less the time that this
    # process waited for it
    elsewhere: float = 0.0
    shared: float = 0.0  # what of it came from a graph stage that another arm trained
    uncounted: float = 0.0  # spent in this process on what is no part of the cell
    started: float = field(default_factory=time.perf_counter)
    folds: list[Clock] = field(default_factory=list)  # clocks of the cell's folds, which count into its own

    def fold(self) -> Clock:
        """Start the clock of a fold."""
        self.folds.append(Clock())
        return self.folds[-1]

    @property
    def here(self) -> float:
        """Seconds that went by in this process."""
        return time.perf_counter() - self.started - self.uncounted

    @property
    def seconds(self) -> float:
        """Seconds in all."""
        return self.here + self.elsewhere + sum(fold.elsewhere - fold.uncounted for fold in self.folds)

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Keep what is done inside out of the cell's seconds."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.uncounted += time.perf_counter() - started


class Checkpoint:
    """Keeps the state of one fold's training, at most once in ``EVERY_S``; without a path, nothing.

    ``cell`` is the digest of the cell, without which a file is not ours; ``fold`` is 0 where the exam has no folds; the
    seconds of ``clock`` are saved with the state.
    """

    def __init__(self, path: Path | None = None, cell: str = "", fold: int = 0, clock: Clock | None = None) -> None:
        self.path, self.cell, self.fold = path, cell, fold
        self.clock = clock or Clock()
        self._saved_at = self.clock.started

    @property
    def due(self) -> bool:
        """Whether the state should be saved at the end of this epoch."""
        return self.path is not None and time.perf_counter() - self._saved_at >= EVERY_S

    def save(self, state: Mapping[str, Any]) -> None:
        """Save the state of a training at an epoch's end."""
        if self.path is not None:
            spent = {"seconds": self.clock.seconds, "shared_s": self.clock.shared}
            write_tensors(self.path, self.cell, {**state, **spent})
        self._saved_at = time.perf_counter()

    def last(self, like: Mapping[str, Tensor] | None = None) -> dict[str, Any] | None:
        """Return this training as its last checkpoint has it; None without a sound one for weights ``like`` these."""
        state = self._read(STATE)
        if state is None or like is None:
            return self._resumed(state)
        fits = all(same_shapes(state[name], like) for name in ("model", "best_state"))
        return self._resumed(state) if fits else None

    def finish(self, fold: Mapping[str, Any]) -> None:
        """Keep the outcome of a finished fold until the others are; an exam without folds ends with its only one."""
        if self.fold and self.clock.seconds >= min(FOLD_S, EVERY_S):
            self.save(fold)

    def finished(self) -> dict[str, Any] | None:
        """Return the outcome of the fold, None if it is not finished."""
        return self._resumed(self._read(FINISHED))

    def _resumed(self, content: dict[str, Any] | None) -> dict[str, Any] | None:
        if content is not None:
            self.clock.elsewhere, self.clock.shared = content["seconds"], content["shared_s"]
        return content

    def _read(self, names: frozenset[str]) -> dict[str, Any] | None:
        return None if self.path is None else read_tensors(self.path, self.cell, names | {"seconds", "shared_s"})


def write_tensors(path: Path, owner: str, content: Mapping[str, Any]) -> None:
    """Write tensors and plain values under an owner's name; a disk that takes no more costs the file alone."""
    # torch reports a full disk as RuntimeError; a training needs no file to go on, the ledger will tell of the disk
    with suppress(KnockoutError, OSError, RuntimeError):
        write_atomically(path, lambda temporary: torch.save({**content, "owner": owner}, temporary))


def read_tensors(path: Path, owner: str, names: frozenset[str]) -> dict[str, Any] | None:
    """Return what :func:`write_tensors` wrote; None if the file is absent, damaged, or not this owner's."""
    try:
        with zipfile.ZipFile(path) as file:  # torch itself would read flipped bits as weights
            if file.testzip() is not None:
                return None
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # damage shows in many ways
        return None
    if not isinstance(content, dict) or content.get("owner") != owner or not names <= content.keys():
        return None
    return content
