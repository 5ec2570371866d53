from __future__ import annotations

import numpy as np
import pytest
from component_cases import dataset_of, keys, make_dataset, make_split
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from test_splits import RECIPROCAL, count_by_tf, counts, networks, seeds, set_exam

from components.core import registry
from components.core.dataset import Dataset
from components.core.errors import KnockoutError
from components.core.exam import Split
from components.core.streams import Streams

UNSEEN = ["unseen_tf", "unseen_target"]
COLUMN = {"unseen_tf": 0, "unseen_target": 1}
NETWORKS = ["STRING", "Non-Specific", "Specific"]


def scale_free(seed: int, genes: int = 150, tfs: int = 30) -> Dataset:
    """Draw a network of hubs and popular targets: in it a rule of degrees reaches what it does on published data."""
    rng = np.random.default_rng(seed)
    out, popular = rng.pareto(1.2, tfs) + 0.5, rng.pareto(1.2, genes) + 0.5
    odds = np.clip(np.outer(out / out.mean(), popular / popular.mean()) * 0.12, 0, 0.6)
    odds[np.arange(tfs), np.arange(tfs)] = 0
    return dataset_of(np.argwhere(rng.random(odds.shape) < odds), np.arange(tfs), genes)


def auroc_of_degrees(split: Split) -> dict[str, float]:
    """AUROC on the test of three rules that see training edges alone."""
    out, into = (np.bincount(column, minlength=split.n_genes) for column in split.train.T)
    tf, target = split.test.T
    rules = {"product": (out[tf] + 1) * (into[target] + 1), "out": out[tf], "in": into[target]}
    return {name: float(roc_auc_score(split.test_labels, scores)) for name, scores in rules.items()}


class TestBalanced:
    @given(seed=seeds, reciprocal=st.sampled_from(RECIPROCAL))
    def test_degrees_are_uninformative_where_they_predicted_nearly_all(self, seed, reciprocal):
        network = scale_free(seed)
        plain, balanced = (make_split(network, level, reciprocal=reciprocal) for level in ("per_tf", "balanced"))
        tolerance = 0.02 + 3 / np.sqrt(6 * balanced.test_labels.sum())  # 3 standard deviations of a guess
        assert auroc_of_degrees(plain)["product"] > 0.5 + tolerance + 0.05
        for name, value in auroc_of_degrees(balanced).items():
            assert abs(value - 0.5) < tolerance, name

    @given(network=networks(), seed=seeds)
    def test_each_tf_has_as_many_negatives_as_positives_while_it_has_free_genes(self, network, seed):
        split, free = set_exam(network, "balanced", seed), {}
        for pairs, labels in ((split.test, split.test_labels), (split.validation, split.validation_labels)):
            positive, negative = pairs[labels == 1], pairs[labels == 0]
            assert set(negative[:, 0]) <= set(positive[:, 0])
            for tf in np.unique(positive[:, 0]):
                left = free.get(tf, network.n_genes - 1 - count_by_tf(network.edges, tf))
                assert count_by_tf(negative, tf) == min(count_by_tf(positive, tf), left)
                free[tf] = left - count_by_tf(negative, tf)

    def test_every_tf_and_target_is_asked_as_often_as_it_stands_in_positives(self):
        network = scale_free(3)
        split = make_split(network, "balanced")
        positive, negative = (split.test[split.test_labels == label] for label in (1, 0))
        assert len(negative) == pytest.approx(len(positive), abs=2)
        out, into = (
            [np.bincount(p[:, column], minlength=network.n_genes) for p in (positive, negative)] for column in (0, 1)
        )
        assert np.abs(out[0] - out[1]).max() <= 2
        assert np.corrcoef(*into)[0, 1] > 0.8

    def test_ratio_multiplies_the_negatives(self):
        one, three = (make_split(scale_free(4), "balanced", ratio=ratio) for ratio in (1.0, 3.0))
        assert (1 - three.test_labels).sum() == pytest.approx(3 * (1 - one.test_labels).sum(), rel=0.1)

    def test_positives_are_those_of_per_tf(self, dataset):
        for tf in np.unique(dataset.edges[:, 0]):
            per_tf, balanced = (counts(make_split(dataset, level), tf, 1) for level in ("per_tf", "balanced"))
            assert per_tf == balanced

    @pytest.mark.parametrize("network", NETWORKS)
    def test_degrees_are_uninformative_on_published_data(self, network, beeline_split):
        aurocs = auroc_of_degrees(beeline_split(network, "balanced"))
        assert max(abs(value - 0.5) for value in aurocs.values()) < 0.05, aurocs


