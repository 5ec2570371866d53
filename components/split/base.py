"""Bases of split protocols, and what they share about marks on pairs ``[regulators, genes]``."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import numpy as np

from components.core.dataset import Dataset, Ints, pair_keys
from components.core.errors import KnockoutError, count
from components.core.exam import NONE, TEST, TRAIN, VALIDATION, PairGrid, Split, collect
from components.core.settings import Settings as BaseSettings
from components.core.settings import setting

DENSE = 0.9  # share of the genes that a TF regulates, from which on it leaves too few negatives


class Splitter(ABC):
    """Base of every split protocol: sets the exam of a data set, or one exam per fold.

    The parts of an exam are disjoint, and each positive is in exactly one of them.
    """

    across: ClassVar[bool] = False  # whether the test pairs are of another data set (transfer)
    whole_pool: ClassVar[bool] = False  # whether training takes every negative of the pool
    needs: ClassVar[str]  # what a network must have to fill every part, as the last sentence of the error

    class Settings(BaseSettings):
        """Settings common to all protocols."""

        reciprocal: Literal["free", "together"] = setting(
            "free",
            "'together' keeps both directions of a pair in one part, so that A->B cannot give B->A away",
        )

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @abstractmethod
    def split(self, dataset: Dataset, rng: np.random.Generator) -> Split:
        """Return the exam of one data set; of several folds the first.

        Raises
        ------
        KnockoutError
            If the network is too small for the protocol to fill every part.
        """

    def folds(self, dataset: Dataset, rng: np.random.Generator) -> tuple[Split, ...]:
        """Return every exam of one data set: an arm trains on each, and their test pairs are scored as one test."""
        return (self.split(dataset, rng),)


class Cut(Splitter):
    """Base of protocols that divide the positives of each TF, then draw negatives for each part.

    Unless a protocol overrides it, positives are divided as GENELink does, and the pool is all that is not held out.
    """

    needs = "A TF needs at least 8 targets to reach validation."

    def split(self, dataset: Dataset, rng: np.random.Generator) -> Split:
        """Return the exam of one data set."""
        grid = PairGrid.of(dataset)
        part = grid.empty()  # of each positive
        self._assign_positives(part, grid, dataset, rng)
        negative = self._assign_negatives(part, grid, dataset, rng)
        pool = self._pool(part, negative, grid, dataset)
        return complete(collect(grid, part, negative, pool, whole_pool=self.whole_pool), dataset, self)

    def _assign_positives(self, part: np.ndarray, grid: PairGrid, dataset: Dataset, rng: np.random.Generator) -> None:
        edges = dataset.edges
        if self.settings.reciprocal == "together":
            edges = one_direction(edges, dataset.n_genes, rng)
        for tf in np.unique(edges[:, 0]):
            targets = edges[edges[:, 0] == tf, 1]
            part[grid.row[tf], targets] = self._parts_of_one_tf(len(targets), rng)
        if self.settings.reciprocal == "together":
            known = grid.at(dataset.edges)
            part[known] = np.maximum(part, grid.reverse(part))[known]

    def _parts_of_one_tf(self, n: int, rng: np.random.Generator) -> Ints:
        """Return the part of each of the ``n`` targets of one TF, as GENELink does: 53/13/33 %.

        The only target of a TF trains or tests by coin; of two, the first trains and the second tests.
        """
        if n == 1:
            return np.array([TRAIN if rng.random() <= 0.5 else TEST])
        if n == 2:
            return np.array([TRAIN, TEST])
        order = rng.permutation(n)
        n_learn = 2 * n // 3
        parts = np.full(n, TEST)
        parts[order[:n_learn]] = TRAIN
        parts[order[: n_learn // 5]] = VALIDATION
        return parts

    @abstractmethod
    def _assign_negatives(
        self, part: np.ndarray, grid: PairGrid, dataset: Dataset, rng: np.random.Generator
    ) -> np.ndarray:
        """Return the part of each negative pair, ``[regulators, genes]``, NONE for most."""

    def _pool(self, part: np.ndarray, negative: np.ndarray, grid: PairGrid, dataset: Dataset) -> np.ndarray:
        """Return whether a pair may be drawn as a training negative, ``[regulators, genes]``.

        Those of all listed TFs that are neither known nor held out.
        """
        held_out = (negative != NONE) | (part == VALIDATION) | (part == TEST)
        return grid.candidates(part, dataset.tfs) & (negative == NONE) & ~mirrored(self, grid, held_out)


def one_direction(edges: Ints, n_genes: int, rng: np.random.Generator) -> Ints:
    """Return the edges with one direction, by coin, of every pair of genes that the network links both ways."""
    keys, reversed_keys = pair_keys(edges, n_genes), pair_keys(edges[:, ::-1], n_genes)
    reciprocal = np.isin(keys, reversed_keys)
    upper = edges[:, 0] < edges[:, 1]
    low, high = edges.min(axis=1), edges.max(axis=1)
    heads, order = np.empty(len(edges), dtype=bool), np.argsort(low)
    bounds = np.searchsorted(low[order], np.arange(n_genes + 1))
    for start, stop in itertools.pairwise(bounds):  # a coin for each pair of genes, one gene's at a time in memory
        rows, coins = order[start:stop], rng.random(n_genes) < 0.5
        heads[rows] = coins[high[rows]]
    return edges[~reciprocal | (upper == heads)]


def mirrored(splitter: Splitter, grid: PairGrid, marks: np.ndarray) -> np.ndarray:
    """Return the marks of the reverse pairs if both directions must be in one part, and no mark otherwise."""
    return grid.reverse(marks) if splitter.settings.reciprocal == "together" else np.zeros_like(marks)


def complete(split: Split, dataset: Dataset, splitter: Splitter) -> Split:
    """Return an exam; raise :class:`KnockoutError`, saying what is needed, if a part lacks positives or negatives."""
    labels = {"validation": split.validation_labels, "test": split.test_labels}
    no_edge = [part for part, values in labels.items() if not np.any(values == 1)]
    no_other = [part for part, values in labels.items() if not np.any(values == 0)]
    no_edge += [] if len(split.train) else ["training"]
    no_other += [] if len(split.pool) else ["training"]
    if not no_edge and not no_other:
        return split
    regulators, degrees = np.unique(dataset.edges[:, 0], return_counts=True)
    full = int(np.sum(degrees >= DENSE * (dataset.n_genes - 1)))
    size, cure = "small", splitter.needs
    if full and not no_edge:
        size = "dense"
        cure = f"TFs that regulate nearly all of the {dataset.n_genes} genes: {full}; leave them out, or add genes."
    lacking = f"no edge is left for {' and '.join(no_edge)}" if no_edge else ""
    lacking = lacking or f"no pair without an edge is left for {' and '.join(no_other)}"
    message = f"the network is too {size} for {type(splitter).__name__}: with {count(len(dataset.edges), 'edge')}"
    message += f" of {count(len(regulators), 'TF')} {lacking}. {cure}"
    raise KnockoutError(message, where=f"data set {dataset.name}")
