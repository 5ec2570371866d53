"""The two samplers that look at more than the pool: co-occurrence (GP-DHT 2.1) and matched degrees."""

from __future__ import annotations

import numpy as np
import pytest
from component_cases import dataset_of, keys, make_dataset, make_split, small
from sklearn.metrics import roc_auc_score

from components.core import registry
from components.core.errors import KnockoutError
from components.core.sampling import matched_probabilities, systematic
from components.negatives.cooccurrence import highly_expressed, joint_share


def build(level: str, split, expression, **settings):
    return registry.level("negatives", level)(small("negatives", level, **settings), split, expression)


def hubs(seed: int = 0, genes: int = 200, tfs: int = 40):
    """Return a network that degrees nearly predict: some TFs and some targets have most edges."""
    rng = np.random.default_rng(seed)
    out, into = rng.lognormal(0, 1, tfs), rng.lognormal(0, 1, genes)
    likely = 0.04 * np.outer(out / out.mean(), into / into.mean())
    edges = np.argwhere(rng.random((tfs, genes)) < np.minimum(likely, 0.3))
    edges = edges[edges[:, 0] != edges[:, 1]]
    return dataset_of(edges, np.arange(tfs), genes, rng.gamma(1.0, 1.0, (genes, 30)))


def degree_auroc(split, negatives) -> float:
    """Score training pairs by TF out-degree times target in-degree among the positives."""
    out, into = (np.bincount(column, minlength=split.n_genes) + 1.0 for column in split.train.T)
    pairs = np.concatenate([split.train, negatives])
    labels = np.repeat([1, 0], [len(split.train), len(negatives)])
    return float(roc_auc_score(labels, out[pairs[:, 0]] * into[pairs[:, 1]]))


class TestCooccurrence:
    X = np.array([[0, 0, 1, 2, 3], [0, 5, 0, 2, 3], [0, 0, 0, 0, 9], [-1, -1, -1, -1, -2]], dtype=np.float32)

    def test_highly_is_above_zero_and_above_a_genes_own_quantile(self):
        expected = [[0, 0, 0, 1, 1], [0, 1, 0, 0, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]]
        np.testing.assert_array_equal(highly_expressed(self.X, 0.75), np.array(expected, dtype=bool))

    def test_joint_share_is_counted_cell_by_cell(self):
        high = highly_expressed(self.X, 0.75)
        pairs = np.array([[0, 1], [1, 0], [0, 2], [1, 2], [0, 3]])
        expected = [np.mean([high[i, c] and high[j, c] for c in range(5)]) for i, j in pairs]
        np.testing.assert_allclose(joint_share(high, pairs), expected)

    def test_pairs_highly_expressed_together_are_never_drawn(self):
        dataset = make_dataset(4, genes=50, tfs=10, cells=200, edges=110)
        split = make_split(dataset)
        sampler = build("cooccurrence", split, dataset.expression, ratio=50.0)
        share = joint_share(highly_expressed(dataset.expression, 0.85), split.pool)
        allowed = split.pool[share < 0.05]
        assert 0 < len(allowed) < len(split.pool)
        assert keys(sampler.draw(np.random.default_rng(0)), 50) == keys(allowed, 50)

    def test_paper_draws_five_to_ten_times_the_positives(self):
        dataset = hubs()
        split = make_split(dataset)
        assert registry.parse("negatives", "cooccurrence").ratio == 5.0
        drawn = build("cooccurrence", split, dataset.expression, joint=1.0).draw(np.random.default_rng(0))
        assert len(drawn) == 5 * len(split.train)

    def test_expression_decides(self):
        dataset, rng = hubs(), np.random.default_rng
        split = make_split(dataset)
        plain = build("cooccurrence", split, dataset.expression).draw(rng(0))
        other = build("cooccurrence", split, rng(1).permutation(dataset.expression)).draw(rng(0))
        assert not np.array_equal(plain, other)

    def test_an_empty_pool_names_the_cure(self):
        dataset = hubs()
        sampler = build("cooccurrence", make_split(dataset), np.ones_like(dataset.expression))
        with pytest.raises(KnockoutError, match="raise joint or quantile"):
            sampler.draw(np.random.default_rng(0))