@pytest.mark.parametrize("level", UNSEEN)
class TestUnseen:
    @given(network=networks(), seed=seeds, reciprocal=st.sampled_from(RECIPROCAL))
    def test_no_gene_of_a_part_stands_in_another(self, level, network, seed, reciprocal):
        split, column = set_exam(network, level, seed, reciprocal=reciprocal), COLUMN[level]
        sides = [np.concatenate([split.train, split.pool]), split.validation, split.test]
        genes = [set(side[:, column]) for side in sides]
        assert len(set().union(*genes)) == sum(map(len, genes))

    @given(network=networks(), seed=seeds)
    def test_every_pair_of_a_tf_with_targets_is_asked(self, level, network, seed):
        split = set_exam(network, level, seed)
        pairs = np.concatenate([split.train, split.pool, split.validation, split.test])
        assert len(keys(pairs, network.n_genes)) == len(np.unique(network.edges[:, 0])) * (network.n_genes - 1)

    @given(network=networks(), seed=seeds)
    def test_together_leaves_no_test_positive_with_its_reverse_in_training(self, level, network, seed):
        free, together = (set_exam(network, level, seed, reciprocal=r) for r in ("free", "together"))
        n = network.n_genes
        assert keys(together.test, n) == keys(free.test, n)
        left_out = keys(free.train, n) - keys(together.train, n)
        held_out = keys(np.concatenate([free.validation, free.test])[:, ::-1], n)
        assert left_out == keys(free.train, n) & held_out

    @pytest.mark.parametrize("network", NETWORKS)
    def test_shares_of_the_positives_are_about_those_set_on_published_data(
        self, level, network, beeline, beeline_split
    ):
        dataset = beeline(network)
        for seed in range(3):
            split = beeline_split(network, level, seed)
            shares = np.array([len(split.train), split.validation_labels.sum(), split.test_labels.sum()])
            np.testing.assert_allclose(shares / len(dataset.edges), [0.54, 0.13, 0.33], atol=0.09)

    def test_shares_can_be_set(self, level):
        split = make_split(scale_free(1), level, test=0.2, validation=0.2)
        assert split.test_labels.sum() / len(scale_free(1).edges) == pytest.approx(0.2, abs=0.07)

    def test_hub_that_leaves_no_part_for_others_is_refused(self, level):
        hub = np.array([[0, 1], [0, 2], [3, 1], [4, 1], [5, 1]]) if level == "unseen_target" else None
        edges = np.array([[0, t] for t in range(1, 20)] + [[1, 5]]) if hub is None else hub
        with pytest.raises(KnockoutError, match=r"too small for Unseen.*Each part needs"):
            make_split(dataset_of(edges, np.arange(6), 24), level)


class TestUnseenTF:
    def test_a_test_tf_may_be_a_target_in_training_unless_directions_stay_together(self):
        network = make_dataset(2, genes=40, tfs=12, edges=150)
        free, together = (make_split(network, "unseen_tf", reciprocal=r) for r in ("free", "together"))
        tested = set(free.test[:, 0])
        assert tested & set(free.train[:, 1])
        assert not tested & set(np.concatenate([together.train, together.pool, together.validation])[:, 1])

    def test_out_degree_is_the_same_for_all(self):
        assert auroc_of_degrees(make_split(scale_free(5), "unseen_tf"))["out"] == 0.5


class TestUnseenTarget:
    def test_in_degree_is_the_same_for_all(self):
        assert auroc_of_degrees(make_split(scale_free(5), "unseen_target"))["in"] == 0.5

    def test_genes_without_a_regulator_are_dealt_as_others_are(self):
        network = scale_free(6)
        split = make_split(network, "unseen_target")
        never = np.setdiff1d(np.arange(network.n_genes), network.edges[:, 1])
        assert len(never) > 20
        for pairs, share in ((split.pool, 0.54), (split.validation, 0.13), (split.test, 0.33)):
            assert np.isin(never, pairs[:, 1]).mean() == pytest.approx(share, abs=0.1)


@pytest.mark.parametrize("level", ["balanced", *UNSEEN, "kfold_pooled"])
def test_audit_of_an_honest_split_states_what_it_took_away(level):
    from components.split.audit import AUDIT, audit

    network = scale_free(7)
    rows = audit(make_split(network, level, reciprocal="together"), Streams(network.digest, 0)).figures
    assert list(rows) == list(AUDIT)
    assert rows["pairs in two parts"] == "0"
    assert rows["test positives with their reverse in training, %"] == "0.0"
    if level in UNSEEN:
        kind = level.removeprefix("unseen_")
        for label in ("positives", "negatives"):
            name = f"test {label} of a {kind.upper() if kind == 'tf' else kind} unseen in training, %"
            assert rows[name] == "100.0"
    assert set(registry.levels("split")) >= {level}
