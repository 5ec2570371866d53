"""Controls: rules over training edges, and the model trained without true expression."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from component_cases import all_levels

from components.core import registry
from components.core.exam import Split
from components.core.metrics import evaluate
from components.scorer import Baseline, Network

SCORERS = [level for _, level in all_levels("scorer")]
TRAINED = [level for level in SCORERS if registry.level("scorer", level).trains]
BASELINES = [level for level in SCORERS if issubclass(registry.level("scorer", level), Baseline)]
RULES = [level for level in SCORERS if level not in TRAINED + BASELINES]
UNSUPERVISED = [level for level in BASELINES if issubclass(registry.level("scorer", level), Network)]
LEARNING = [level for level in BASELINES if level not in UNSUPERVISED]


def pairs(*listed: tuple[int, int]) -> np.ndarray:
    return np.array(listed, dtype=np.int64)


@pytest.fixture
def by_hand() -> Split:
    return Split(
        n_genes=6,
        train=pairs((0, 1), (0, 2), (0, 3), (1, 2), (4, 3)),
        validation=pairs((1, 3), (1, 5)),
        validation_labels=np.array([1, 0]),
        test=pairs((0, 2), (2, 0), (4, 2), (5, 3), (1, 4)),
        test_labels=np.array([1, 1, 0, 0, 0]),
        pool=pairs((0, 4), (0, 5), (1, 0), (1, 4), (4, 0), (4, 1), (4, 5)),
    )


def rule(level: str, split: Split):
    return registry.level("scorer", level)(registry.parse("scorer", level), split, np.random.default_rng(0))


@pytest.mark.parametrize("level", RULES)
class TestEveryRule:
    def test_gives_one_finite_score_per_pair(self, level, split):
        scores = rule(level, split).score(split.test)
        assert scores.shape == (len(split.test),)
        assert np.isfinite(scores).all()

    def test_held_out_labels_and_pairs_change_nothing(self, level, split):
        swapped = dataclasses.replace(
            split,
            validation=split.validation[::-1],
            validation_labels=1 - split.validation_labels,
            test=split.test[::2],
            test_labels=1 - split.test_labels[::2],
        )
        assert np.array_equal(rule(level, split).score(split.test), rule(level, swapped).score(split.test))

    def test_training_positives_matter(self, level, split):
        fewer = dataclasses.replace(split, train=split.train[::2])
        assert not np.array_equal(rule(level, split).score(split.test), rule(level, fewer).score(split.test))

    def test_is_a_control_that_silences_the_model(self, level, split):
        assert rule(level, split).control
        assert registry.silenced_by("scorer", level) == set(registry.FACTORS) - {"scorer", "split"}

    def test_same_pair_same_score_in_any_order(self, level, split):
        scorer = rule(level, split)
        assert np.array_equal(scorer.score(split.test)[::-1], scorer.score(split.test[::-1]))


class TestByDefinition:
    def test_degree_multiplies_out_degree_and_in_degree_plus_one(self, by_hand):
        assert rule("degree", by_hand).score(by_hand.test).tolist() == [12.0, 1.0, 6.0, 3.0, 2.0]

    def test_reverse_edge_lifts_above_every_degree(self, by_hand):
        scores = rule("reverse_degree", by_hand).score(by_hand.test)
        assert scores.tolist() == [12.0, 1.0 + 12.0, 6.0, 3.0, 2.0]
        assert scores[1] == scores.max()

    def test_identity_is_a_logistic_regression_on_both_genes(self, by_hand):
        scorer = rule("identity", by_hand)
        scores = scorer.score(by_hand.test)
        weights = scorer.model.coef_[0]
        expected = [weights[i] + weights[6 + j] + scorer.model.intercept_[0] for i, j in by_hand.test]
        np.testing.assert_allclose(scores, expected)
        assert weights[0] > weights[4]  # TF 0: three edges of five pairs; TF 4: one of four

    def test_identity_learns_from_training_and_pool_alone(self, by_hand):
        emptied = dataclasses.replace(by_hand, pool=by_hand.pool[:2])
        assert not np.allclose(
            rule("identity", by_hand).score(by_hand.test), rule("identity", emptied).score(by_hand.test)
        )

    def test_assembled_leaves_expression_untouched(self, dataset):
        scorer = registry.level("scorer", "assembled")(registry.parse("scorer", "assembled"))
        assert scorer.expression(dataset.expression, np.random.default_rng(0)) is dataset.expression

    def test_noise_holds_nothing_of_the_expression(self, dataset):
        scorer = registry.level("scorer", "noise")(registry.parse("scorer", "noise"))
        shown = scorer.expression(dataset.expression, np.random.default_rng(0))
        other = scorer.expression(dataset.expression * 2 + 1, np.random.default_rng(0))
        assert np.array_equal(shown, other)
        assert abs(shown.mean()) < 0.15
        assert shown.std() == pytest.approx(1.0, abs=0.1)

    def test_permuted_keeps_every_profile_and_gives_it_to_another_gene(self, dataset):
        scorer = registry.level("scorer", "permuted")(registry.parse("scorer", "permuted"))
        shown = scorer.expression(dataset.expression, np.random.default_rng(0))
        assert np.array_equal(np.sort(shown.sum(axis=1)), np.sort(dataset.expression.sum(axis=1)))
        assert np.mean((shown == dataset.expression).all(axis=1)) < 0.2


@pytest.mark.parametrize("level", TRAINED)
def test_trained_scorer_keeps_shape_and_type_of_expression(level, dataset):
    scorer = registry.level("scorer", level)(registry.parse("scorer", level))
    before = dataset.expression.copy()
    shown = scorer.expression(dataset.expression, np.random.default_rng(0))
    assert (shown.shape, shown.dtype) == (before.shape, np.dtype(np.float32))
    assert np.array_equal(dataset.expression, before)
    assert scorer.control is (level != "assembled")


# AUROC without reading expression, mDC TFs+500, mean of seeds 0-2
WITHOUT_EXPRESSION = [
    ("STRING", "per_tf", "degree", 0.914),
    ("STRING", "per_tf", "reverse_degree", 0.942),
    ("Non-Specific", "per_tf", "degree", 0.899),
    ("Non-Specific", "per_tf", "reverse_degree", 0.938),
    ("Specific", "hard_negative", "degree", 0.788),
    ("Specific", "hard_negative", "reverse_degree", 0.806),
    ("Specific", "hard_negative", "identity", 0.811),
]


@pytest.mark.parametrize(
    ("network", "protocol", "level", "auroc"),
    [case if case[0] == "Specific" else pytest.param(*case, marks=pytest.mark.slow) for case in WITHOUT_EXPRESSION],
)
def test_controls_reach_what_was_measured(network, protocol, level, auroc, beeline_split):
    found = []
    for seed in range(3):
        split = beeline_split(network, protocol, seed)
        found.append(evaluate(rule(level, split).score(split.test), split.test_labels, split.test))
    assert np.mean([f["auroc"] for f in found]) == pytest.approx(auroc, abs=0.02)
    if network == "STRING":  # without the published overlap, higher than the table's .406 and .578
        expected = {"degree": 0.47, "reverse_degree": 0.71}[level]
        assert np.mean([f["auprc"] for f in found]) == pytest.approx(expected, abs=0.03)
