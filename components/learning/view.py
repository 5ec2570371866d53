"""The view of a data set and its exam that a model of one's own may learn from: nothing of the test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from components.core.dataset import Dataset, Floats, Ints
from components.core.exam import Split, TrainingPairs

Array = TypeVar("Array", bound=np.ndarray)


class ProgramError(Exception):
    """A program that failed; the message has how it ended and its last lines."""


@dataclass(frozen=True, eq=False, kw_only=True)
class View:
    """All that a model of one's own sees of a data set and an exam: nothing of the test.

    Attributes
    ----------
    dataset, network, block
        Names of the data set, of where its edges come from, and of its cell type.
    genes
        Gene names; a gene's index is its place here.
    expression
        ``[genes, cells]``, log scale; noise or other genes' rows for the controls of the model.
    tfs
        ``[tfs]``, sorted indices of the candidate regulators.
    training
        Training positives, and the pool that negatives are drawn from.
    validation, validation_labels
        ``[n, 2]`` and ``[n]``: pairs that choose an epoch.
    draw
        Draws the negatives ``[n, 2]`` of an epoch, counted from 0, with the sampler of the arm.
    pseudotime
        ``[cells, lineages]``, NaN where a cell is not part of a lineage; None where the data set has none.
    repeat, fold
        Number of the repeat, from 0; of the fold, from 1, or 0 where the exam has none.
    """

    dataset: str
    network: str
    block: str
    genes: tuple[str, ...]
    expression: Floats
    tfs: Ints
    training: TrainingPairs
    validation: Ints
    validation_labels: Ints
    draw: Callable[[int], Ints]
    pseudotime: NDArray[np.float64] | None = None
    repeat: int = 0
    fold: int = 0

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        split: Split,
        expression: Floats,
        draw: Callable[[int], Ints],
        repeat: int = 0,
        fold: int = 0,
    ) -> View:
        """Return the view of a data set and its exam; read-only copies, since torch writes into what is read-only."""
        pairs = split.training
        training = replace(pairs, train=_copy(pairs.train), pool=_copy(pairs.pool))
        return cls(
            dataset=dataset.name,
            network=dataset.network,
            block=dataset.block,
            genes=dataset.genes,
            expression=_copy(expression),
            tfs=_copy(dataset.tfs),
            training=training,
            validation=_copy(split.validation),
            validation_labels=_copy(split.validation_labels),
            draw=draw,
            pseudotime=None if dataset.pseudotime is None else _copy(dataset.pseudotime),
            repeat=repeat,
            fold=fold,
        )

    def training_pairs(self, epoch: int = 0) -> tuple[Ints, Ints]:
        """Return pairs ``[n, 2]`` and labels ``[n]`` of an epoch: the positives, then negatives drawn for it."""
        negatives = self.draw(epoch)
        labels = np.repeat(np.array([1, 0], dtype=np.int64), [len(self.training.train), len(negatives)])
        return np.concatenate([self.training.train, negatives]), labels


def shown(kind: str, expression: Floats, rng: np.random.Generator) -> Floats:
    """Return the expression ``[genes, cells]`` as it is, as standard normal noise, or with rows of other genes.

    Raises
    ------
    KeyError
        For a kind that is none of ``true``, ``noise`` and ``permuted``.
    """
    shows: Mapping[str, Callable[[], Floats]] = {
        "true": lambda: expression,
        "noise": lambda: rng.standard_normal(expression.shape, dtype=np.float32),
        "permuted": lambda: rng.permutation(expression, axis=0),
    }
    return shows[kind]()


def _copy(array: Array) -> Array:
    copied = array.copy()
    copied.flags.writeable = False
    return copied
