"""GENELink's default protocol."""

from __future__ import annotations

from typing import Literal

import numpy as np

from components.core.dataset import Dataset
from components.core.exam import TEST, TRAIN, VALIDATION
from components.core.registry import register
from components.core.settings import setting
from components.split.base import Cut, Splitter, candidates, mirrored


@register("split", "per_tf")
class PerTF(Cut):
    """Splits each TF's targets 53/13/33 and tests at the network's density over all listed TFs.

    GENELink's default protocol (protocol.md rules 1-6) with rule 6 mended: no pair stands in two parts. Pairs are
    ``[pairs, 2]`` gene indices.

    Source: Chen & Liu 2022 (GENELink), public code; scUniGP appendix B.
    """

    class Settings(Splitter.Settings):
        """Settings of the per-TF protocol."""

        validation: Literal["matched", "natural"] = setting(
            "matched",
            "'matched': one negative per positive of the same TF, as published; 'natural': drawn like the test set",
        )

    settings: Settings

    def _assign_negatives(self, part: np.ndarray, dataset: Dataset, rng: np.random.Generator) -> np.ndarray:
        negative = np.zeros_like(part)
        free = candidates(part, dataset.tfs)
        self._draw_validation(negative, free, part, dataset, rng)
        allowed = free & ~self._closed_to_test(part, negative)
        self._draw(negative, allowed, TEST, _n_test_negatives(part, dataset), rng)
        return negative

    def _draw_validation(
        self,
        negative: np.ndarray,
        free: np.ndarray,
        part: np.ndarray,
        dataset: Dataset,
        rng: np.random.Generator,
    ) -> None:
        allowed = free & ~mirrored(self, (part == TRAIN) | (part == TEST))
        if self.settings.validation == "natural":
            n_validation, n_test = np.sum(part == VALIDATION), np.sum(part == TEST)
            wanted = _n_test_negatives(part, dataset) * int(n_validation) // max(int(n_test), 1)
            self._draw(negative, allowed, VALIDATION, wanted, rng)
            return
        for tf in dataset.tfs:
            wanted = int(np.sum(part[tf] == VALIDATION))
            choice = np.flatnonzero(allowed[tf])
            negative[tf, rng.permutation(choice)[:wanted]] = VALIDATION

    def _closed_to_test(self, part: np.ndarray, negative: np.ndarray) -> np.ndarray:
        validation = (part == VALIDATION) | (negative == VALIDATION)
        return (negative == VALIDATION) | mirrored(self, validation | (part == TRAIN))

    def _draw(
        self, negative: np.ndarray, allowed: np.ndarray, into: int, wanted: int, rng: np.random.Generator
    ) -> None:
        choice = np.flatnonzero(allowed)
        negative.flat[rng.choice(choice, size=min(wanted, len(choice)), replace=False)] = into


@register("split", "per_tf_as_published")
class PerTFAsPublished(PerTF):
    """Splits as GENELink's public code does, with its overlap: training pairs stand in the test set with label 0.

    Rule 6 as shipped (protocol.md): test negatives leave out validation pairs and test positives only, so about 16 %
    of the training positives of mDC TFs+500 are test 'negatives', and training negatives may be drawn from the test.
    For comparison with old numbers alone. Pairs are ``[pairs, 2]`` gene indices.

    Source: Chen & Liu 2022 (GENELink), public code.
    """

    def _assign_negatives(self, part: np.ndarray, dataset: Dataset, rng: np.random.Generator) -> np.ndarray:
        negative = np.zeros_like(part)
        self._draw_validation(negative, candidates(part, dataset.tfs), part, dataset, rng)
        allowed = np.zeros(part.shape, dtype=bool)
        allowed[dataset.tfs] = True
        np.fill_diagonal(allowed, False)
        allowed &= (part != VALIDATION) & (part != TEST) & (negative != VALIDATION)
        allowed &= ~mirrored(self, (part == TRAIN) | (part == VALIDATION) | (negative == VALIDATION))
        self._draw(negative, allowed, TEST, _n_test_negatives(part, dataset), rng)
        return negative

    def _pool(self, part: np.ndarray, negative: np.ndarray, dataset: Dataset) -> np.ndarray:
        return candidates(part, dataset.tfs) & (negative != VALIDATION)


def _n_test_negatives(part: np.ndarray, dataset: Dataset) -> int:
    tfs, targets = (len(np.unique(column)) for column in dataset.edges.T)
    density = len(dataset.edges) / (tfs * targets)
    n_test = int(np.sum(part == TEST))
    return int(n_test / density - n_test)
