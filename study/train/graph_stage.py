"""The pre-trained graph stage, trained once for all arms that share it.

The stage reads bucketing and graph branch alone, and each of its random streams is its own; so arms that differ in
fusion, pair encoder or contrast leave it with the same weights to the last bit. The first of them stores the weights
in the output folder; these files are a cache, and may be deleted at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import Tensor

from components.core import registry
from components.core.budget import Budget
from search_spaces.arm import Arm, Choice, canonical_json, json_digest
from study.spec.code import code_digest
from study.spec.folder import OutFolder
from study.train.checkpoint import read_tensors, same_shapes, write_tensors

ENABLED = True  # a benchmark sets it to False to see what sharing is worth
WAIT_S = 24 * 3600.0  # for another worker to finish the stage; the lock of one that died is free at once
FACTORS = ("bucketing", "gnn", "negatives", "optimizer", "scorer")
BUDGET = ("graph_epochs", "graph_patience", "graph_batch_size", "validate_every", "choose_by", "precision")
ENTRY = "study.train.fit"  # the module that trains the stage
CONTENT = frozenset(("state", "curves", "seconds"))


class SharedStage:
    """Holds the outcome of one stage for whoever needs the same; without a path, for nobody."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path

    def once(self, compute: Callable[[], dict[str, Any]], like: Mapping[str, Tensor]) -> tuple[dict[str, Any], bool]:
        """Return the outcome for weights ``like`` these, and whether another arm had computed it.

        Where another worker is at it, wait for that worker.
        """
        if self.path is None or not ENABLED:
            return compute(), False
        if (stored := self._read(self.path, like)) is not None:
            return stored, True
        with ExitStack() as held:
            with suppress(Timeout, OSError, NotImplementedError):  # no locks on this file system: compute it here, too
                self.path.parent.mkdir(parents=True, exist_ok=True)
                held.enter_context(FileLock(self.path.with_suffix(".lock"), timeout=WAIT_S))
            if (stored := self._read(self.path, like)) is not None:
                return stored, True
            outcome = compute()
            write_tensors(self.path, self.path.stem, outcome)
            return outcome, False

    def _read(self, path: Path, like: Mapping[str, Tensor]) -> dict[str, Any] | None:
        stored = read_tensors(path, path.stem, CONTENT)
        return stored if stored is not None and same_shapes(stored["state"], like) else None


def graph_stage_of(
    arm: Arm, data_digest: str, split: Choice, repeat: int, fold: int, budget: Budget, device: str, out: Path | None
) -> SharedStage:
    """Return where the graph stage of an arm's fold lies: the same place for all arms that end it alike."""
    if out is None:
        return SharedStage()
    levels = tuple((name, arm.choices[name].level) for name in FACTORS)
    content = {
        "arm": _read_by_stage(arm),
        "data": data_digest,
        "split": split.canonical,
        "repeat": repeat,
        "fold": fold,
        "budget": {name: getattr(budget, name) for name in BUDGET},
        "code": code_digest((*levels, ("split", split.level)), ENTRY),
        "torch": torch.__version__,
        "device": torch.device(device).type,
        "threads": torch.get_num_threads(),  # they change the order of sums, and so the last bit
    }
    return SharedStage(OutFolder(out).graph_stage(json_digest(content, 20)))


def stage_group(arm: Arm, budget: Budget) -> str:
    """Name what decides an arm's graph stage on one data set and repeat; empty where the arm has no such stage."""
    if not arm.trains or not budget.graph_epochs or "fusion" in arm.silenced:
        return ""
    return canonical_json({"arm": _read_by_stage(arm), "budget": {name: getattr(budget, name) for name in BUDGET}})


def _read_by_stage(arm: Arm) -> dict[str, Any]:
    """Return the choices that the stage reads, without the settings that only joint training does."""
    read: dict[str, Any] = {}
    for name in FACTORS:
        choice = arm.choices[name]
        unread = getattr(registry.level(name, choice.level), "joint_only", ())
        settings = {key: value for key, value in choice.canonical["settings"].items() if key not in unread}
        read[name] = {"level": choice.level, "settings": settings}
    return read
