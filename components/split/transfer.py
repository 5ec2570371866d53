"""An exam that trains on one data set and tests on another over the same genes."""

from __future__ import annotations

import numpy as np

from components.core.dataset import Dataset
from components.core.errors import KnockoutError
from components.core.exam import NONE, TRAIN, VALIDATION, PairGrid, Split
from components.core.registry import register
from components.core.settings import setting
from components.split.base import Splitter, complete, mirrored


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
        grid = PairGrid.of(dataset, dataset.target)
        known, known_there = grid.marked(dataset.edges), grid.marked(dataset.target.edges)
        free = grid.candidates(known, np.unique(dataset.edges[:, 0]))
        part = grid.empty()
        for pairs in (known, free):
            self._deal(part, pairs, grid, rng)
        tested = grid.candidates(grid.empty(), np.unique(dataset.target.edges[:, 0]))
        if not self.settings.known:
            source = known | (part == VALIDATION)
            tested &= ~(source | mirrored(self, grid, source))
        split = Split(
            n_genes=dataset.n_genes,
            train=grid.pairs(known & (part == TRAIN)),
            validation=grid.pairs(part == VALIDATION),
            validation_labels=known[part == VALIDATION].astype(np.int64),
            test=grid.pairs(tested),
            test_labels=known_there[tested].astype(np.int64),
            pool=grid.pairs(free & (part == TRAIN)),
        )
        return complete(split, dataset, self)

    def _deal(self, part: np.ndarray, pairs: np.ndarray, grid: PairGrid, rng: np.random.Generator) -> None:
        """Deal pairs ``[regulators, genes]`` to training and validation, TF by TF."""
        for row in np.flatnonzero(pairs.any(axis=1)):
            genes = rng.permutation(np.flatnonzero(pairs[row]))
            number = int(self.settings.validation * len(genes) + rng.random())  # rounded at random, for small TFs
            part[row, genes] = TRAIN
            part[row, genes[:number]] = VALIDATION
        if self.settings.reciprocal == "together":
            of_reverse = grid.reverse(part)
            both = (part != NONE) & (of_reverse != NONE)
            part[:] = np.where(both, np.maximum(part, of_reverse), part)
