import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from components.core.dataset import Dataset
from components.core.errors import KnockoutError
from components.data.readers import read
from components.data.simulator import SimulatorSettings, simulate, write_beeline

SEEDS = [0, 1, 2]


def test_the_same_seed_gives_the_same_data(same):
    same(simulate(seed=3), simulate(seed=3))


def test_another_seed_gives_other_cells_and_another_network():
    one, other = simulate(seed=0), simulate(seed=1)
    assert not np.array_equal(one.expression, other.expression)
    assert not np.array_equal(one.edges, other.edges)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_data_pass_every_check_of_the_reader_and_read_back_exactly(tmp_path, same, seed):
    dataset = simulate(seed=seed)
    write_beeline(dataset, tmp_path / "simulated")
    same(read(tmp_path / "simulated"), dataset)
    assert (dataset.name, dataset.block, dataset.network) == ("simulated",) * 3
    assert dataset.expression.shape == (500, 400)


@pytest.mark.parametrize(
    "changed",
    [
        {"genes": 20, "tfs": 4, "cells": 20},
        {"depth": 100.0, "dropout": 20.0, "cells": 20},
        {"hubs": 3.0, "regulators": 4.0, "noise": 3.0, "variation": 3.0, "burst": 100.0},
        {"hubs": 0.0, "repression": 1.0, "noise": 0.0, "hidden": 0.0, "variation": 0.0, "burst": 0.01},
    ],
)
def test_extreme_settings_still_give_readable_data(tmp_path, same, changed):
    dataset = simulate(SimulatorSettings(**changed), seed=1)
    write_beeline(dataset, tmp_path)
    same(read(tmp_path), dataset)


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(KnockoutError, match="40 simulated TFs need at least 80 genes, got 40"):
        simulate(SimulatorSettings(genes=40))
    with pytest.raises(ValidationError):
        SimulatorSettings(regulators=5.0)


@pytest.mark.parametrize("seed", SEEDS)
def test_few_hubs_hold_many_edges_and_targets_are_even(seed):
    dataset = simulate(seed=seed)
    out = np.sort(np.bincount(dataset.edges[:, 0], minlength=500)[dataset.tfs])[::-1]
    into = np.bincount(dataset.edges[:, 1], minlength=500)
    assert out[0] > 4 * np.median(out)
    assert out[:6].sum() > 0.4 * out.sum()
    assert np.mean(out >= 2) > 0.9  # as in real data, a listed TF may have no known target
    assert into.max() <= 4
    assert np.mean(into > 0) > 0.9


def test_without_the_power_law_there_are_no_hubs():
    dataset = simulate(SimulatorSettings(hubs=0.0))
    out = np.bincount(dataset.edges[:, 0], minlength=500)[dataset.tfs]
    assert out.max() < 2.5 * np.median(out)


@pytest.mark.parametrize("seed", SEEDS)
def test_tfs_regulate_tfs_without_cycles(seed):
    dataset = simulate(seed=seed)
    among = np.zeros((500, 500), dtype=np.int64)
    among[tuple(dataset.edges[np.isin(dataset.edges[:, 1], dataset.tfs)].T)] = 1
    assert among.sum() > 10
    among = among[np.ix_(dataset.tfs, dataset.tfs)]
    assert not np.linalg.matrix_power(among, len(dataset.tfs)).any()


@pytest.mark.parametrize("seed", SEEDS)
def test_genes_without_a_tf_are_not_separated_by_level_or_variance(seed):
    dataset = simulate(seed=seed)
    regulated = np.isin(np.arange(500), dataset.edges[:, 1])
    for feature in (dataset.expression.mean(axis=1), dataset.expression.std(axis=1)):
        assert 0.15 < roc_auc_score(regulated, feature) < 0.85


def test_lower_counts_are_lost_more_often():
    shallow, deep = (simulate(SimulatorSettings(depth=depth)).expression for depth in (1000.0, 20000.0))
    assert np.mean(shallow == 0) > np.mean(deep == 0) + 0.2
    zeros = np.mean(simulate().expression == 0, axis=1)
    assert np.corrcoef(zeros, simulate().expression.mean(axis=1))[0, 1] < -0.7


class Exam:
    """Edges of each TF split 2:1; half of the other TF x gene pairs stand against each part."""

    def __init__(self, dataset: Dataset) -> None:
        rng = np.random.default_rng(0)
        n = dataset.n_genes
        self.correlation = np.corrcoef(dataset.expression)
        edges, self.train = np.zeros((2, n, n), dtype=bool)
        edges[tuple(dataset.edges.T)] = True
        for tf in dataset.tfs:
            targets = rng.permutation(np.flatnonzero(edges[tf]))
            self.train[tf, targets[: 2 * len(targets) // 3]] = True
        others = ~edges & ~np.eye(n, dtype=bool) & np.isin(np.arange(n), dataset.tfs)[:, None]
        first = rng.random((n, n)) < 0.5
        self.learn = self.train | (others & first)
        self.test = (edges & ~self.train) | (others & ~first)
        self.known = edges

    def auroc(self, score: np.ndarray) -> float:
        return float(roc_auc_score(self.known[self.test], score[self.test]))

    def within_tf(self, score: np.ndarray) -> float:
        tfs = np.flatnonzero((self.known & self.test).any(axis=1))
        return float(np.mean([roc_auc_score(self.known[t][self.test[t]], score[t][self.test[t]]) for t in tfs]))

    def matched(self, score: np.ndarray) -> float:
        """Share of test edges that beat another gene of the same TF and the same training in-degree."""
        rng, into = np.random.default_rng(1), self.train.sum(axis=0)
        wins = []
        for tf, target in np.argwhere(self.known & self.test):
            rivals = np.flatnonzero(self.test[tf] & ~self.known[tf] & (into == into[target]))
            if len(rivals):
                wins.append(score[tf, target] > score[tf, rng.choice(rivals)])
        return float(np.mean(wins))

    def degree(self) -> np.ndarray:
        return np.log1p(self.train.sum(axis=1))[:, None] + 0.0 * self.correlation

    def supervised(self) -> np.ndarray:
        """Logistic regression on |r| with the TF and mean |r| with the TF's other training targets."""
        size = np.abs(self.correlation)
        others = self.train.sum(axis=1)[:, None] - self.train
        shared = (self.train @ size - self.train) / np.maximum(others, 1)
        features = np.stack([size, shared, shared**2, size * shared], axis=-1)
        model = LogisticRegression(C=100.0, max_iter=500).fit(features[self.learn], self.train[self.learn])
        return model.decision_function(features.reshape(-1, 4)).reshape(size.shape)


@pytest.mark.parametrize("seed", SEEDS)
def test_expression_finds_held_out_edges_far_better_than_degree(seed):
    exam = Exam(simulate(seed=seed))
    degree, pearson, learnt = exam.degree(), np.abs(exam.correlation), exam.supervised()
    assert 0.6 < exam.auroc(degree) < 0.78
    assert exam.within_tf(degree) == 0.5
    for auroc in (exam.auroc, exam.within_tf, exam.matched):
        assert auroc(pearson) > 0.78
        assert auroc(learnt) > 0.85
    assert exam.auroc(learnt) > exam.auroc(pearson)


def test_noise_makes_edges_harder_to_find():
    clean, noisy = (Exam(simulate(SimulatorSettings(noise=noise))) for noise in (0.1, 2.5))
    assert clean.within_tf(np.abs(clean.correlation)) > noisy.within_tf(np.abs(noisy.correlation)) + 0.1
