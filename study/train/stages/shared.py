"""The stages before joint training, each trained once for all arms that share it.

The graph stage reads bucketing and graph branch alone, and each of its random streams is its own; so arms that differ
in fusion, pair encoder or contrast leave it with the same weights to the last bit. The stage without labels reads what
the model is shown of expression, and is the same for all exams of a repeat. The first arm stores the weights in the
output folder; these files are a cache, and may be deleted at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple

import torch
from filelock import FileLock, Timeout
from torch import Tensor

from components.core import registry
from components.core.budget import Budget
from components.learning.loop import same_shapes
from search_spaces.arm import Arm, Choice, canonical_json, json_digest
from study.spec.code import code_digest
from study.spec.folder import OutFolder
from study.train.checkpoint import read_tensors, write_tensors
from study.train.stages.steps import acting_on

ENABLED = True  # a benchmark sets it to False to see what sharing is worth
WAIT_S = 24 * 3600.0  # for another worker to finish the stage; the lock of one that died is free at once
FACTORS = ("bucketing", "gnn", "negatives", "optimizer", "scorer")
BUDGET = (
    "graph_epochs",
    "graph_patience",
    "graph_batch_size",
    "validate_every",
    "choose_by",
    "precision",
    "unsupervised_steps",
)
ENTRY = "study.train.fit"  # the module that trains the stage
UNLABELLED = ("bucketing", "scorer")  # what the stage without labels reads
CONTENT = frozenset(("state", "curves", "seconds"))


def compute_once(
    path: Path | None, compute: Callable[[], dict[str, Any]], like: Mapping[str, Tensor]
) -> tuple[dict[str, Any], bool]:
    """Return the outcome of a stage for weights ``like`` these, and whether another arm had computed it.

    Where another worker is at it, wait for that worker. Without a path, the outcome is for nobody else.
    """
    if path is None or not ENABLED:
        return compute(), False
    if (stored := _read(path, like)) is not None:
        return stored, True
    with ExitStack() as held:
        with suppress(Timeout, OSError, NotImplementedError):  # no locks on this file system: compute it here, too
            path.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(FileLock(path.with_suffix(".lock"), timeout=WAIT_S))
        if (stored := _read(path, like)) is not None:
            return stored, True
        outcome = compute()
        write_tensors(path, path.stem, outcome)
        return outcome, False


def _read(path: Path, like: Mapping[str, Tensor]) -> dict[str, Any] | None:
    stored = read_tensors(path, path.stem, CONTENT)
    return stored if stored is not None and same_shapes(stored["state"], like) else None


class SharedStages(NamedTuple):
    """Where the stages of one training lie; None if they are for nobody else."""

    unsupervised: Path | None = None
    graph: Path | None = None


def shared_stages(
    arm: Arm, data_digest: str, split: Choice, repeat: int, fold: int, budget: Budget, device: str, out: Path | None
) -> SharedStages:
    """Return where the stages of an arm's fold lie: the same place for all arms that end a stage alike."""
    if out is None:
        return SharedStages()
    runs = {
        "data": data_digest,
        "repeat": repeat,
        "torch": torch.__version__,
        "device": torch.device(device).type,
        "threads": torch.get_num_threads(),  # they change the order of sums, and so the last bit
    }
    unsupervised = {
        **runs,
        **_unlabelled(arm, budget),
        "code": code_digest(_levels(arm, UNLABELLED), ENTRY),
    }
    graph = {
        **runs,
        "arm": _settings_read(arm, FACTORS, "joint_only"),
        "split": split.canonical,
        "fold": fold,
        "budget": {name: getattr(budget, name) for name in BUDGET},
        "code": code_digest((*_levels(arm, FACTORS), ("split", split.level)), ENTRY),
    }
    return SharedStages(*(OutFolder(out).stage(json_digest(key, 20)) for key in (unsupervised, graph)))


def stage_group(arm: Arm, budget: Budget) -> str:
    """Name what decides the first stage of an arm that others share; empty where it has joint training alone."""
    if not arm.trains:
        return ""
    if arm.fits_unsupervised:
        return canonical_json(_unlabelled(arm, budget))
    if not budget.graph_epochs or "fusion" in arm.silenced:
        return ""
    read = _settings_read(arm, FACTORS, "joint_only")
    return canonical_json({"arm": read, "budget": {name: getattr(budget, name) for name in BUDGET}})


def _unlabelled(arm: Arm, budget: Budget) -> dict[str, Any]:
    """Return what decides the stage without labels, beside data, repeat and code."""
    return {"arm": _settings_read(arm, UNLABELLED, "labelled_only"), "steps": budget.unsupervised_steps}


def _settings_read(arm: Arm, factors: Sequence[str], but: str) -> dict[str, Any]:
    """Return choices without the settings that a level's attribute names as unread."""
    read: dict[str, Any] = {}
    for name in (*factors, *acting_on(arm, "expression")):
        choice = arm.choices[name]
        unread = getattr(registry.level(name, choice.level), but, ())
        settings = {key: value for key, value in choice.canonical["settings"].items() if key not in unread}
        read[name] = {"level": choice.level, "settings": settings}
    return read


def _levels(arm: Arm, factors: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return the levels of factors, and of those of plug-ins that change what the stage is shown."""
    named = (*factors, *acting_on(arm, "expression"))
    return tuple((name, level) for name in named for level in arm.choices[name].levels)
