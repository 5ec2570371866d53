"""An exam: which pairs of a data set train, validate and test. A split protocol sets it, every arm sits it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from components.core.dataset import Dataset, Ints

NONE, TRAIN, VALIDATION, TEST = 0, 1, 2, 3  # the part that a pair belongs to


@dataclass(frozen=True, eq=False)
class Split:
    """One exam on one data set: the same for every arm.

    Attributes
    ----------
    n_genes
        Number of genes, to turn pairs into keys.
    train
        ``[n, 2]`` training positives: the only edges that message passing and controls may read.
    validation, validation_labels
        ``[n, 2]`` and ``[n]``: pairs that choose the epoch.
    test, test_labels
        ``[n, 2]`` and ``[n]``: pairs that are scored once.
    pool
        ``[n, 2]`` pairs that a negative sampler may draw for training, sorted by TF.
    whole_pool
        Whether the protocol trains on the whole pool, as hard-negative protocols do, instead of drawing from it.
    """

    n_genes: int
    train: Ints
    validation: Ints
    validation_labels: Ints
    test: Ints
    test_labels: Ints
    pool: Ints
    whole_pool: bool = False

    @cached_property
    def digest(self) -> str:
        """Digest of every pair and label: two arms with one digest sat the same exam."""
        sha = hashlib.sha256()
        held_out = (self.validation, self.validation_labels, self.test, self.test_labels)
        for array in (self.train, *held_out, self.pool):
            sha.update(str(array.shape).encode() + np.ascontiguousarray(array).tobytes())
        return sha.hexdigest()[:16]


def collect(
    dataset: Dataset, part: np.ndarray, negative: np.ndarray, pool: np.ndarray, *, whole_pool: bool = False
) -> Split:
    """Return the exam that matrices ``[genes, genes]`` describe.

    Parameters
    ----------
    dataset
        Data set of the exam.
    part, negative
        Part of each positive and of each negative pair: NONE, TRAIN, VALIDATION or TEST.
    pool
        Whether a pair may be drawn as a training negative.
    whole_pool
        Whether training takes the whole pool.
    """

    def pairs_of(which: int) -> tuple[Ints, Ints]:
        positives, negatives = np.argwhere(part == which), np.argwhere(negative == which)
        labels = np.repeat(np.array([1, 0], dtype=np.int64), [len(positives), len(negatives)])
        return np.concatenate([positives, negatives]), labels

    validation, validation_labels = pairs_of(VALIDATION)
    test, test_labels = pairs_of(TEST)
    return Split(
        n_genes=dataset.n_genes,
        train=np.argwhere(part == TRAIN),
        validation=validation,
        validation_labels=validation_labels,
        test=test,
        test_labels=test_labels,
        pool=np.argwhere(pool),
        whole_pool=whole_pool,
    )
