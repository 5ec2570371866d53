from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from components.core.metrics import METRICS, evaluate

NO_PAIRS = np.zeros((0, 2), dtype=np.int64)


@st.composite
def rankings(draw, most: int = 14):
    """Draw scores with many ties, and labels with both classes."""
    n = draw(st.integers(2, most))
    scores = draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))
    labels = draw(st.lists(st.integers(0, 1), min_size=n, max_size=n).filter(lambda x: 0 < sum(x) < len(x)))
    return np.array(scores, dtype=float), np.array(labels)


def slow_auroc(scores, labels) -> float:
    won = [1.0 if a > b else 0.5 if a == b else 0.0 for a in scores[labels == 1] for b in scores[labels == 0]]
    return sum(won) / len(won)


def slow_average_precision(scores, labels) -> float:
    total, recall_before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        above = labels[scores >= threshold]
        recall = above.sum() / labels.sum()
        total += (recall - recall_before) * above.mean()
        recall_before = recall
    return total


def slow_epr(scores, labels) -> float:
    k = int(labels.sum())
    orders = (p for p in permutations(range(len(labels))) if all(scores[a] >= scores[b] for a, b in pairwise(p)))
    return float(np.mean([labels[list(p[:k])].mean() for p in orders])) / labels.mean()


def compute(name: str, scores, labels, pairs=NO_PAIRS) -> float:
    return METRICS[name](scores, labels, pairs)


@given(rankings())
def test_auroc_is_the_chance_that_an_edge_outranks_a_non_edge(ranking):
    assert compute("auroc", *ranking) == pytest.approx(slow_auroc(*ranking))


@given(rankings())
def test_auprc_is_average_precision(ranking):
    assert compute("auprc", *ranking) == pytest.approx(slow_average_precision(*ranking))
    assert compute("auprc_ratio", *ranking) == pytest.approx(slow_average_precision(*ranking) / ranking[1].mean())


@given(rankings())
def test_rankings_score_as_scikit_learn_scores_them(ranking):
    scores, labels = ranking
    assert compute("auroc", scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert compute("auprc", scores, labels) == pytest.approx(average_precision_score(labels, scores), abs=1e-12)


def test_a_ranking_of_one_class_has_no_auroc_and_one_that_is_not_finite_no_score():
    assert np.isnan(compute("auroc", np.array([0.1, 0.2]), np.array([1, 1])))
    assert compute("auprc", np.array([0.1, 0.2]), np.array([0, 0])) == 0.0
    for name in ("auroc", "auprc"):
        with pytest.raises(ValueError, match="NaN"):
            compute(name, np.array([0.1, np.nan]), np.array([0, 1]))


@given(rankings(most=6))
def test_epr_is_the_mean_over_every_order_of_ties(ranking):
    assert compute("epr", *ranking) == pytest.approx(slow_epr(*ranking))


@given(rankings(), st.integers(0, 1000))
def test_within_tf_is_the_mean_of_the_tfs_that_have_an_auroc(ranking, seed):
    scores, labels = ranking
    tfs = np.random.default_rng(seed).integers(0, 3, len(labels))
    pairs = np.stack([tfs, np.arange(len(labels)) + 3], axis=1)
    each = [
        slow_auroc(scores[tfs == t], labels[tfs == t])
        for t in range(3)
        if 0 < labels[tfs == t].sum() < (tfs == t).sum()
    ]
    within_tf = compute("within_tf_auroc", scores, labels, pairs)
    assert within_tf == pytest.approx(np.mean(each)) if each else np.isnan(within_tf)


@given(rankings())
def test_metrics_depend_on_order_alone(ranking):
    scores, labels = ranking
    pairs = np.stack([np.arange(len(labels)) % 2, np.arange(len(labels)) + 2], axis=1)
    for before, after in zip(
        evaluate(scores, labels, pairs).values(),
        evaluate(np.exp(scores), labels, pairs).values(),
        strict=True,
    ):
        assert before == pytest.approx(after, nan_ok=True)


def test_constant_score_is_a_guess():
    labels = np.array([1, 0, 0, 0] * 5)
    pairs = np.stack([np.arange(20) // 4, np.arange(20) + 20], axis=1)
    metrics = evaluate(np.zeros(20), labels, pairs)
    assert metrics == pytest.approx(
        {"auroc": 0.5, "auprc": 0.25, "auprc_ratio": 1.0, "epr": 1.0, "within_tf_auroc": 0.5}
    )


def test_perfect_score_is_the_best():
    labels = np.array([1, 0, 0, 0] * 5)
    pairs = np.stack([np.arange(20) // 4, np.arange(20) + 20], axis=1)
    metrics = evaluate(labels.astype(float), labels, pairs)
    assert metrics == pytest.approx(
        {"auroc": 1.0, "auprc": 1.0, "auprc_ratio": 4.0, "epr": 4.0, "within_tf_auroc": 1.0}
    )


def test_out_degree_cannot_help_within_tfs():
    labels = np.array([1, 1, 1, 0, 1, 0, 0, 0])
    pairs = np.array([[0, t] for t in range(2, 6)] + [[1, t] for t in range(2, 6)])
    out_degree = np.where(pairs[:, 0] == 0, 3.0, 1.0)
    assert compute("auroc", out_degree, labels) > 0.7
    assert compute("within_tf_auroc", out_degree, labels, pairs) == 0.5
