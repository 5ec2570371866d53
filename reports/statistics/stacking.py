"""Two scores of one exam joined into one, weighed by what validation says of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from reports.statistics.arrays import Values
from reports.words.metrics import POOLED, WITHIN_TF


def stack(validation: Values, labels: Values, test: Values) -> Values:
    """Return the log-odds of test pairs by a logistic regression that was fitted on validation pairs.

    Parameters
    ----------
    validation, test
        ``[pairs, scores]``.
    labels
        ``[pairs]`` of validation, 0 or 1, both there.
    """
    centre, spread = validation.mean(axis=0), validation.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    model = LogisticRegression(max_iter=1000).fit((validation - centre) / scale, labels)
    return np.asarray(model.decision_function((test - centre) / scale))


def measured(scores: Values, labels: Values, tfs: Values) -> dict[str, float]:
    """Return AUROC, average precision, and AUROC within TFs (NaN where no TF has both labels) of scored pairs."""
    return {
        POOLED: _mean_auroc(labels, scores, np.zeros(len(labels), dtype=int)),
        "auprc": float(average_precision_score(labels, scores)),
        WITHIN_TF: _mean_auroc(labels, scores, np.unique(tfs, return_inverse=True)[1]),
    }


def _mean_auroc(labels: Values, scores: Values, group: NDArray[np.signedinteger]) -> float:
    """Return the Mann-Whitney statistic of edges over non-edges as a share, its mean over groups that have both.

    All groups at once: scikit-learn takes 40 times as long.
    """
    edges = labels == 1
    ranks = pd.Series(scores).groupby(group).rank().to_numpy()
    positives, pairs = np.bincount(group, edges), np.bincount(group)
    above = np.bincount(group, ranks * edges) - positives * (positives + 1) / 2
    both = (positives > 0) & (positives < pairs)
    return float((above[both] / (positives * (pairs - positives))[both]).mean()) if both.any() else float("nan")
