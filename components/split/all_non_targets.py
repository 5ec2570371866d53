"""The hard-negative protocol of GENELink and scGREAT."""

from __future__ import annotations

import numpy as np

from components.core.dataset import Dataset, Ints
from components.core.exam import NONE, TEST, TRAIN, VALIDATION
from components.core.registry import register
from components.split.base import Cut, candidates


@register("split", "hard_negative")
class HardNegative(Cut):
    """Splits the targets and the non-targets of each TF 67/10/23 %, so that every part has the natural prevalence.

    GENELink's protocol for Specific networks, and scGREAT's for all. Only pairs ``[pairs, 2]`` of TFs with a positive
    take part, and all negatives of the training part train.

    Source: Chen & Liu 2022 (GENELink), Wang et al. 2024 (scGREAT), public code.
    """

    whole_pool = True
    needs = "A TF needs at least 4 targets to reach validation."

    def _parts_of_one_tf(self, n: int, rng: np.random.Generator) -> Ints:
        if n == 1:
            return np.array([TRAIN if rng.random() <= 0.5 else TEST])
        if n == 2:
            return rng.permutation([TRAIN, TEST])
        return _cut(n, rng)

    def _assign_negatives(self, part: np.ndarray, dataset: Dataset, rng: np.random.Generator) -> np.ndarray:
        negative = np.zeros_like(part)
        free = candidates(part, np.unique(dataset.edges[:, 0]))
        for tf in np.unique(dataset.edges[:, 0]):
            genes = np.flatnonzero(free[tf])
            negative[tf, genes] = _cut(len(genes), rng)
        if self.settings.reciprocal == "together":
            both = free & free.T
            negative = np.where(both & np.tri(len(part), dtype=bool), negative.T, negative)
            negative = np.where(free & (part.T != NONE), part.T, negative)
        return negative

    def _pool(self, part: np.ndarray, negative: np.ndarray, dataset: Dataset) -> np.ndarray:
        return negative == TRAIN


def _cut(n: int, rng: np.random.Generator) -> Ints:
    parts = np.full(n, TEST)
    order = rng.permutation(n)
    parts[order[: int(0.77 * n)]] = VALIDATION
    parts[order[: int(0.67 * n)]] = TRAIN
    return parts
