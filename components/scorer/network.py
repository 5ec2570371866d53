"""Base of known methods that infer one whole network from expression alone and so learn from no known edge."""

from __future__ import annotations

import copy
from abc import abstractmethod
from functools import cached_property

import numpy as np

from components.core.dataset import Floats, Ints
from components.core.metrics import Scores
from components.scorer.base import Baseline


class Network(Baseline):
    """Base of baselines that give every TF-target pair of a GRN a weight, fitted once, when a score is first asked for.

    The weights of all pairs are there before any is read, so that a score cannot depend on which pairs are asked for.
    Genes that are no TF regulate nothing, and a gene that is the same in every cell neither regulates nor is
    regulated: their weight is 0.
    """

    class Settings(Baseline.Settings):
        """Nothing to set."""

    @cached_property
    def weights(self) -> Scores:
        """Weights ``[tfs + 1, genes]``; the last row stands for every gene that is no TF."""
        expression = self.expression.astype(np.float32, order="C")
        varying = np.flatnonzero(np.ptp(expression, axis=1) > 0)
        weights = np.zeros((len(self.tfs) + 1, len(expression)))
        rows = np.flatnonzero(np.isin(self.tfs, varying))
        if len(rows):
            tfs = np.searchsorted(varying, self.tfs[rows])
            # a copy, so that the stream stays at its start for `on`
            weights[np.ix_(rows, varying)] = self.infer(expression[varying], tfs, copy.deepcopy(self.rng))
        weights[np.arange(len(self.tfs)), self.tfs] = 0.0
        return weights

    def score(self, pairs: Ints) -> Scores:
        """Return weights ``[pairs]``."""
        row = np.full(self.weights.shape[1], len(self.tfs))
        row[self.tfs] = np.arange(len(self.tfs))
        return self.weights[row[pairs[:, 0]], pairs[:, 1]]

    @abstractmethod
    def infer(self, expression: Floats, tfs: Ints, rng: np.random.Generator) -> Scores:
        """Return weights ``[tfs, genes]`` from ``[genes, cells]``, every gene varying, and ``[tfs]`` rows of it."""
