"""How well scores rank candidate edges: one function per metric, and higher is better for all."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from components.core.dataset import Ints
from components.core.errors import KnockoutError

COSTS = ("seconds", "parameters", "peak_memory_mb")  # what a cell costs; lower is better

Scores = NDArray[np.float64]


def auroc(scores: Scores, labels: Ints, pairs: Ints) -> float:
    """Return the probability that an edge outranks a non-edge, ties counting half; 0.5 is chance.

    NaN if all pairs are edges, or none is. Scores that are not finite raise a ValueError.
    """
    edges, non_edges = _ranked(scores, labels)
    above = np.cumsum(edges) - edges / 2  # edges before each place of the ranking, half of its own
    pairs_compared = edges.sum() * non_edges.sum()
    return float(above @ non_edges / pairs_compared) if pairs_compared else float("nan")


def auprc(scores: Scores, labels: Ints, pairs: Ints) -> float:
    """Return the average precision of the ranking; the positive rate is chance. 0 if no pair is an edge."""
    edges, non_edges = _ranked(scores, labels)
    precision = np.cumsum(edges) / np.cumsum(edges + non_edges)
    return float(edges @ precision / max(edges.sum(), 1.0))


def _ranked(scores: Scores, labels: Ints) -> tuple[Scores, Scores]:
    """Return the number of edges and of non-edges at each place of the ranking, the highest score first.

    Here and not of scikit-learn, whose import would be half of a worker's start beside torch's; tests compare them.
    """
    if not np.isfinite(scores).all():
        raise ValueError("scores contain NaN or infinity")
    order = np.argsort(scores, kind="stable")[::-1]
    ranked, edges = scores[order], (labels[order] > 0).astype(np.float64)
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    sizes = np.diff(np.r_[starts, len(ranked)])
    at_place = np.add.reduceat(edges, starts)
    return at_place, sizes - at_place


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
        auroc(scores[rows], labels[rows], pairs[rows])
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


Function = TypeVar("Function", bound=Callable[[Scores, Ints, Ints], float])


@dataclass(frozen=True)
class Words:
    """What a report says of a metric that it does not know; the study's table carries it.

    Attributes
    ----------
    label, meaning
        How headings write it; one sentence on what it measures and what guessing scores.
    lowest, highest
        Bounds of its values; None: none.
    chance
        What guessing scores; None where that is not known.
    margin
        Default for the largest difference that does not matter; None where nobody can say.
    same_scale
        Whether values on several data sets can be averaged.
    """

    label: str
    meaning: str
    lowest: float | None = None
    highest: float | None = None
    chance: float | None = None
    margin: float | None = None
    same_scale: bool = True


OWN: dict[str, Words] = {}  # metrics of plug-ins


def register_metric(name: str, words: Words) -> Callable[[Function], Function]:
    """Register the decorated function as a metric of every cell: ``(scores, labels, pairs)`` to a number.

    Higher must be better, as for all metrics here: searches maximise them. Its code is part of every cell's identity; a
    cell that was trained before it was added or changed is scored anew from what is stored.

    Raises
    ------
    KnockoutError
        If the name is taken or cannot be one, or the words are wanting.
    """
    owner = f"metric {name!r}"
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in COSTS:
        raise KnockoutError(f"{owner}: a name is small letters, digits and _, and no cost ({', '.join(COSTS)}).")
    if not words.label.strip() or not words.meaning.strip():
        raise KnockoutError(f"{owner} needs a label and a meaning: reports print them.")

    def add(function: Function) -> Function:
        taken = METRICS.get(name)
        if taken is not None and (taken.__module__, taken.__qualname__) != (function.__module__, function.__qualname__):
            raise KnockoutError(f"{owner} is taken: {taken.__module__}.{taken.__qualname__} has the name.")
        METRICS[name], OWN[name] = function, words
        return function

    return add


def own_words() -> dict[str, dict[str, Any]]:
    """Return what reports need to know of the metrics of plug-ins, as plain values."""
    return {name: asdict(words) for name, words in OWN.items()}


def evaluate(scores: Scores, labels: Ints, pairs: Ints) -> dict[str, float]:
    """Return every metric of scores ``[pairs]`` for labels ``[pairs]`` of ``[pairs, 2]`` gene indices."""
    values = {name: metric(scores, labels, pairs) for name, metric in METRICS.items()}
    for name, words in OWN.items():
        low = -math.inf if words.lowest is None else words.lowest
        high = math.inf if words.highest is None else words.highest
        value = float(values[name])
        if not math.isnan(value) and not low <= value <= high:
            raise KnockoutError(f"metric {name!r} is {value}, and was registered with values from {low} to {high}.")
    return values
