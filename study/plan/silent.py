"""The silent-arm check: two arms that behave alike, though they claim to differ, stop the study.

Every trained arm is assembled and trained for two short epochs on one small simulated data set; its losses, scores and
future learning rates are digested. A setting that never reaches the model leaves the digest as it was, which no amount
of reading configuration shows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache

import numpy as np
import torch
from torch import nn

from components.core import registry
from components.core.budget import Budget
from components.core.dataset import Dataset
from components.core.errors import KnockoutError
from components.core.exam import Split
from components.data.simulator import SimulatorSettings, simulate
from search_spaces.arm import Arm, Choice, parse_choice
from study.train.exams import make_split
from study.train.limit import time_limit
from study.train.score import fixed_order, score_fold

BUDGET = Budget(
    epochs=2, patience=2, batch_size=64, graph_epochs=2, graph_patience=2, graph_batch_size=64, unsupervised_steps=2
)
UNKNOWN = 6  # genes of the probe that a bucketing of named genes does not know
LONGEST_S = 300.0  # for an arm on the probe: seconds, where it takes one


def refuse_silent_arms(arms: Iterable[Arm], budget: Budget) -> None:
    """Refuse arms that are written differently and behave alike within a study's budget.

    Raises
    ------
    KnockoutError
        Naming both arms and what was meant to tell them apart.
    """
    by_behaviour: dict[str, Arm] = {}
    for arm in arms:
        if arm.role == "baseline" or not arm.probed:  # a system of the field is what it is, whatever it resembles
            continue
        twin = by_behaviour.setdefault(behaviour(arm, budget), arm)
        if twin.digest != arm.digest:
            raise KnockoutError(
                f"arms {twin.name!r} and {arm.name!r} are written differently ({_difference(twin, arm)}) but behave "
                "alike on the probe: the difference never reaches the model. Comparing them would cost time and prove "
                "nothing; drop one, or mend the part.",
                where="design",
            )


def behaviour(arm: Arm, budget: Budget) -> str:
    """Digest what an arm does on the probe data set, and how it would go on for the epochs of a budget."""
    # what the study leaves out cannot tell two of its arms apart
    short = Budget(**{**BUDGET.model_dump(), "graph_epochs": min(BUDGET.graph_epochs, budget.graph_epochs)})
    (dataset, split), arm = _probe(), _on_example(arm)
    named = _with_known_genes(dataset, arm)
    if named is None:
        return f"too few genes: {arm.digest}"
    try:
        with torch.random.fork_rng(devices=[]), fixed_order("cpu"), _one_thread(), time_limit(LONGEST_S, kill=False):
            outcome = score_fold(arm, named, split, 0, short, "cpu")
    except KnockoutError as error:
        raise type(error)(f"arm {arm.name!r}: {error.message}", where=error.where) from None
    except KeyboardInterrupt:
        raise
    except BaseException:  # what fails here fails in its cells, where it costs no other arm
        return f"fails: {arm.digest}"
    sha = hashlib.sha256(np.concatenate([outcome.validation, outcome.test]).tobytes())
    sha.update(repr(sorted(outcome.curves.items())).encode())
    if "optimizer" not in arm.silenced:
        sha.update(repr(_learning_rates(arm.choices["optimizer"], budget.epochs)).encode())
    return sha.hexdigest()


def _learning_rates(choice: Choice, epochs: int) -> list[float]:
    """Return the learning rate of every epoch to come: a schedule may act long after the probe has ended."""
    fitter = choice.build().joint([nn.Parameter(torch.zeros(1))])
    rates = []
    for _ in range(epochs - 1):
        fitter.optimizer.step()
        fitter.scheduler.step()
        rates.append(fitter.scheduler.get_last_lr()[0])
    return rates


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on one thread: on a data set this small others only wait, and on a busy machine they cost minutes."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@cache
def _probe() -> tuple[Dataset, Split]:
    dataset = simulate(SimulatorSettings(genes=60, tfs=8, cells=40), seed=7)
    return dataset, make_split(dataset, parse_choice("split", registry.FACTORS["split"].absent), 0)


def _on_example(arm: Arm) -> Arm:
    """Return the arm with the file of some data set, where each has its own."""
    choices = {name: replace(choice, settings=choice.settings.example()) for name, choice in arm.choices.items()}
    return arm if choices == arm.choices else replace(arm, choices=choices)


def _with_known_genes(dataset: Dataset, arm: Arm) -> Dataset | None:
    """Return the data set with genes that an arm's bucketing knows, but for a few; None if it knows too few."""
    choice = arm.choices["bucketing"]
    known = () if "bucketing" in arm.silenced else choice.cls.known_genes(choice.settings)
    if not known:
        return dataset
    unknown = dataset.genes[-UNKNOWN:]
    known = [name for name in known if name not in unknown][: dataset.n_genes - UNKNOWN]
    genes = (*known, *unknown)
    return replace(dataset, genes=genes) if len(genes) == dataset.n_genes else None


def _difference(one: Arm, other: Arm) -> str:
    ours, theirs = one.canonical, other.canonical
    names = [name for name in sorted(ours.keys() | theirs.keys()) if ours.get(name) != theirs.get(name)]
    return ", ".join(f"{name}: {ours.get(name)} against {theirs.get(name)}" for name in names)
