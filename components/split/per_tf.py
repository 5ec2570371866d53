"""GENELink's default protocol, without its overlap of parts and as published."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import numpy as np

from components.core.dataset import Dataset
from components.core.exam import NONE, TEST, TRAIN, VALIDATION, PairGrid
from components.core.registry import register
from components.core.settings import setting
from components.split.base import Cut, Splitter, mirrored


@register("split", "per_tf")
class PerTF(Cut):
    """Splits each TF's targets 53/13/33 % and tests at the network's density over all listed TFs.

    GENELink's default protocol, except that no pair ``[pairs, 2]`` is in two parts, and that validation asks what the
    test asks unless ``validation: matched`` says otherwise.

    Source: Chen & Liu 2022 (GENELink), public code; scUniGP appendix B.
    """

    class Settings(Splitter.Settings):
        """Settings of the per-TF protocol."""

        validation: Literal["natural", "matched"] = setting(
            "natural",
            "'natural': drawn like the test set; 'matched': one negative per positive of the same TF, as published",
        )

    settings: Settings
    tests_training: ClassVar[bool] = False  # whether training positives may be test negatives

    def _assign_negatives(
        self, part: np.ndarray, grid: PairGrid, dataset: Dataset, rng: np.random.Generator
    ) -> np.ndarray:
        negative = np.zeros_like(part)
        n_negatives = _n_test_negatives(part, dataset)
        allowed = grid.candidates(part, dataset.tfs) & ~mirrored(self, grid, (part == TRAIN) | (part == TEST))
        if self.settings.validation == "natural":
            n_validation, n_test = np.sum(part == VALIDATION), np.sum(part == TEST)
            self._draw(negative, allowed, VALIDATION, math.ceil(n_negatives * n_validation / max(n_test, 1)), rng)
        else:
            for row in grid.row[dataset.tfs]:
                number = int(np.sum(part[row] == VALIDATION))
                negative[row, rng.permutation(np.flatnonzero(allowed[row]))[:number]] = VALIDATION
        validation = (part == VALIDATION) | (negative == VALIDATION)
        taken = validation | (part == TEST if self.tests_training else part != NONE)
        allowed = grid.candidates(taken, dataset.tfs) & ~mirrored(self, grid, validation | (part == TRAIN))
        self._draw(negative, allowed, TEST, n_negatives, rng)
        return negative

    def _draw(
        self, negative: np.ndarray, allowed: np.ndarray, into: int, number: int, rng: np.random.Generator
    ) -> None:
        pairs = np.flatnonzero(allowed)
        negative.flat[rng.choice(pairs, size=min(number, len(pairs)), replace=False)] = into


@register("split", "per_tf_as_published")
class PerTFAsPublished(PerTF):
    """Splits as GENELink's public code does, with training pairs in the test set as negatives.

    Test negatives ``[pairs, 2]`` exclude only validation pairs and test positives, so that about 16 % of the training
    positives of mDC TFs+500 are test negatives, and training negatives may be test negatives. Only for comparison with
    published numbers.

    Source: Chen & Liu 2022 (GENELink), public code.
    """

    tests_training = True

    def _pool(self, part: np.ndarray, negative: np.ndarray, grid: PairGrid, dataset: Dataset) -> np.ndarray:
        return grid.candidates(part, dataset.tfs) & (negative != VALIDATION)


def _n_test_negatives(part: np.ndarray, dataset: Dataset) -> int:
    tfs, targets = (len(np.unique(column)) for column in dataset.edges.T)
    density = len(dataset.edges) / (tfs * targets)
    n_test = int(np.sum(part == TEST))
    return int(n_test / density - n_test)
