"""Baselines from the joint variation of two genes: correlation and mutual information."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.core.dataset import Floats, Ints
from components.core.metrics import Scores
from components.core.registry import register
from components.core.settings import setting
from components.scorer.network import Network


@register("scorer", "pcc")
class Pearson(Network):
    """Scores a pair by the absolute Pearson correlation of its two genes over cells.

    ``[genes, cells]`` to ``[tfs, genes]``, the same in both directions between two TFs.

    Source: Pratapa et al. 2020 (BEELINE); scUniGP Table 1 (PCC).
    """

    def infer(self, expression: Floats, tfs: Ints, rng: np.random.Generator) -> Scores:
        """Return absolute correlations ``[tfs, genes]``."""
        centred = expression - expression.mean(axis=1, keepdims=True, dtype=np.float64)
        unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
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
        cells, bins = expression.shape[1], self.settings.bins
        one_hot = self.binned(expression)[:, :, None] == np.arange(bins)
        one_hot = one_hot.transpose(0, 2, 1).astype(np.float32)  # [genes, bins, cells]
        count = np.arange(cells + 1.0)
        c_log_c = count * np.log(np.maximum(count, 1.0))
        of_gene = c_log_c[one_hot.sum(axis=2).astype(np.intp)].sum(axis=1)
        flat = one_hot.reshape(-1, cells)
        information = np.empty((len(tfs), len(expression)))
        for row, tf in enumerate(tfs):  # one TF at a time, to save memory
            joint = (one_hot[tf] @ flat.T).astype(np.intp)
            of_pair = c_log_c[joint].reshape(bins, -1, bins).sum(axis=(0, 2))
            information[row] = np.log(cells) + (of_pair - of_gene[tf] - of_gene) / cells
        return np.maximum(information, 0.0)

    def binned(self, expression: Floats) -> NDArray[np.intp]:
        """Return the bin ``[genes, cells]`` of each value, counted from 0."""
        from scipy.stats import rankdata

        rank = rankdata(expression, method="min", axis=1).astype(np.intp) - 1
        return rank * self.settings.bins // expression.shape[1]
