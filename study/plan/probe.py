"""The probe: a small simulated data set on which arms are tried, for a few batches or for two short epochs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache

import numpy as np
import torch

from components.core import registry
from components.core.budget import Budget
from components.core.dataset import Dataset
from components.core.errors import KnockoutError
from components.core.exam import Split
from components.data.simulator import SimulatorSettings, simulate
from search_spaces.arm import Arm, parse_choice
from study.train.exams import make_split
from study.train.resources import time_limit
from study.train.score import fixed_order

BUDGET = Budget(
    epochs=2, patience=2, batch_size=64, graph_epochs=2, graph_patience=2, graph_batch_size=64, unsupervised_steps=2
)
UNKNOWN = 6  # genes of the probe that a bucketing of named genes does not know
LONGEST_S = 300.0  # for an arm on the probe: seconds, where it takes one


@cache
def probe() -> tuple[Dataset, Split]:
    """Return the data set and its exam."""
    dataset = simulate(SimulatorSettings(genes=60, tfs=8, cells=40), seed=7)
    dataset = replace(dataset, pseudotime=np.linspace(0, 1, dataset.n_cells)[:, None])  # any: arms may read one
    return dataset, make_split(dataset, parse_choice("split", registry.FACTORS["split"].absent), 0)


def on_example(arm: Arm) -> Arm:
    """Return the arm with the file of some data set, where each has its own."""
    choices = {name: replace(choice, settings=choice.settings.example()) for name, choice in arm.choices.items()}
    return arm if choices == arm.choices else replace(arm, choices=choices)


def with_known_genes(dataset: Dataset, arm: Arm) -> Dataset | None:
    """Return the data set with genes that an arm's bucketing knows, but for a few; None if it knows too few."""
    choice = arm.choices["bucketing"]
    known = () if "bucketing" in arm.silenced else choice.cls.known_genes(choice.settings)
    if not known:
        return dataset
    unknown = dataset.genes[-UNKNOWN:]
    known = [name for name in known if name not in unknown][: dataset.n_genes - UNKNOWN]
    genes = (*known, *unknown)
    return replace(dataset, genes=genes) if len(genes) == dataset.n_genes else None


@contextmanager
def as_on_a_lane(device: str, threads: int) -> Iterator[None]:
    """Compute as a worker does: in a fixed order on a CPU, on the threads of a lane; leave random state alone."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[]), fixed_order(device):
            yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def on_the_probe(arm: Arm) -> Iterator[None]:
    """Leave global random state alone, compute in a fixed order, and name the arm in what is wrong with it.

    On one thread: on a data set this small others only wait, and on a busy machine they cost minutes.
    """
    try:
        with as_on_a_lane("cpu", 1), time_limit(LONGEST_S, kill=False):
            yield
    except KnockoutError as error:
        raise type(error)(f"arm {arm.name!r}: {error.message}", where=error.where) from None
