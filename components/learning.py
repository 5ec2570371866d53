"""What a model of one's own is given: the view of the data and exam that it may learn from, and what it works with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from components.core.budget import Budget
from components.core.dataset import Dataset, Floats, Ints
from components.core.exam import Split, TrainingPairs
from components.core.streams import Streams

EXPRESSION = ("true", "noise", "permuted")


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
        """Return the view of a data set and its exam; the arrays of the exam are read-only."""
        validation, labels = split.validation.view(), split.validation_labels.view()
        validation.flags.writeable = labels.flags.writeable = False
        return cls(
            dataset=dataset.name,
            network=dataset.network,
            block=dataset.block,
            genes=dataset.genes,
            expression=expression,
            tfs=dataset.tfs,
            training=split.training,
            validation=validation,
            validation_labels=labels,
            draw=draw,
            repeat=repeat,
            fold=fold,
        )

    def training_pairs(self, epoch: int = 0) -> tuple[Ints, Ints]:
        """Return pairs ``[n, 2]`` and labels ``[n]`` of an epoch: the positives, then negatives drawn for it."""
        negatives = self.draw(epoch)
        labels = np.repeat(np.array([1, 0], dtype=np.int64), [len(self.training.train), len(negatives)])
        return np.concatenate([self.training.train, negatives]), labels


@dataclass(kw_only=True)
class Context:
    """What a model of one's own works with, and where it leaves what is recorded of it.

    Attributes
    ----------
    device, threads
        torch device, and CPU threads, of the lane.
    budget
        Epochs, patience, batch size of the study.
    streams
        Random streams of the repeat, the same for every arm: ``streams.seed("init")``.
    scratch
        An empty folder of its own, removed afterwards.
    output
        File that keeps what a program prints; None: nothing is kept.
    curves
        Name to one value per epoch, for the report's figures.
    best_epoch, parameters, memory_mb
        Epoch that validation chose (from 1), number of trained weights, peak memory outside of this process.
    """

    device: str
    threads: int
    budget: Budget
    streams: Streams
    scratch: Path
    output: Path | None = None
    curves: dict[str, list[float]] = field(default_factory=dict)
    best_epoch: int = 0
    parameters: int = 0
    memory_mb: float = 0.0

    @property
    def seed(self) -> int:
        """31-bit seed of the repeat, the same for every arm."""
        return self.streams.seed("init") % 2**31


def shown(kind: str, expression: Floats, rng: np.random.Generator) -> Floats:
    """Return the expression ``[genes, cells]`` as it is, as standard normal noise, or with rows of other genes.

    Raises
    ------
    KeyError
        For a kind that is none of ``EXPRESSION``.
    """
    shows: Mapping[str, Callable[[], Floats]] = {
        "true": lambda: expression,
        "noise": lambda: rng.standard_normal(expression.shape, dtype=np.float32),
        "permuted": lambda: rng.permutation(expression, axis=0),
    }
    return shows[kind]()
