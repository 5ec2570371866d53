"""Cross-validation whose folds are scored as one test."""

from __future__ import annotations

from typing import Literal

import numpy as np

from components.core.dataset import Dataset
from components.core.exam import TEST, TRAIN, VALIDATION, PairGrid, Split, collect
from components.core.registry import register
from components.core.sampling import systematic
from components.core.settings import setting
from components.split.base import Splitter, complete, one_direction


@register("split", "kfold_pooled")
class KFoldPooled(Splitter):
    """Deals the targets and the non-targets of each TF to folds; each fold is the test once, and all are scored as one.

    Every pair ``[pairs, 2]`` of a TF that has a target is tested exactly once, at natural prevalence. The dealing of a
    TF continues where that of the previous one ended, so that a TF's share differs by at most one pair between folds
    and small TFs do not meet in one fold. Of the pairs that a fold does not test, every tenth (in TF order, from a
    random start) validates. With ``reciprocal: together`` a reverse follows its pair, and shares differ by more.

    Source: GP-DHT section 3 ('a three-fold cross-validation protocol, with 33.3% of samples for testing ... Instead of
    averaging across folds, we aggregate all test samples'); candidates as in scGREAT's public code.
    """

    needs = "Every fold needs an edge to test, one to validate and one to train."

    class Settings(Splitter.Settings):
        """Settings of the pooled cross-validation."""

        folds: int = setting(
            3, "parts of the data, each of which is the test once: a model is trained for each", ge=2, le=10
        )
        deal: Literal["tf", "pairs"] = setting(
            "tf", "'tf': the pairs of each TF go evenly to all folds; 'pairs': all pairs go to folds at random"
        )
        validation: float = setting(0.1, "share of the pairs outside the test that validate", ge=0.02, le=0.5)

    settings: Settings

    def split(self, dataset: Dataset, rng: np.random.Generator) -> Split:
        """Return the exam of the first fold."""
        return self.folds(dataset, rng)[0]

    def folds(self, dataset: Dataset, rng: np.random.Generator) -> tuple[Split, ...]:
        """Return one exam per fold; their tests are disjoint and together contain every candidate pair.

        Raises
        ------
        KnockoutError
            If the network is too small to fill every part of every fold.
        """
        grid = PairGrid.of(dataset)
        known = grid.marked(dataset.edges)
        free = grid.candidates(known, np.unique(dataset.edges[:, 0]))
        leading = self._leading(known, free, grid, dataset, rng)
        fold = grid.empty()
        for pairs in leading:
            rows = self._order(pairs, grid, rng)
            fold[grid.at(rows)] = 1 + np.arange(len(rows)) % self.settings.folds
        fold = _follow(fold, known | free, grid)
        splits = []
        for number in range(1, self.settings.folds + 1):
            test = fold == number
            part = np.where(test, np.int8(TEST), np.int8(0))
            for pairs in leading:
                rows = self._order(pairs & ~test, grid, rng)
                validates = np.zeros(len(rows), dtype=bool)
                validates[systematic(np.full(len(rows), self.settings.validation), rng)] = True
                part[grid.at(rows)] = np.where(validates, VALIDATION, TRAIN)
            part = _follow(part, known | free, grid)
            negative = np.where(free, part, 0)
            split = collect(grid, np.where(known, part, 0), negative, negative == TRAIN, whole_pool=True)
            splits.append(complete(split, dataset, self))
        return tuple(splits)

    def _order(self, marks: np.ndarray, grid: PairGrid, rng: np.random.Generator) -> np.ndarray:
        """Return the pairs that have a mark, ``[pairs, 2]``: at random, or TF after TF, each TF's pairs shuffled."""
        pairs = grid.pairs(marks)
        if self.settings.deal == "pairs":
            return rng.permutation(pairs)
        return pairs[np.lexsort((rng.random(len(pairs)), rng.permutation(grid.n_genes)[pairs[:, 0]]))]

    def _leading(
        self, known: np.ndarray, free: np.ndarray, grid: PairGrid, dataset: Dataset, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the positives and the negatives that are dealt; all other pairs follow their reverse."""
        if self.settings.reciprocal == "free":
            return known, free
        first = grid.marked(one_direction(dataset.edges, dataset.n_genes, rng))
        second_of_two = free & grid.reverse(free) & grid.backward
        return first, free & ~grid.reverse(known) & ~second_of_two


def _follow(dealt: np.ndarray, pairs: np.ndarray, grid: PairGrid) -> np.ndarray:
    """Return the part or fold of each pair, for those that were not dealt (0) that of their reverse."""
    return np.where(pairs & (dealt == 0), grid.reverse(dealt), dealt)
