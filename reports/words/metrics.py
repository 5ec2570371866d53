"""Every metric that a report knows by name: one record each, and the names that tables may write for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Literal

from reports.errors import ReportError

DECIMALS = 6  # two scores closer than this are equal: no network's AUROC is known to a millionth
ALPHA = 0.05  # level of every family of tests
MARGIN = 0.01  # to be stated before any result is seen: two arms closer than this are as good as each other
PRIMARY = "auroc"  # where a table has it and nothing else is asked for
AUROC_CHANCE = 0.5
POOLED, WITHIN_TF = "auroc", "within_tf_auroc"  # what the degree audit is made on


@dataclass(frozen=True)
class Metric:
    """The facts about one metric.

    Attributes
    ----------
    name, label
        As tables write it, and as headings do.
    meaning
        What it measures and what guessing scores.
    bounds
        Lowest and highest value that it can have.
    chance
        What guessing scores; ``prevalence`` where that is the share of positives, None where it is not known.
    higher_is_better
        Whether a better model has more of it.
    margin
        Default for the largest difference that does not matter; None where differences have no common unit.
    same_scale
        Whether values on several data sets can be averaged: guessing earns another AUPRC on every network.
    aliases
        Other names of it, without capitals and punctuation.
    """

    name: str
    label: str
    meaning: str
    bounds: tuple[float, float]
    chance: float | Literal["prevalence"] | None
    higher_is_better: bool = True
    margin: float | None = None
    same_scale: bool = True
    aliases: tuple[str, ...] = ()


_RECORDS = (
    Metric(
        "auroc",
        "AUROC",
        "Chance that a true regulator-target pair is scored above a false one; 0.5 is guessing.",
        (0.0, 1.0),
        AUROC_CHANCE,
        margin=MARGIN,
        aliases=("auc", "aucroc", "rocauc", "rocaucscore"),
    ),
    Metric(
        "auprc",
        "AUPRC",
        "Average precision over the ranking; guessing gives the share of positives, which differs between networks.",
        (0.0, 1.0),
        "prevalence",
        same_scale=False,
        aliases=("aupr", "aucpr", "prauc", "aucprc", "prcauc", "ap", "averageprecision", "averageprecisionscore"),
    ),
    Metric(
        "auprc_ratio",
        "AUPRC ratio",
        "AUPRC divided by the share of positives; 1 is guessing, on every network.",
        (0.0, inf),
        1.0,
        aliases=("auprratio",),
    ),
    Metric(
        "epr",
        "EPR",
        "Early precision ratio: precision among the k best pairs (k = number of true pairs), divided by the share of "
        "positives; 1 is guessing.",
        (0.0, inf),
        1.0,
        aliases=("earlyprecisionratio",),
    ),
    Metric(
        "within_tf_auroc",
        "within-TF AUROC",
        "AUROC within each transcription factor, averaged over factors: knowing which factors have many targets earns "
        "nothing here.",
        (0.0, 1.0),
        AUROC_CHANCE,
        margin=MARGIN,
    ),
    Metric(
        "brier",
        "Brier score",
        "Mean squared distance of predicted probabilities from the truth; 0 is perfect.",
        (0.0, 1.0),
        None,
        higher_is_better=False,
        aliases=("brierscore", "brierscoreloss"),
    ),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in _RECORDS}
_BUILT_IN = frozenset(METRICS)
REPORTED = tuple(metric.name for metric in _RECORDS if metric.higher_is_better)  # read from a table without being named


def squashed(name: str) -> str:
    """Return a name without what people write differently: capitals, spaces and punctuation."""
    return re.sub(r"[\W_]+", "", name.casefold()) or name


# names of what is better when it is lower, but for 'minus_loss', 'neg_mean_squared_error', '1 - error'
_LOSS = re.compile(
    "^(?!minus|neg|1).*("
    "loss|error|errorrate|mse|mae|mape|nll|perplexity|crossentropy|brier|deviance|divergence|distance|hamming|shd|fdr|fpr|fnr)$"
)
_KNOWN = {squashed(name): metric.name for metric in _RECORDS for name in (metric.name, *metric.aliases)}


def learn(words: Mapping[str, Mapping[str, Any]], source: str) -> None:
    """Take over what a study's table says of metrics that are its own.

    Raises
    ------
    ReportError
        If one has the name of a metric that is known here, or its description is damaged.
    """
    for name, entry in words.items():
        if canonical_metric(name) in _BUILT_IN:
            known = METRICS[canonical_metric(name)].label
            raise ReportError(f"metric {name!r} of this study has the name of {known}; rename it.", where=source)
        try:
            values = dict(entry)
            lowest, highest = values.pop("lowest"), values.pop("highest")
            bounds = (-inf if lowest is None else float(lowest), inf if highest is None else float(highest))
            METRICS[name] = Metric(name, values.pop("label"), values.pop("meaning"), bounds, **values)
        except (TypeError, KeyError, ValueError) as error:
            raise ReportError(f"what the table says of metric {name!r} is damaged: {error}", where=source) from None


def canonical_metric(name: str) -> str:
    """Return the usual name of a metric: ``AUC-ROC`` is ``auroc``; an unknown one keeps its name."""
    return _KNOWN.get(squashed(name), name.strip())


def metric_of(name: str) -> Metric:
    """Return the record of a metric; one that is not known has any value and is taken as higher is better."""
    loss = _LOSS.search(squashed(name)) is not None
    meaning = "A metric of this table; higher is read as better."
    unknown = Metric(name, name, meaning, (-inf, inf), None, higher_is_better=not loss)
    return METRICS.get(name, unknown)


def label(metric: str) -> str:
    """Return how a metric is written in a heading."""
    return metric_of(metric).label
