"""Base of known methods that infer a whole network from expression, without known edges."""

from __future__ import annotations

import copy
from abc import abstractmethod
from functools import cached_property

import numpy as np

from components.core.dataset import Floats, Ints
from components.core.metrics import Scores
from components.scorer.base import Baseline


class Network(Baseline):
    """Base of baselines that weigh every TF-target pair at once, when a score is first needed.

    So a score cannot depend on which pairs are scored. The weight is 0 for genes that are no TF as regulators, for a
    gene with itself, and for a gene that is the same in every cell, as regulator and as target.
    """

    @cached_property
    def weights(self) -> Scores:
        """Weights ``[tfs + 1, genes]``; the last row is that of every gene that is no TF."""
        expression = self.expression.astype(np.float32, order="C")
        varying = np.flatnonzero(np.ptp(expression, axis=1) > 0)
        weights = np.zeros((len(self.tfs) + 1, len(expression)))
        rows = np.flatnonzero(np.isin(self.tfs, varying))
        if len(rows):
            tfs = np.searchsorted(varying, self.tfs[rows])
            # a copy of the stream: `on` starts from the same state
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
        """Return weights ``[tfs, genes]`` from ``[genes, cells]``, where every gene varies, and its rows ``[tfs]``."""
