"""Leak audit of an exam: what it gives away to a model that does not read expression."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from components.core import registry
from components.core.dataset import Ints, pair_keys
from components.core.exam import Split
from components.core.metrics import auprc, auroc
from components.core.streams import Streams
from components.split.validation import unseen_target, unseen_tf

RULES = ("degree", "reverse_degree", "identity", "topology")

# meaning of each figure, in the order in which they are printed
AUDIT: Mapping[str, str] = {
    "training positives": "edges that message passing and rules may see",
    "test positives": "edges asked for",
    "pairs in two parts": "pairs that stand in more than one of training (positives), validation and test",
    "training positives labelled 0 in the test": "known edges that the test calls wrong (as-published protocol)",
    "test positives with their reverse in training, %": "edges that B->A gives away",
    "test negatives with their reverse in training, %": "the same share where there is no edge",
    "test positives of a TF unseen in training, %": "edges no degree helps with",
    "test negatives of a TF unseen in training, %": "non-edges that a TF's zero degree gives away",
    "test positives of a target unseen in training, %": "edges to genes never seen as a target",
    "test negatives of a target unseen in training, %": "non-edges that a target's zero degree gives away",
    "positives in validation, %": "prevalence",
    "positives in test, %": "prevalence: what a guess reaches as AUPRC",
    **{f"{name}, test AUROC / AUPRC": "what this rule reaches without reading expression" for name in RULES},
}


@dataclass(frozen=True)
class Audit:
    """What an exam gives away, and what it took to say so."""

    figures: dict[str, str]  # as text, by the names of :data:`AUDIT`
    seconds: dict[str, float]  # of each rule


def audit(split: Split, streams: Streams) -> Audit:
    """Return the leak audit of an exam; rules draw as the control arms do."""
    positive, negative = split.test[split.test_labels == 1], split.test[split.test_labels == 0]
    values = [len(split.train), len(positive), _in_two_parts(split), _contradicted(split)]
    shares: list[float] = []
    for leaks in (_reversed_in_training, unseen_tf, unseen_target):
        shares += [float(leaks(split, pairs).mean()) for pairs in (positive, negative)]
    shares += [float(split.validation_labels.mean()), float(split.test_labels.mean())]
    texts = [str(value) for value in values] + [f"{100 * share:.1f}" for share in shares]
    rules = {name: _rule(name, split, streams.numpy("negatives")) for name in RULES}
    texts += [text for text, _ in rules.values()]
    return Audit(dict(zip(AUDIT, texts, strict=True)), {name: seconds for name, (_, seconds) in rules.items()})


def _in_two_parts(split: Split) -> int:
    parts = [pair_keys(pairs, split.n_genes) for pairs in (split.train, split.validation, split.test)]
    _, counts = np.unique(np.concatenate([np.unique(part) for part in parts]), return_counts=True)
    return int(np.sum(counts > 1))


def _contradicted(split: Split) -> int:
    negatives = split.test[split.test_labels == 0]
    return int(np.isin(pair_keys(split.train, split.n_genes), pair_keys(negatives, split.n_genes)).sum())


def _reversed_in_training(split: Split, pairs: Ints) -> np.ndarray:
    return np.isin(pair_keys(pairs[:, ::-1], split.n_genes), pair_keys(split.train, split.n_genes))


def _rule(name: str, split: Split, rng: np.random.Generator) -> tuple[str, float]:
    started = time.perf_counter()
    rule = registry.level("scorer", name)(registry.parse("scorer", name), split.training, rng)
    scores = rule.score(split.test)
    text = f"{auroc(scores, split.test_labels, split.test):.3f} / {auprc(scores, split.test_labels, split.test):.3f}"
    return text, time.perf_counter() - started
