"""Exams on TFs, or on targets, that are unseen in training."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from components.core.dataset import Dataset, Ints
from components.core.exam import NONE, TEST, TRAIN, VALIDATION, PairGrid, Split, UnseenGene, collect
from components.core.registry import register
from components.core.settings import setting
from components.split.base import Splitter, complete, mirrored

DEALS = 200  # random deals, of which the one nearest to the shares is taken
NEAR = 0.04  # a deal this near to the shares is taken at once, so that repeats differ


class Unseen(Splitter):
    """Base of exams that deal genes, each with all its pairs, to training, validation and test."""

    unseen: ClassVar[UnseenGene]  # which gene of a pair is dealt

    class Settings(Splitter.Settings):
        """Shares of the positives, which small networks meet roughly, because whole genes are dealt."""

        test: float = setting(0.33, "share of the positives that are tested", ge=0.05, le=0.6)
        validation: float = setting(0.13, "share of the positives that validate", ge=0.02, le=0.3)

    settings: Settings

    def split(self, dataset: Dataset, rng: np.random.Generator) -> Split:
        """Return the exam of one data set."""
        grid = PairGrid.of(dataset)
        candidate = grid.candidates(grid.empty(), np.unique(dataset.edges[:, 0]))
        part = np.where(candidate, self._deal(dataset, grid, rng), np.int8(NONE))
        part[mirrored(self, grid, part) > part] = NONE  # of two directions in two parts the later part keeps its own
        known = grid.marked(dataset.edges)
        negative = np.where(known, NONE, part)
        split = collect(grid, np.where(known, part, NONE), negative, negative == TRAIN, unseen=self.unseen)
        return complete(split, dataset, self)

    @abstractmethod
    def _deal(self, dataset: Dataset, grid: PairGrid, rng: np.random.Generator) -> NDArray[np.int8]:
        """Return the part of each pair, that of its TF or target, broadcasting to ``[regulators, genes]``."""

    def _parts(self, weights: Ints, rng: np.random.Generator) -> NDArray[np.int8]:
        """Deal genes to parts, ``[genes]``, so that each part has about its share of the weights ``[genes]``.

        Genes are laid end to end in random order, each as long as its weight, and cut at the shares.
        """
        ideal = np.array([1 - self.settings.test - self.settings.validation, self.settings.validation])
        best, least = np.full(len(weights), TRAIN, dtype=np.int8), np.inf
        for _ in range(DEALS):
            order = rng.permutation(len(weights))
            middles = np.cumsum(weights[order]) - weights[order] / 2
            parts = np.empty(len(weights), dtype=np.int8)
            parts[order] = TRAIN + np.searchsorted(np.cumsum(ideal), middles / max(weights.sum(), 1), side="right")
            shares = np.bincount(parts, weights, minlength=TEST + 1)[[TRAIN, VALIDATION]] / max(weights.sum(), 1)
            incomplete = len(np.unique(parts)) < 3
            distance = float(np.abs(shares - ideal).max()) + incomplete
            if distance < least:
                best, least = parts, distance
            if least <= NEAR:
                break
        return best


@register("split", "unseen_tf")
class UnseenTF(Unseen):
    """Tests TFs without a known target in training: their out-degree is zero for every rule and model.

    TFs with a positive are dealt whole; each pair ``[pairs, 2]`` of a TF with another gene is in the TF's part, at
    natural prevalence. A test TF may be a known target in training, as an unstudied TF may be. ``reciprocal: together``
    leaves these pairs out of the earlier part, so that a test TF is wholly unseen and training has fewer positives.

    Source: knockout.
    """

    unseen = "tf"
    needs = "Each part needs TFs of its own: at least 3 with targets, and none with nearly all edges."

    def _deal(self, dataset: Dataset, grid: PairGrid, rng: np.random.Generator) -> NDArray[np.int8]:
        tfs, degrees = np.unique(dataset.edges[:, 0], return_counts=True)
        part = np.zeros((len(grid.regulators), 1), dtype=np.int8)
        part[grid.row[tfs], 0] = self._parts(degrees, rng)
        return part


@register("split", "unseen_target")
class UnseenTarget(Unseen):
    """Tests genes without a known regulator in training: their in-degree is zero for every rule and model.

    Genes are dealt whole, those with a regulator by their number of edges and the others by number. Each pair
    ``[pairs, 2]`` of a TF that has a positive is in the target's part, at natural prevalence. The TF's out-degree still
    helps, except in within-TF AUROC. A test gene that is a TF may have known targets in training; ``reciprocal:
    together`` leaves a pair whose genes are in two parts out of the earlier one.

    Source: knockout.
    """

    unseen = "target"
    needs = "Each part needs target genes of its own, at least 3 in all, and genes that some TF does not regulate."

    def _deal(self, dataset: Dataset, grid: PairGrid, rng: np.random.Generator) -> NDArray[np.int8]:
        degrees = np.bincount(dataset.edges[:, 1], minlength=dataset.n_genes)
        part = np.empty(dataset.n_genes, dtype=np.int8)
        part[degrees > 0] = self._parts(degrees[degrees > 0], rng)
        part[degrees == 0] = self._parts(np.ones(int(np.sum(degrees == 0)), dtype=np.int64), rng)
        return part[None, :]
