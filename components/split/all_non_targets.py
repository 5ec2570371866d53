"""The exam of scUniGP's tables: all non-targets of each TF, at natural density, in every part."""

from __future__ import annotations

import numpy as np

from components.core.dataset import Dataset, Ints
from components.core.exam import NONE, TEST, TRAIN, VALIDATION, PairGrid
from components.core.registry import register
from components.split.base import Cut

FEWEST = 4  # targets with which a TF can stand in every part


@register("split", "all_non_targets", aliases=("hard_negative",))
class AllNonTargets(Cut):
    """Splits the targets and the non-targets of each TF 67/10/23 %, so that every part has the natural prevalence.

    Only pairs ``[pairs, 2]`` of TFs with a positive take part, and validation asks what the test asks. A TF with fewer
    than four targets stands in no validation, nor does one with 5, 6 or 9, unless no TF would: then each of these gives
    it a target of its test. The whole training part is the pool, of
    ``.67 x TFs x (genes - 1)`` pairs with the positives: scUniGP's appendix tables 4 and 5 print this number for each
    of its data sets, whichever the network, where its sentence 4.2 ('for each positive a negative pair') would give
    two to fifty times fewer.

    Source: scUniGP, tables 4 and 5; Chen & Liu 2022 (GENELink, Specific networks) and Wang et al. 2024 (scGREAT, all
    networks), whose public code calls it hard negative sampling.
    """

    whole_pool = True
    needs = "A TF needs at least 4 targets to reach validation."

    def _assign_positives(self, part: np.ndarray, grid: PairGrid, dataset: Dataset, rng: np.random.Generator) -> None:
        super()._assign_positives(part, grid, dataset, rng)
        if np.any(part == VALIDATION):
            return
        moved = np.zeros_like(part, dtype=bool)
        for row in grid.row[np.unique(dataset.edges[:, 0])]:
            tested = np.flatnonzero(part[row] == TEST)
            if np.sum(part[row] != NONE) >= FEWEST and len(tested) > 1:
                moved[row, rng.choice(tested)] = True
        if self.settings.reciprocal == "together":
            moved |= grid.reverse(moved) & (part != NONE)
        part[moved] = VALIDATION

    def _parts_of_one_tf(self, n: int, rng: np.random.Generator) -> Ints:
        if n == 1:
            return np.array([TRAIN if rng.random() <= 0.5 else TEST])
        if n == 2:
            return rng.permutation([TRAIN, TEST])
        return _cut(n, rng)

    def _assign_negatives(
        self, part: np.ndarray, grid: PairGrid, dataset: Dataset, rng: np.random.Generator
    ) -> np.ndarray:
        negative = np.zeros_like(part)
        tfs = np.unique(dataset.edges[:, 0])
        free = grid.candidates(part, tfs)
        for row in grid.row[tfs]:
            genes = np.flatnonzero(free[row])
            negative[row, genes] = _cut(len(genes), rng)
        if self.settings.reciprocal == "together":
            second_of_two = free & grid.reverse(free) & grid.backward
            negative = np.where(second_of_two, grid.reverse(negative), negative)
            of_reverse = grid.reverse(part)
            negative = np.where(free & (of_reverse != NONE), of_reverse, negative)
        return negative

    def _pool(self, part: np.ndarray, negative: np.ndarray, grid: PairGrid, dataset: Dataset) -> np.ndarray:
        return negative == TRAIN


def _cut(n: int, rng: np.random.Generator) -> Ints:
    parts = np.full(n, TEST)
    order = rng.permutation(n)
    parts[order[: int(0.77 * n)]] = VALIDATION
    parts[order[: int(0.67 * n)]] = TRAIN
    return parts
