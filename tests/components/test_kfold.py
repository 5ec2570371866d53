from __future__ import annotations

import numpy as np
import pytest
from component_cases import dataset_of, keys, make_dataset
from hypothesis import assume, given
from hypothesis import strategies as st
from test_splits import RECIPROCAL, networks, seeds

from components.core import registry
from components.core.dataset import Dataset
from components.core.errors import KnockoutError
from components.core.exam import Split
from components.core.metrics import evaluate

K = st.integers(2, 4)


def make_folds(network: Dataset, *, seed: int = 0, **settings) -> tuple[Split, ...]:
    splitter = registry.level("split", "kfold_pooled")(registry.parse("split", "kfold_pooled", settings))
    return splitter.folds(network, np.random.default_rng(seed))


def deal(network: Dataset, **given) -> tuple[Split, ...]:
    """Deal a random network, or take another where it is too small to validate in every fold."""
    try:
        return make_folds(network, **given)
    except KnockoutError as error:
        assert "too small" in str(error)
        assume(False)
        raise


def counts_by_tf(pairs: np.ndarray, n: int) -> np.ndarray:
    return np.bincount(pairs[:, 0], minlength=n)


@pytest.mark.parametrize("reciprocal", RECIPROCAL)
class TestEveryFold:
    @given(network=networks(), seed=seeds, k=K)
    def test_over_all_folds_each_candidate_is_tested_exactly_once(self, reciprocal, network, seed, k):
        folds = deal(network, seed=seed, folds=k, reciprocal=reciprocal)
        tested = [key for split in folds for key in keys(split.test, split.n_genes)]
        tfs = np.unique(network.edges[:, 0])
        assert len(folds) == k
        assert len(tested) == len(set(tested)) == len(tfs) * (network.n_genes - 1)
        assert set(np.concatenate([split.test for split in folds])[:, 0]) == set(tfs)

    @given(network=networks(), seed=seeds, k=K)
    def test_parts_are_disjoint_and_hold_every_candidate_in_every_fold(self, reciprocal, network, seed, k):
        for split in deal(network, seed=seed, folds=k, reciprocal=reciprocal):
            parts = [keys(p, split.n_genes) for p in (split.train, split.pool, split.validation, split.test)]
            everything = len(np.unique(network.edges[:, 0])) * (network.n_genes - 1)
            assert len(set().union(*parts)) == sum(map(len, parts)) == everything
            assert min(split.validation_labels.sum(), split.test_labels.sum(), len(split.train)) > 0

    @given(network=networks(), seed=seeds)
    def test_both_directions_stay_together_in_every_fold(self, reciprocal, network, seed):
        for split in deal(network, seed=seed, reciprocal="together"):
            sides = [np.concatenate([split.train, split.pool]), split.validation, split.test]
            for mine, side in enumerate(sides):
                for other in (s for k, s in enumerate(sides) if k != mine):
                    assert not keys(side[:, ::-1], split.n_genes) & keys(other, split.n_genes)


@given(network=networks(), seed=seeds, k=K)
def test_a_tf_is_dealt_evenly_and_small_tfs_do_not_meet_in_one_fold(network, seed, k):
    folds = deal(network, seed=seed, folds=k)
    for label in (0, 1):
        by_tf = np.stack([counts_by_tf(s.test[s.test_labels == label], s.n_genes) for s in folds])
        assert (np.ptp(by_tf, axis=0) <= 1).all()
        assert np.ptp(by_tf.sum(axis=1)) <= 1


def test_small_tfs_are_spread_over_the_folds():
    edges = np.array([[0, t] for t in range(20, 35)] + [[tf, 20 + tf] for tf in range(1, 10)])
    for split in make_folds(dataset_of(edges, np.arange(10), 40)):
        positives = split.test[split.test_labels == 1]
        assert np.sum(positives[:, 0] > 0) == 3


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_validation_takes_its_share_of_both_labels(share):
    for split in make_folds(make_dataset(1, genes=80, tfs=20, edges=300), validation=share):
        positive, negative = split.validation_labels.sum(), (1 - split.validation_labels).sum()
        assert positive == pytest.approx(share * (positive + len(split.train)), abs=1)
        assert negative == pytest.approx(share * (negative + len(split.pool)), abs=1)


def test_the_first_fold_is_what_an_audit_sees(dataset):
    splitter = registry.level("split", "kfold_pooled")(registry.parse("split", "kfold_pooled"))
    assert splitter.split(dataset, np.random.default_rng(3)).digest == make_folds(dataset, seed=3)[0].digest


def test_a_fold_without_validation_is_refused():
    edges = np.array([[0, t] for t in range(1, 9)])
    with pytest.raises(KnockoutError, match=r"too small for KFoldPooled.*Every fold needs an edge to test"):
        make_folds(dataset_of(edges, np.array([0]), 20), folds=8, validation=0.02)


def test_protocols_with_one_exam_have_one_fold(dataset):
    for level in ("per_tf", "all_non_targets", "balanced", "unseen_tf", "unseen_target"):
        splitter = registry.level("split", level)(registry.parse("split", level))
        (only,) = splitter.folds(dataset, np.random.default_rng(0))
        assert only.digest == splitter.split(dataset, np.random.default_rng(0)).digest


def test_pooled_degree_reaches_on_published_data_what_a_single_split_does(beeline):
    folds = make_folds(beeline("Specific"))
    prevalence = [split.test_labels.mean() for split in folds]
    assert np.ptp(prevalence) < 1e-3
    assert sum(split.test_labels.sum() for split in folds) == len(beeline("Specific").edges)
    rule = registry.level("scorer", "degree")
    scores = [rule(rule.Settings(), s, np.random.default_rng(0)).score(s.test) for s in folds]
    heap = [np.concatenate(values) for values in (scores, [s.test_labels for s in folds], [s.test for s in folds])]
    assert evaluate(*heap)["auroc"] == pytest.approx(0.80, abs=0.04)


# 'Positive/negative sample ratio' of GP-DHT's Table 1, for the sets of the BEELINE data at hand
TABLE_1 = {("mDC", 500): (756, 15644), ("hHEP", 500): (9939, 18471), ("mDC", 1000): (1193, 26527)}


@pytest.mark.parametrize(("cell", "genes"), TABLE_1)
@pytest.mark.parametrize("how", ["tf", "pairs"])
def test_tests_of_all_folds_have_the_counts_of_gpdhts_table_1(cell, genes, how, beeline):
    folds = make_folds(beeline("Specific", cell, genes), deal=how)
    labels = np.concatenate([split.test_labels for split in folds])
    assert (int(labels.sum()), int((labels == 0).sum())) == TABLE_1[cell, genes]


def test_folds_by_pair_do_not_even_out_tfs():
    network = make_dataset(1, genes=120, tfs=20, edges=600)
    spread = {}
    for how in ("tf", "pairs"):
        folds = make_folds(network, deal=how, validation=0.2)
        shares = np.array(
            [counts_by_tf(split.test, network.n_genes)[np.unique(network.edges[:, 0])] for split in folds]
        )
        spread[how] = int(np.ptp(shares, axis=0).max())
        left = [len(split.validation) / (len(split.validation) + len(split.train) + len(split.pool)) for split in folds]
        assert left == pytest.approx([0.2] * 3, abs=0.01)
    assert spread["tf"] <= 2 < spread["pairs"]
