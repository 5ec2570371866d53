"""GENELink's default protocol, without its overlap of parts and as published."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from components.core.dataset import Dataset
from components.core.exam import TEST, TRAIN, VALIDATION, PairGrid
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

    def _assign_negatives(
        self, part: np.ndarray, grid: PairGrid, dataset: Dataset, rng: np.random.Generator
    ) -> np.ndarray:
        negative = np.zeros_like(part)
        free = grid.candidates(part, dataset.tfs)
        self._draw_validation(negative, free, part, grid, dataset, rng)
        validation = (part == VALIDATION) | (negative == VALIDATION)
        closed = mirrored(self, grid, validation | (part == TRAIN))
        allowed = free & (negative != VALIDATION) & ~closed
        self._draw(negative, allowed, TEST, _n_test_negatives(part, dataset), rng)
        return negative

    def _draw_validation(
        self,
        negative: np.ndarray,
        free: np.ndarray,
        part: np.ndarray,
        grid: PairGrid,
        dataset: Dataset,
        rng: np.random.Generator,
    ) -> None:
        allowed = free & ~mirrored(self, grid, (part == TRAIN) | (part == TEST))
        if self.settings.validation == "natural":
            n_validation, n_test = np.sum(part == VALIDATION), np.sum(part == TEST)
            number = _n_test_negatives(part, dataset) * n_validation / max(n_test, 1)
            self._draw(negative, allowed, VALIDATION, math.ceil(number), rng)
            return
        for row in grid.row[dataset.tfs]:
            number = int(np.sum(part[row] == VALIDATION))
            negative[row, rng.permutation(np.flatnonzero(allowed[row]))[:number]] = VALIDATION

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

    def _assign_negatives(
        self, part: np.ndarray, grid: PairGrid, dataset: Dataset, rng: np.random.Generator
    ) -> np.ndarray:
        negative = np.zeros_like(part)
        self._draw_validation(negative, grid.candidates(part, dataset.tfs), part, grid, dataset, rng)
        validation = (part == VALIDATION) | (negative == VALIDATION)
        allowed = grid.candidates(validation | (part == TEST), dataset.tfs)
        allowed &= ~mirrored(self, grid, (part == TRAIN) | validation)
        self._draw(negative, allowed, TEST, _n_test_negatives(part, dataset), rng)
        return negative

    def _pool(self, part: np.ndarray, negative: np.ndarray, grid: PairGrid, dataset: Dataset) -> np.ndarray:
        return grid.candidates(part, dataset.tfs) & (negative != VALIDATION)


def _n_test_negatives(part: np.ndarray, dataset: Dataset) -> int:
    tfs, targets = (len(np.unique(column)) for column in dataset.edges.T)
    density = len(dataset.edges) / (tfs * targets)
    n_test = int(np.sum(part == TEST))
    return int(n_test / density - n_test)
