"""How well scores rank candidate edges: one function per metric, and higher is better for all."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from components.core.dataset import Ints

COSTS = ("seconds", "parameters", "peak_memory_mb")  # what a cell costs; lower is better

Scores = NDArray[np.float64]


def auroc(scores: Scores, labels: Ints, pairs: Ints) -> float:
    """Return the probability that an edge outranks a non-edge, ties counting half; 0.5 is chance."""
    return float(roc_auc_score(labels, scores))


def auprc(scores: Scores, labels: Ints, pairs: Ints) -> float:
    """Return the average precision of the ranking; the positive rate is chance."""
    return float(average_precision_score(labels, scores))


def auprc_ratio(scores: Scores, labels: Ints, pairs: Ints) -> float:
    """Return AUPRC divided by the positive rate, which makes networks comparable; 1 is chance."""
    return auprc(scores, labels, pairs) / float(labels.mean())


def early_precision_ratio(scores: Scores, labels: Ints, pairs: Ints) -> float:
    """Return the precision among the top k pairs, k the number of edges, divided by the positive rate; 1 is chance.

    Pairs that tie for place k count with their share of edges, which is the expectation over random order.

    Source: BEELINE, Pratapa et al. 2020 (EPR).
    """
    k = int(labels.sum())
    threshold = np.partition(scores, -k)[-k]
    above, tied = scores > threshold, scores == threshold
    hits = labels[above].sum() + labels[tied].mean() * (k - above.sum())
    return float(hits / k / labels.mean())


def within_tf_auroc(scores: Scores, labels: Ints, pairs: Ints) -> float:
    """Return the mean over TFs of the AUROC among one TF's pairs, to which out-degree adds nothing; 0.5 is chance.

    TFs whose pairs are all edges or all non-edges have no AUROC and are left out; NaN if no TF remains.
    """
    order = np.argsort(pairs[:, 0], kind="stable")
    starts = np.flatnonzero(np.diff(pairs[order, 0])) + 1
    values = [
        roc_auc_score(labels[rows], scores[rows])
        for rows in np.split(order, starts)
        if 0 < labels[rows].sum() < len(rows)
    ]
    return float(np.mean(values)) if values else float("nan")


METRICS: dict[str, Callable[[Scores, Ints, Ints], float]] = {
    "auroc": auroc,
    "auprc": auprc,
    "auprc_ratio": auprc_ratio,
    "epr": early_precision_ratio,
    "within_tf_auroc": within_tf_auroc,
}

UP_TO_ONE = ("auroc", "auprc", "within_tf_auroc")  # metrics that lie between 0 and 1


def evaluate(scores: Scores, labels: Ints, pairs: Ints) -> dict[str, float]:
    """Return every metric of scores ``[pairs]`` for labels ``[pairs]`` of ``[pairs, 2]`` gene indices."""
    return {name: metric(scores, labels, pairs) for name, metric in METRICS.items()}
