"""How a table may write the metrics of a study, which scale each lives on, and which names mean lower is better."""

from __future__ import annotations

import re

from reports.words.glossary import METRICS

__all__ = ["SCALES", "canonical_metric", "lower_is_better", "squashed"]

# what a score can be at all: a share, or a ratio to guessing
SCALES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("auroc", "auprc", "within_tf_auroc"), (0.0, 1.0)),
    **dict.fromkeys(("auprc_ratio", "epr"), (0.0, float("inf"))),
}

# other names of the known metrics, without capitals and punctuation
_ALIASES: dict[str, tuple[str, ...]] = {
    "auroc": ("auc", "aucroc", "rocauc", "rocaucscore"),
    "auprc": ("aupr", "aucpr", "prauc", "aucprc", "prcauc", "ap", "averageprecision", "averageprecisionscore"),
    "auprc_ratio": ("auprratio",),
    "epr": ("earlyprecisionratio",),
}

_ERRORS = """
    loss losses logloss error errors err mse rmse rmsle nmse nrmse mae nmae mape smape brier nll bce crossentropy
    entropy perplexity deviance divergence distance hamming wasserstein emd mmd kl shd ehd sid fdr fpr fnr false
    ece aic bic mistakes misclassification seconds time runtime walltime latency memory cost costs
"""
# words behind the one that says what was measured
_ASIDE = frozenset(
    {"test", "val", "valid", "validation", "train", "training", "mean", "average", "rate", "value", "score", "count"}
    | {"total", "s", "sec", "ms"}
)
_LOWER = frozenset(_ERRORS.split())
_LIKELIHOODS = frozenset({"likelihood", "loglikelihood", "loglik"})
_NEGATED = re.compile(r"\s*(neg(ative)?|minus|inverse|one[ _]minus|1\s*[-−]|[-−])", re.IGNORECASE)


def squashed(name: str) -> str:
    """Return a name without what people write differently: capitals, spaces and punctuation."""
    return re.sub(r"[\W_]+", "", name.casefold()) or name


_KNOWN = {squashed(alias): metric for metric in METRICS for alias in (metric, *_ALIASES.get(metric, ()))}


def canonical_metric(name: str) -> str:
    """Return what a report calls a metric of a study: ``AUC-ROC`` is ``auroc``; an unknown one keeps its name."""
    return _KNOWN.get(squashed(name), name.strip())


def lower_is_better(name: str) -> bool:
    """Whether the name of a metric says that a better model of a GRN has less of it, as ``val_loss`` does."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()  # valLoss
    measured = re.split(r"@|(?<![a-z])(?:at|per|under)(?![a-z])", parted)[0]  # TPR at 1% FPR is a TPR
    said = [word for word in re.findall(r"[a-z]+", measured) if word not in _ASIDE]
    words = set(said[-1:]) | ({"false"} & set(said))
    negated = _NEGATED.match(name) is not None
    if words & _LOWER:
        return not negated
    return negated and bool(words & _LIKELIHOODS)
