"""How well scores rank the edges of a GRN: one function per metric, higher is better for all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from components.core.dataset import Ints

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Metric:
    """A metric with what it means and what a guess would reach."""

    name: str
    meaning: str
    compute: Callable[[Scores, Ints, Ints], float]


def auroc(scores: Scores, labels: Ints, pairs: Ints) -> float:
    """Return the chance that an edge of the GRN outranks a non-edge; ties count half."""
    return float(roc_auc_score(labels, scores))


def auprc(scores: Scores, labels: Ints, pairs: Ints) -> float:
    """Return average precision over the ranking of candidate edges."""
    return float(average_precision_score(labels, scores))


def auprc_ratio(scores: Scores, labels: Ints, pairs: Ints) -> float:
    """Return AUPRC over the positive rate, which a guess would reach: 1 is chance, comparable across networks."""
    return auprc(scores, labels, pairs) / float(labels.mean())


def early_precision_ratio(scores: Scores, labels: Ints, pairs: Ints) -> float:
    """Return the precision among the top k candidate edges, k the number of edges, over the positive rate.

    Ties across the k-th place count by their share of edges, the expectation over random order.

    Source: BEELINE, Pratapa et al. 2020 (EPR).
    """
    k = int(labels.sum())
    threshold = np.partition(scores, -k)[-k]
    above, tied = scores > threshold, scores == threshold
    hits = labels[above].sum() + labels[tied].mean() * (k - above.sum())
    return float(hits / k / labels.mean())


def within_tf_auroc(scores: Scores, labels: Ints, pairs: Ints) -> float:
    """Return the mean over TFs of the AUROC among one TF's candidate targets; out-degree cannot help here.

    TFs with targets only, or none, among the pairs have no AUROC and are left out; NaN if that leaves no TF.
    """
    order = np.argsort(pairs[:, 0], kind="stable")
    starts = np.flatnonzero(np.diff(pairs[order, 0])) + 1
    values = [
        roc_auc_score(labels[rows], scores[rows])
        for rows in np.split(order, starts)
        if 0 < labels[rows].sum() < len(rows)
    ]
    return float(np.mean(values)) if values else float("nan")


METRICS: dict[str, Metric] = {
    m.name: m
    for m in (
        Metric("auroc", "chance that an edge outranks a non-edge (0.5 is a guess)", auroc),
        Metric("auprc", "average precision (the positive rate is a guess)", auprc),
        Metric("auprc_ratio", "AUPRC over the positive rate (1 is a guess)", auprc_ratio),
        Metric(
            "epr",
            "early precision ratio: precision of the top k over the positive rate (1 is a guess)",
            early_precision_ratio,
        ),
        Metric(
            "within_tf_auroc",
            "mean over TFs of the AUROC among one TF's candidate targets (0.5 is a guess)",
            within_tf_auroc,
        ),
    )
}


def evaluate(scores: Scores, labels: Ints, pairs: Ints) -> dict[str, float]:
    """Return every metric of scores ``[pairs]`` against labels ``[pairs]`` of ``[pairs, 2]`` gene indices."""
    return {name: metric.compute(scores, labels, pairs) for name, metric in METRICS.items()}
