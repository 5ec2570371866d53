"""Two scores of one exam joined into one, weighed by what validation says of them."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata
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
    order = np.argsort(tfs, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(np.unique(tfs[order], return_inverse=True)[1])) + 1)
    within = [_auroc(labels[part], scores[part]) for part in parts if 0 < labels[part].mean() < 1]
    return {
        POOLED: _auroc(labels, scores),
        "auprc": float(average_precision_score(labels, scores)),
        WITHIN_TF: float(np.mean(within)) if within else float("nan"),
    }


def _auroc(labels: Values, scores: Values) -> float:
    """Return the Mann-Whitney statistic of edges over non-edges as a share; scikit-learn takes 40 times as long."""
    edges = labels == 1
    n, ranks = int(edges.sum()), rankdata(scores)
    return float((ranks[edges].sum() - n * (n + 1) / 2) / (n * (len(labels) - n)))
