"""An exam: which pairs of a data set train, validate and test. A split protocol sets it, every arm sits it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from components.core.dataset import Dataset, Ints, pair_keys
from components.core.errors import KnockoutError

NONE, TRAIN, VALIDATION, TEST = 0, 1, 2, 3  # the part that a pair belongs to

UnseenGene = Literal["none", "tf", "target"]  # which gene of a held-out pair has that place in no training pair


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainingPairs:
    """The training part of an exam: all of it that a part of a model, a control or a method ever sees.

    Attributes
    ----------
    n_genes
        Number of genes, to turn pairs into keys.
    train
        ``[n, 2]`` training positives: the only edges that message passing and controls may read.
    pool
        ``[n, 2]`` pairs that a negative sampler may draw for training, sorted by TF.
    whole_pool
        Whether the protocol trains on the whole pool, as hard-negative protocols do, instead of drawing from it.
    unseen
        Which gene of every held-out pair has that place in no training pair: a known edge of a training pair may be
        hidden in the same way.
    """

    n_genes: int
    train: Ints
    pool: Ints
    whole_pool: bool = False
    unseen: UnseenGene = "none"

    @cached_property
    def _pool_keys(self) -> Ints:
        return np.sort(pair_keys(self.pool, self.n_genes))

    def check_drawn(self, pairs: Ints) -> None:
        """Refuse no pairs at all, and pairs that lie outside of the pool: held-out pairs, and known edges.

        Raises
        ------
        KnockoutError
            Saying how many there are, and naming one of them; or what was drawn instead of pairs.
        """
        if not isinstance(pairs, np.ndarray) or pairs.ndim != 2 or pairs.shape[1:] != (2,) or pairs.dtype.kind != "i":
            what = getattr(pairs, "shape", type(pairs).__name__)
            raise KnockoutError(f"a sampler of negatives draws an array of integers [negatives, 2], not {what}.")
        if not len(pairs):
            raise KnockoutError(
                f"the sampler of negatives drew no pair beside {len(self.train)} training positives, out of "
                f"{len(self.pool)} candidates. Raise its ratio, or take another level."
            )
        if pairs is self.pool:
            return
        keys, pool = pair_keys(pairs, self.n_genes), self._pool_keys
        inside = np.zeros(len(keys), dtype=bool)
        if len(pool):
            inside = pool[np.minimum(np.searchsorted(pool, keys), len(pool) - 1)] == keys
        inside &= (pairs[:, 1] >= 0) & (pairs[:, 1] < self.n_genes)  # no other pair has the same key then
        if not inside.all():
            first = pairs[np.argmin(inside)].tolist()
            raise KnockoutError(
                f"the sampler of negatives drew {np.sum(~inside)} of {len(pairs)} pairs outside of the pool, such as "
                f"genes {first}: those are held out, or known edges. Draw rows of split.pool."
            )


@dataclass(frozen=True, eq=False, kw_only=True)
class Split(TrainingPairs):
    """One exam on one data set: the same for every arm.

    Attributes
    ----------
    validation, validation_labels
        ``[n, 2]`` and ``[n]``: pairs that choose the epoch.
    test, test_labels
        ``[n, 2]`` and ``[n]``: pairs that are scored once.
    """

    validation: Ints
    validation_labels: Ints
    test: Ints
    test_labels: Ints

    @cached_property
    def training(self) -> TrainingPairs:
        """The training part, read-only: nobody who holds it can see, or change, what is held out."""
        train, pool = self.train.view(), self.pool.view()
        train.flags.writeable = pool.flags.writeable = False
        return TrainingPairs(
            n_genes=self.n_genes, train=train, pool=pool, whole_pool=self.whole_pool, unseen=self.unseen
        )

    @cached_property
    def digest(self) -> str:
        """Digest of every pair and label: two arms with one digest sat the same exam."""
        sha = hashlib.sha256()
        held_out = (self.validation, self.validation_labels, self.test, self.test_labels)
        for array in (self.train, *held_out, self.pool):
            sha.update(str(array.shape).encode() + np.ascontiguousarray(array).tobytes())
        return sha.hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class PairGrid:
    """Where marks on pairs stand: a row per regulator and a column per gene, ``[regulators, genes]``.

    An atlas has 20,000 genes and 1,500 TFs: a mark on each pair of genes would take 13 times the memory.

    Attributes
    ----------
    regulators
        ``[regulators]`` sorted indices of the genes that have a row: listed TFs, and TFs of edges.
    n_genes
        Number of genes.
    """

    regulators: Ints
    n_genes: int

    @classmethod
    def of(cls, *datasets: Dataset) -> PairGrid:
        """Return the grid of data sets over the same genes."""
        regulators = [regulator for each in datasets for regulator in (each.tfs, each.edges[:, 0])]
        return cls(np.unique(np.concatenate(regulators)), datasets[0].n_genes)

    @cached_property
    def row(self) -> Ints:
        """The row of each gene, ``[genes]``; -1 for a gene that is no regulator."""
        rows = np.full(self.n_genes, -1, dtype=np.int64)
        rows[self.regulators] = np.arange(len(self.regulators))
        return rows

    def empty(self) -> NDArray[np.int8]:
        """Return a mark of NONE on each pair."""
        return np.zeros((len(self.regulators), self.n_genes), dtype=np.int8)

    def at(self, pairs: Ints) -> tuple[Ints, Ints]:
        """Return the index of pairs ``[pairs, 2]`` of a regulator and a gene."""
        return self.row[pairs[:, 0]], pairs[:, 1]

    def marked(self, pairs: Ints) -> NDArray[np.bool_]:
        """Return whether each pair is one of these, ``[pairs, 2]``."""
        marks = self.empty().astype(bool)
        marks[self.at(pairs)] = True
        return marks

    def candidates(self, taken: np.ndarray, tfs: Ints) -> NDArray[np.bool_]:
        """Return whether a pair is of these TFs, not taken, and no self-regulation."""
        free = np.zeros(taken.shape, dtype=bool)
        rows = self.row[tfs]
        free[rows] = ~taken[rows].astype(bool)
        free[np.arange(len(self.regulators)), self.regulators] = False
        return free

    def reverse(self, marks: np.ndarray) -> np.ndarray:
        """Return the mark of each pair's reverse; 0 or False where the gene is no regulator, and has no such pair."""
        reversed_marks = np.zeros_like(marks)
        reversed_marks[:, self.regulators] = marks[:, self.regulators].T
        return reversed_marks

    @property
    def backward(self) -> NDArray[np.bool_]:
        """Whether the gene does not come after its regulator: of two directions of a pair, that holds for one."""
        return self.regulators[:, None] >= np.arange(self.n_genes)

    def pairs(self, marks: np.ndarray) -> Ints:
        """Return the pairs that have a mark, ``[pairs, 2]``, sorted."""
        row, gene = np.nonzero(marks)
        return np.stack([self.regulators[row], gene], axis=1)


