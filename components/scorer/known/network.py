"""Known methods that infer a whole network from expression, without known edges: their base, and correlations."""

from __future__ import annotations

import copy
from abc import abstractmethod
from functools import cached_property

import numpy as np

from components.core.dataset import Floats, Ints
from components.core.metrics import Scores
from components.core.registry import register
from components.core.settings import setting
from components.pairs.expression import centred_unit_rows, mutual_information
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


@register("scorer", "pcc")
class Pearson(Network):
    """Scores a pair by the absolute Pearson correlation of its two genes over cells.

    ``[genes, cells]`` to ``[tfs, genes]``, the same in both directions between two TFs.

    Source: Pratapa et al. 2020 (BEELINE); scUniGP Table 1 (PCC).
    """

    def infer(self, expression: Floats, tfs: Ints, rng: np.random.Generator) -> Scores:
        """Return absolute correlations ``[tfs, genes]``."""
        unit = centred_unit_rows(expression)
        correlations: Scores = np.abs(unit[tfs] @ unit.T)
        return correlations


@register("scorer", "mi")
class MutualInformation(Network):
    """Scores a pair by the mutual information of its two genes over cells, each cut into bins of equal frequency.

    ``[genes, cells]`` to ``[tfs, genes]``, in nats. Equal values, such as all zeros of a gene, share a bin.

    Source: Butte & Kohane 2000 (relevance networks); scUniGP Table 1 (MI).
    """

    settings: Settings

    class Settings(Network.Settings):
        """Settings of the histogram."""

        bins: int = setting(10, "bins of equal frequency per gene", ge=2, le=50, search=(4, 20))

    def infer(self, expression: Floats, tfs: Ints, rng: np.random.Generator) -> Scores:
        """Return mutual information ``[tfs, genes]``."""
        return mutual_information(expression, tfs, self.settings.bins)
