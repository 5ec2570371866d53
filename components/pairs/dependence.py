"""How much two genes vary together over cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.core.dataset import Floats, Ints
from components.core.metrics import Scores


def centred_unit_rows(values: NDArray[Any]) -> Scores:
    """Return rows ``[genes, cells]`` centred and of length 1, whose products are correlations; 0 if constant."""
    centred = values - values.mean(axis=1, keepdims=True, dtype=np.float64)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.divide(centred, length, out=np.zeros_like(centred), where=np.ptp(values, axis=1, keepdims=True) > 0)


def binned(expression: Floats, bins: int) -> NDArray[np.intp]:
    """Return the bin ``[genes, cells]`` of each value, counted from 0: of equal frequency, equal values in one."""
    from scipy.stats import rankdata

    rank = rankdata(expression, method="min", axis=1).astype(np.intp) - 1
    return rank * bins // expression.shape[1]


def mutual_information(expression: Floats, tfs: Ints, bins: int) -> Scores:
    """Return the mutual information in nats, ``[tfs, genes]``, of genes that are each cut into bins.

    Source: Butte & Kohane 2000 (relevance networks).
    """
    cells = expression.shape[1]
    one_hot = binned(expression, bins)[:, :, None] == np.arange(bins)
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