def collect(
    grid: PairGrid,
    part: np.ndarray,
    negative: np.ndarray,
    pool: np.ndarray,
    *,
    whole_pool: bool = False,
    unseen: UnseenGene = "none",
) -> Split:
    """Return the exam that marks ``[regulators, genes]`` describe.

    Parameters
    ----------
    grid
        Which pair stands where.
    part, negative, pool
        Part of each positive and of each negative pair: NONE, TRAIN, VALIDATION or TEST; whether it may be drawn.
    whole_pool, unseen
        As :class:`TrainingPairs` has them.
    """

    def pairs_of(which: int) -> tuple[Ints, Ints]:
        positives, negatives = grid.pairs(part == which), grid.pairs(negative == which)
        labels = np.repeat(np.array([1, 0], dtype=np.int64), [len(positives), len(negatives)])
        return np.concatenate([positives, negatives]), labels

    validation, validation_labels = pairs_of(VALIDATION)
    test, test_labels = pairs_of(TEST)
    return Split(
        n_genes=grid.n_genes,
        train=grid.pairs(part == TRAIN),
        validation=validation,
        validation_labels=validation_labels,
        test=test,
        test_labels=test_labels,
        pool=grid.pairs(pool),
        whole_pool=whole_pool,
        unseen=unseen,
    )
