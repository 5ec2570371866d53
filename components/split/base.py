"""What every split protocol shares: its contract, the order in which an exam is set, and the rules for pairs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import numpy as np

from components.core.dataset import Dataset, Ints, pair_keys
from components.core.errors import KnockoutError
from components.core.exam import NONE, TEST, TRAIN, VALIDATION, Split, collect
from components.core.settings import Settings as BaseSettings
from components.core.settings import setting


class Splitter(ABC):
    """Base of every split protocol: sets the exam of a GRN, or one exam per fold.

    An exam's parts are disjoint, and every positive stands in exactly one of them.
    """

    across: ClassVar[bool] = False  # whether its test asks another data set (transfer)
    whole_pool: ClassVar[bool] = False  # whether its training set holds every negative of the pool (rule 8)
    needs: ClassVar[str]  # what a network must have to fill every part: ends the refusal of one that has not

    class Settings(BaseSettings):
        """What every protocol can be asked."""

        reciprocal: Literal["free", "together"] = setting(
            "free",
            "'together' keeps both directions of a pair in one part, so that A->B cannot give B->A away",
        )

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @abstractmethod
    def split(self, dataset: Dataset, rng: np.random.Generator) -> Split:
        """Set the exam of one data set; of several folds, the first.

        Raises
        ------
        KnockoutError
            If the network is too small for the protocol to fill every part.
        """

    def folds(self, dataset: Dataset, rng: np.random.Generator) -> tuple[Split, ...]:
        """Set every exam of one data set: an arm is trained on each, and their test pairs are scored as one test."""
        return (self.split(dataset, rng),)


class Cut(Splitter):
    """Base of protocols with one exam: assigns the positives, then draws the pairs that stand against them.

    Unless a protocol says otherwise, positives are cut by GENELink's rules, and what is held out from no part trains.
    """

    needs = "A TF needs at least 8 targets to reach validation."

    def split(self, dataset: Dataset, rng: np.random.Generator) -> Split:
        """Set the exam of one data set."""
        part = np.zeros((dataset.n_genes, dataset.n_genes), dtype=np.int8)  # of each positive
        self._assign_positives(part, dataset, rng)
        negative = self._assign_negatives(part, dataset, rng)
        split = collect(dataset, part, negative, self._pool(part, negative, dataset), whole_pool=self.whole_pool)
        refuse_empty(split, dataset, self)
        return split

    def _assign_positives(self, part: np.ndarray, dataset: Dataset, rng: np.random.Generator) -> None:
        edges = dataset.edges
        if self.settings.reciprocal == "together":
            edges = one_direction(edges, dataset.n_genes, rng)
        for tf in np.unique(edges[:, 0]):
            targets = edges[edges[:, 0] == tf, 1]
            part[tf, targets] = self._parts_of_one_tf(len(targets), rng)
        if self.settings.reciprocal == "together":
            a, b = dataset.edges.T
            part[a, b] = np.maximum(part[a, b], part[b, a])

    def _parts_of_one_tf(self, n: int, rng: np.random.Generator) -> Ints:
        """Return the part of each of the ``n`` targets of one TF, by protocol.md rules 1 and 2: 53/13/33 %."""
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
    def _assign_negatives(self, part: np.ndarray, dataset: Dataset, rng: np.random.Generator) -> np.ndarray:
        """Return ``[genes, genes]``: the part each negative pair stands in, 0 for none."""

    def _pool(self, part: np.ndarray, negative: np.ndarray, dataset: Dataset) -> np.ndarray:
        """Return ``[genes, genes]`` bool: pairs that may be drawn as training negatives.

        Those of all listed TFs that validation and test leave.
        """
        held_out = (negative != NONE) | mirrored(self, (negative != NONE) | (part == VALIDATION) | (part == TEST))
        return candidates(part, dataset.tfs) & ~held_out


def candidates(part: np.ndarray, tfs: Ints) -> np.ndarray:
    """Return ``[genes, genes]`` bool: pairs of these TFs that are no known edge and no self-regulation."""
    free = np.zeros(part.shape, dtype=bool)
    free[tfs] = part[tfs] == NONE
    np.fill_diagonal(free, False)
    return free


def one_direction(edges: Ints, n_genes: int, rng: np.random.Generator) -> Ints:
    """Keep one direction, drawn by coin, of every pair that the network lists both ways: ``[edges, 2]`` to fewer."""
    keys, reversed_keys = pair_keys(edges, n_genes), pair_keys(edges[:, ::-1], n_genes)
    reciprocal = np.isin(keys, reversed_keys)
    coin = rng.random((n_genes, n_genes)) < 0.5
    upper = edges[:, 0] < edges[:, 1]
    low, high = edges.min(axis=1), edges.max(axis=1)
    return edges[~reciprocal | (upper == coin[low, high])]


def mirrored(splitter: Splitter, pairs: np.ndarray) -> np.ndarray:
    """Return the reversed pairs ``[genes, genes]`` where both directions must stay together, no pair otherwise."""
    return pairs.T if splitter.settings.reciprocal == "together" else np.zeros_like(pairs)


def refuse_empty(split: Split, dataset: Dataset, splitter: Splitter) -> None:
    """Refuse a network that leaves a part of the exam without positives or negatives.

    Raises
    ------
    KnockoutError
        Naming the parts, and what the protocol needs.
    """
    lacking = [
        name
        for name, labels in (("validation", split.validation_labels), ("test", split.test_labels))
        if len(np.unique(labels)) < 2
    ]
    lacking += ["training"] if not len(split.train) or not len(split.pool) else []
    if lacking:
        raise KnockoutError(
            f"the network is too small for {type(splitter).__name__}: with {len(dataset.edges)} edges of "
            f"{len(np.unique(dataset.edges[:, 0]))} TFs the {' and '.join(lacking)} part lacks positives or negatives. "
            f"{splitter.needs}",
            where=f"data set {dataset.name}",
        )