class TestDegreeMatched:
    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize(("ratio", "within"), [(1.0, 0.06), (2.0, 0.1)])  # more pairs, fewer of them free
    def test_degree_is_uninformative_in_training(self, seed, ratio, within):
        dataset = hubs(seed)
        split = make_split(dataset)
        drawn = [
            build(level, split, dataset.expression, ratio=ratio).draw(np.random.default_rng(0))
            for level in ("uniform", "degree_matched")
        ]
        uniform, matched = (degree_auroc(split, negatives) for negatives in drawn)
        assert uniform > 0.75
        assert matched == pytest.approx(0.5, abs=within)

    def test_out_degrees_are_met_to_one_pair(self):
        dataset = hubs(1)
        split = make_split(dataset)
        sampler = build("degree_matched", split, dataset.expression, ratio=1.0)
        degrees = np.bincount(split.train[:, 0], minlength=split.n_genes)
        for seed in range(5):
            drawn = np.bincount(sampler.draw(np.random.default_rng(seed))[:, 0], minlength=split.n_genes)
            assert np.abs(drawn - degrees).max() <= 1

    def test_in_degrees_are_met_on_average(self):
        dataset = hubs(1)
        split = make_split(dataset)
        sampler = build("degree_matched", split, dataset.expression, ratio=1.0)
        drawn = [sampler.draw(np.random.default_rng(seed))[:, 1] for seed in range(200)]
        mean_degrees = np.bincount(np.concatenate(drawn), minlength=split.n_genes) / 200
        degrees = np.bincount(split.train[:, 1], minlength=split.n_genes)
        assert np.abs(mean_degrees - degrees).max() < 0.35  # 200 draws; the probabilities themselves meet it to 1e-9
        expected = np.bincount(sampler.candidates[:, 1], sampler.probabilities, minlength=split.n_genes)
        np.testing.assert_allclose(expected, degrees, atol=1e-9)

    def test_probabilities_meet_marginals_that_can_be_met(self):
        rng = np.random.default_rng(0)
        pairs = np.argwhere(rng.random((8, 40)) < 0.7)
        truth = rng.uniform(0.05, 0.9, len(pairs))
        tf, target = (np.bincount(column, truth, minlength=40) for column in pairs.T)
        probabilities = matched_probabilities(pairs, tf, target)
        np.testing.assert_allclose(np.bincount(pairs[:, 0], probabilities, minlength=40), tf, atol=1e-3)
        np.testing.assert_allclose(np.bincount(pairs[:, 1], probabilities, minlength=40), target, atol=1e-3)

    def test_target_without_enough_free_pairs_gives_all_it_has(self):
        pairs = np.array([[0, 5], [0, 6], [0, 7], [1, 6], [1, 7]])
        target = np.zeros(8)
        target[[5, 6, 7]] = [3.0, 0.5, 0.5]  # one pair is free for target 5
        tf = np.zeros(8)
        tf[[0, 1]] = [1.5, 0.5]
        probabilities = matched_probabilities(pairs, tf, target)
        assert probabilities[0] > 0.95
        assert (probabilities <= 1).all()

    def test_each_row_is_drawn_with_its_probability(self):
        probabilities = np.array([0.1, 0.9, 1.0, 0.0, 0.5, 0.5])
        draws = [systematic(probabilities, np.random.default_rng(seed)) for seed in range(2000)]
        assert {len(d) for d in draws} == {3}
        frequencies = np.bincount(np.concatenate(draws), minlength=6) / 2000
        np.testing.assert_allclose(frequencies, probabilities, atol=0.04)
