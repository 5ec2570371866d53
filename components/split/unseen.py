"""Exams on unseen genes."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from components.core.dataset import Dataset, Ints
from components.core.exam import NONE, TEST, TRAIN, VALIDATION, Split, collect
from components.core.registry import register
from components.core.settings import setting
from components.split.base import Splitter, mirrored, refuse_empty

DRAWS = 200  # deals among which the one nearest to the wanted shares is taken
NEAR = 0.04  # a deal whose shares are as near as this is taken at once, so that repeats differ


class Unseen(Splitter):
    """Base of exams that deal genes to training, validation and test, and with each gene all its pairs."""

    class Settings(Splitter.Settings):
        """Wanted shares of the positives; whole genes are dealt, so that small networks meet them roughly."""

        test: float = setting(0.33, "share of the positives that are tested", ge=0.05, le=0.6)
        validation: float = setting(0.13, "share of the positives that validate", ge=0.02, le=0.3)

    settings: Settings

    def split(self, dataset: Dataset, rng: np.random.Generator) -> Split:
        """Set the exam of one data set."""
        asked = np.zeros((dataset.n_genes, dataset.n_genes), dtype=bool)
        asked[np.unique(dataset.edges[:, 0])] = True
        np.fill_diagonal(asked, False)
        part = np.where(asked, self._deal(dataset, rng), np.int8(NONE))
        part[mirrored(self, part) > part] = NONE  # of two directions in two parts, the one held out longer is kept
        negative = np.where(dataset.known, NONE, part)
        split = collect(dataset, np.where(dataset.known, part, NONE), negative, negative == TRAIN)
        refuse_empty(split, dataset, self)
        return split

    @abstractmethod
    def _deal(self, dataset: Dataset, rng: np.random.Generator) -> NDArray[np.int8]:
        """Return the part of each pair, broadcasting to ``[genes, genes]``: that of one of its genes."""

    def _parts(self, weights: Ints, rng: np.random.Generator) -> NDArray[np.int8]:
        """Deal genes to parts, ``[genes]``, so that the parts' shares of the weights ``[genes]`` are about as wanted.

        Genes are laid end to end in random order, each as long as its weight, and cut at the wanted shares.
        """
        wanted = np.array([1 - self.settings.test - self.settings.validation, self.settings.validation])
        best, least = np.full(len(weights), TRAIN, dtype=np.int8), np.inf
        for _ in range(DRAWS):
            order = rng.permutation(len(weights))
            middles = np.cumsum(weights[order]) - weights[order] / 2
            parts = np.empty(len(weights), dtype=np.int8)
            parts[order] = TRAIN + np.searchsorted(np.cumsum(wanted), middles / max(weights.sum(), 1), side="right")
            shares = np.bincount(parts, weights, minlength=TEST + 1)[[TRAIN, VALIDATION]] / max(weights.sum(), 1)
            missing = len(np.unique(parts)) < 3
            distance = float(np.abs(shares - wanted).max()) + missing
            if distance < least:
                best, least = parts, distance
            if least <= NEAR:
                break
        return best


@register("split", "unseen_tf")
class UnseenTF(Unseen):
    """Tests TFs of which no target is known in training: their out-degree is zero for every rule and model.

    TFs with a positive are dealt whole, so that the parts hold about the wanted shares of the positives. Every pair
    ``[pairs, 2]`` of a TF with another gene stands in the TF's part, at natural prevalence. A test TF may still be a
    known target in training, as a TF that nobody has studied is; ``reciprocal: together`` leaves out those edges (and
    non-edges), so that it is unseen altogether: training then has fewer positives, the held-out parts keep theirs
    (validation but for pairs into test TFs).

    Source: knockout (protocol.md, honest splits).
    """

    needs = "Each part needs TFs of its own: at least 3 with targets, and none with nearly all edges."

    class Settings(Unseen.Settings):
        """Settings of the exam on unseen TFs."""

    def _deal(self, dataset: Dataset, rng: np.random.Generator) -> NDArray[np.int8]:
        tfs, degrees = np.unique(dataset.edges[:, 0], return_counts=True)
        part = np.zeros(dataset.n_genes, dtype=np.int8)
        part[tfs] = self._parts(degrees, rng)
        return part[:, None]


@register("split", "unseen_target")
class UnseenTarget(Unseen):
    """Tests genes that no TF is known to regulate in training: their in-degree is zero for every rule and model.

    Genes are dealt whole, those with a known regulator by their number of edges and the others by number, at the same
    shares: a gene without any edge validates or is tested as others are. Every pair ``[pairs, 2]`` of a TF that has a
    positive with a gene stands in the gene's part, at natural prevalence. The TF's out-degree still helps; within-TF
    AUROC leaves it out. A test gene that is a TF may be known to regulate others. ``reciprocal: together`` leaves out,
    of two directions whose genes are in two parts, the one in training (or in validation, against the test).

    Source: knockout (protocol.md, honest splits).
    """

    needs = "Each part needs target genes of its own, at least 3 in all, and genes that some TF does not regulate."

    class Settings(Unseen.Settings):
        """Settings of the exam on unseen targets."""

    def _deal(self, dataset: Dataset, rng: np.random.Generator) -> NDArray[np.int8]:
        degrees = np.bincount(dataset.edges[:, 1], minlength=dataset.n_genes)
        part = np.empty(dataset.n_genes, dtype=np.int8)
        part[degrees > 0] = self._parts(degrees[degrees > 0], rng)
        part[degrees == 0] = self._parts(np.ones(int(np.sum(degrees == 0)), dtype=np.int64), rng)
        return part[None, :]
