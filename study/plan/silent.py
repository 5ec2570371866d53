"""The silent-arm check: two arms that behave alike, though they claim to differ, stop the study.

Arms are told apart by their first batches and by what their optimisers do (:mod:`study.plan.fingerprint`). Those that
cannot be are trained for two short epochs on the probe, a small simulated data set; their losses, scores and future
learning rates are digested, and these alone decide. A setting that never reaches the model leaves them as they were,
which no amount of reading configuration shows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from threading import RLock

import numpy as np
import torch
from cachetools import LRUCache, cached
from torch import nn

from components.core.budget import Budget
from components.core.errors import KnockoutError
from search_spaces.arm import Arm
from study.plan.fingerprint import first_batch, fittings, rates
from study.plan.probe import BUDGET, on_example, on_the_probe, probe, with_known_genes
from study.spec.code import code_digest
from study.train.score import score_fold


def refuse_silent_arms(arms: Iterable[Arm], budget: Budget, *, tell: bool = False) -> list[str]:
    """Refuse two arms that are written differently and behave alike within a study's budget, and name both.

    Where they are told (``silent_arms: tell``), none is refused: return a line per arm that acts like an earlier one.
    """
    lines = []
    for twin, arm in _twins(arms, budget):
        ours, theirs = twin.canonical, arm.canonical
        names = [name for name in sorted(ours.keys() | theirs.keys()) if ours.get(name) != theirs.get(name)]
        difference = ", ".join(f"{name}: {ours.get(name)} against {theirs.get(name)}" for name in names)
        both = f"arms {twin.name!r} and {arm.name!r} are written differently ({difference}) but behave alike"
        if not tell:
            raise KnockoutError(
                f"{both} on the probe: the difference never reaches the model. Comparing them would cost time and "
                "prove nothing; drop one, or mend the part. If it acts later than two short epochs show (a warm-up, a "
                "margin that seldom bites), write silent_arms: tell.",
                where="design",
            )
        lines.append(f"{both} on the probe: the difference acts later than its two short epochs, or never.")
    return lines


def _twins(arms: Iterable[Arm], budget: Budget) -> Iterator[tuple[Arm, Arm]]:
    """Yield each arm that behaves like an earlier one, after that one."""
    alike: dict[str, list[Arm]] = {}
    for arm in arms:
        # a system of the field is what it is, whatever it resembles
        if arm.role != "baseline" and arm.probed:
            alike.setdefault(first_batch(arm) if arm.trains else "", []).append(arm)
    for beginning, candidates in alike.items():
        by_fit: dict[str, list[Arm]] = {}
        fits = fittings(candidates, budget) if beginning and len(candidates) > 1 else [""] * len(candidates)
        for arm, fit in zip(candidates, fits, strict=True):
            by_fit.setdefault(fit, []).append(arm)
        for same in by_fit.values():
            by_behaviour: dict[str, Arm] = {}
            for arm in same if len(same) > 1 or not same[0].trains else ():
                twin = by_behaviour.setdefault(behaviour(arm, budget), arm)
                if twin.digest != arm.digest:
                    yield twin, arm


@cached(
    LRUCache(4096),
    key=lambda arm, budget: (arm.digest, code_digest(arm.acting()), budget.epochs, budget.graph_epochs),
    lock=RLock(),
)
def behaviour(arm: Arm, budget: Budget) -> str:
    """Digest what an arm does on the probe data set, and how it would go on for the epochs of a budget."""
    example = on_example(arm)
    # what the study leaves out cannot tell two of its arms apart
    short = Budget(**{**BUDGET.model_dump(), "graph_epochs": min(BUDGET.graph_epochs, budget.graph_epochs)})
    dataset, split = probe()
    named = with_known_genes(dataset, example)
    if named is None:
        return f"too few genes: {example.digest}"
    try:
        with on_the_probe(example):
            outcome = score_fold(example, named, split, 0, short, "cpu")
    except (KnockoutError, KeyboardInterrupt):
        raise
    except BaseException:  # what fails here fails in its cells, where it costs no other arm
        return f"fails: {example.digest}"
    sha = hashlib.sha256(np.concatenate([outcome.validation, outcome.test]).tobytes())
    sha.update(repr(sorted(outcome.curves.items())).encode())
    if "optimizer" not in example.silenced:
        sha.update(repr(_rates(arm, budget)).encode())
    return sha.hexdigest()


def _rates(arm: Arm, budget: Budget) -> list[float]:
    """Return the learning rates to come, those of the graph's pre-training first, if there is one."""
    optimizer, weight = arm.choices["optimizer"].build(), nn.Parameter(torch.zeros(1))
    pretrains = budget.graph_epochs and "fusion" not in arm.silenced
    graph = rates(optimizer.graph([weight]), budget.graph_epochs) if pretrains else []
    return graph + rates(optimizer.joint([weight]), budget.epochs)
