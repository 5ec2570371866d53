"""An exam that trains on one data set and tests on another over the same genes."""

from __future__ import annotations

import numpy as np

from components.core.dataset import Dataset
from components.core.errors import KnockoutError
from components.core.exam import NONE, TRAIN, VALIDATION, Split
from components.core.registry import register
from components.core.settings import setting
from components.split.base import Splitter, candidates, mirrored, refuse_empty


@register("split", "transfer")
class Transfer(Splitter):
    """Trains and validates on the edges of one data set and tests those of another over the same genes.

    The targets and the non-targets of each source TF are split into training and validation in the same proportion. The
    test contains every pair ``[pairs, 2]`` of a TF that has a target in the tested network, at natural prevalence.

    Source: GP-DHT's question ('cross-species GRN inference'); the protocol is knockout's.
    """

    across = True
    needs = (
        "Both networks need TFs with targets among the shared genes, and the tested one edges that the other has not; "
        "{transfer: {known: true}} asks for those that both have, too."
    )

    class Settings(Splitter.Settings):
        """Settings of the transfer exam."""

        validation: float = setting(0.15, "share of the source's pairs that validate", ge=0.02, le=0.5)
        known: bool = setting(
            False,
            "whether the test asks for pairs that were seen as an edge, or in validation, of the source as well",
        )

    settings: Settings

    def split(self, dataset: Dataset, rng: np.random.Generator) -> Split:
        """Return the exam: training and validation on ``dataset``, test on its ``target``."""
        if dataset.target is None:
            raise KnockoutError(
                "the split 'transfer' needs a data set to train on beside the tested one: write train_on in its entry.",
                where=f"data set {dataset.name}",
            )
        known = dataset.known
        free = candidates(known.astype(np.int8), np.unique(dataset.edges[:, 0]))
        part = np.zeros(known.shape, dtype=np.int8)
        for pairs in (known, free):
            self._deal(part, pairs, rng)
        tested = self._tested_pairs(part, known, dataset.target)
        split = Split(
            n_genes=dataset.n_genes,
            train=np.argwhere(known & (part == TRAIN)),
            validation=np.argwhere(part == VALIDATION),
            validation_labels=known[part == VALIDATION].astype(np.int64),
            test=np.argwhere(tested),
            test_labels=dataset.target.known[tested].astype(np.int64),
            pool=np.argwhere(free & (part == TRAIN)),
        )
        refuse_empty(split, dataset, self)
        return split

    def _deal(self, part: np.ndarray, pairs: np.ndarray, rng: np.random.Generator) -> None:
        """Deal pairs ``[genes, genes]`` to training and validation, TF by TF."""
        for tf in np.flatnonzero(pairs.any(axis=1)):
            genes = rng.permutation(np.flatnonzero(pairs[tf]))
            number = int(self.settings.validation * len(genes) + rng.random())  # rounded at random, for small TFs
            part[tf, genes] = TRAIN
            part[tf, genes[:number]] = VALIDATION
        if self.settings.reciprocal == "together":
            both = (part != NONE) & (part.T != NONE)
            part[:] = np.where(both, np.maximum(part, part.T), part)

    def _tested_pairs(self, part: np.ndarray, known: np.ndarray, target: Dataset) -> np.ndarray:
        tested = candidates(np.zeros_like(part), np.unique(target.edges[:, 0]))
        if not self.settings.known:
            source = known | (part == VALIDATION)
            tested &= ~(source | mirrored(self, source))
        return tested
