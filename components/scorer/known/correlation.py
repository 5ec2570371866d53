"""Baselines from the joint variation of two genes: correlation and mutual information."""

from __future__ import annotations

import numpy as np

from components.core.dataset import Floats, Ints
from components.core.metrics import Scores
from components.core.registry import register
from components.core.settings import setting
from components.pairs.dependence import centred_unit_rows, mutual_information
from components.scorer.known.network import Network


@register("scorer", "pcc")
class Pearson(Network):
    """Scores a pair by the absolute Pearson correlation of its two genes over cells.

    ``[genes, cells]`` to ``[tfs, genes]``, the same in both directions between two TFs.

    Source: Pratapa et al. 2020 (BEELINE); scUniGP Table 1 (PCC).
    """

    def infer(self, expression: Floats, tfs: Ints, rng: np.random.Generator) -> Scores:
        """Return absolute correlations ``[tfs, genes]``."""
        unit = centred_unit_rows(expression)
        return np.abs(unit[tfs] @ unit.T)


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
