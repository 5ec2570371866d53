"""Baselines: the contract of every published method, and each by its definition."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from component_cases import all_levels, make_split, scorer_arguments
from sklearn.metrics import mutual_info_score

from components.core import registry
from components.core.dataset import Dataset
from components.core.exam import Split, TrainingPairs
from components.core.metrics import evaluate
from components.pairs.dependence import binned
from components.scorer import Baseline, Network
from knockout.testing import BaselineContract
from knockout.testing.scorers import FAST, constant_genes, every_pair

SCORERS = [level for _, level in all_levels("scorer")]
TRAINED = [level for level in SCORERS if registry.level("scorer", level).trains]
BASELINES = [level for level in SCORERS if issubclass(registry.level("scorer", level), Baseline)]
UNSUPERVISED = [level for level in BASELINES if issubclass(registry.level("scorer", level), Network)]
LEARNING = [level for level in BASELINES if level not in UNSUPERVISED]


def pairs(*listed: tuple[int, int]) -> np.ndarray:
    return np.array(listed, dtype=np.int64)


def exam(n_genes: int, train: np.ndarray, pool: np.ndarray) -> TrainingPairs:
    return TrainingPairs(n_genes=n_genes, train=train, pool=pool)


def convolved(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, padding: int) -> np.ndarray:
    """Convolve ``[channels, width, width]`` with ``[out, channels, 3, 3]``, pixel by pixel."""
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    width = x.shape[1] - 2
    out = np.empty((len(kernel), width, width))
    for i in range(width):
        for j in range(width):
            out[:, i, j] = (kernel * x[:, i : i + 3, j : j + 3]).sum(axis=(1, 2, 3)) + bias
    return out


@pytest.fixture(scope="module")
def shapes() -> Dataset:
    return constant_genes()


@pytest.fixture(scope="module")
def its_split(shapes) -> Split:
    return make_split(shapes)


def baseline(level: str, dataset: Dataset, split: Split, seed: int = 0, **given: Any) -> Baseline:
    cls = registry.level("scorer", level)
    small = {name: value for name, value in FAST.items() if name in cls.Settings.model_fields}
    settings = registry.parse("scorer", level, small | given)
    return cls(settings, *scorer_arguments(cls, dataset, split, np.random.default_rng(seed)))


@pytest.mark.parametrize("level", BASELINES)
class TestEveryBaseline(BaselineContract):
    pass


@pytest.mark.parametrize("level", UNSUPERVISED)
class TestEveryBaselineWithoutKnownEdges:
    def test_other_cells_give_what_a_fresh_method_gives(self, level, shapes, its_split):
        other = dataclasses.replace(shapes, expression=shapes.expression[:, ::2] * 2)
        candidates = every_pair(shapes)
        first = baseline(level, shapes, its_split)
        first.score(candidates[:3])
        assert np.array_equal(
            first.on(other.expression).score(candidates), baseline(level, other, its_split).score(candidates)
        )

    def test_known_edges_change_nothing(self, level, shapes, its_split):
        fewer = dataclasses.replace(its_split, train=its_split.train[:1], pool=its_split.pool[:1])
        candidates = every_pair(shapes)
        assert np.array_equal(*(baseline(level, shapes, exam).score(candidates) for exam in (its_split, fewer)))

    def test_constant_genes_score_zero(self, level, shapes, its_split):
        flat = np.flatnonzero(np.ptp(shapes.expression, axis=1) == 0)
        assert len(flat) == 3
        candidates = every_pair(shapes)
        assert not baseline(level, shapes, its_split).score(candidates[np.isin(candidates, flat).any(axis=1)]).any()


@pytest.mark.parametrize("level", LEARNING)
class TestEveryBaselineThatLearns:
    def test_training_positives_matter(self, level, shapes, its_split):
        fewer = dataclasses.replace(its_split, train=its_split.train[::2])
        candidates = its_split.test
        assert not np.array_equal(*(baseline(level, shapes, exam).score(candidates) for exam in (its_split, fewer)))

    def test_keeps_what_it_learnt_on_other_cells(self, level, shapes, its_split):
        scorer = baseline(level, shapes, its_split)
        here = scorer.score(its_split.test)
        shuffled = shapes.expression[:, np.random.default_rng(0).permutation(shapes.expression.shape[1])]
        np.testing.assert_allclose(scorer.on(shuffled).score(its_split.test), here, atol=1e-6)
        assert not np.allclose(scorer.on(shapes.expression[::-1].copy()).score(its_split.test), here)


class TestBaselinesByDefinition:
    @staticmethod
    def planted(values: np.ndarray, tfs: list[int]) -> tuple[Dataset, TrainingPairs]:
        """Wrap expression with a network that no baseline here may read."""
        edges = pairs(*((tf, gene) for tf in tfs for gene in range(len(values)) if gene != tf))
        genes = tuple(map(str, range(len(values))))
        dataset = Dataset("planted", genes, values.astype(np.float32), np.array(tfs), edges)
        return dataset, exam(len(values), edges[:1], edges[1:2])

    def test_pcc_is_the_absolute_correlation(self):
        values = np.array([[1, 2, 3, 4], [4, 3, 2, 1], [1, 0, 0, 1], [0, 0, 1, 5]])
        scorer = baseline("pcc", *self.planted(values, [0, 3]))
        candidates = pairs((0, 1), (0, 2), (0, 3), (3, 0), (3, 2), (1, 0))
        expected = [1.0, 0.0, np.corrcoef(values)[0, 3], np.corrcoef(values)[0, 3], np.corrcoef(values)[3, 2], 0.0]
        np.testing.assert_allclose(scorer.score(candidates), np.abs(expected), atol=1e-12)

    def test_mi_is_the_mutual_information_of_the_bins(self, dataset):
        values = np.where(dataset.expression < 0.7, 0.0, dataset.expression)
        scorer = baseline("mi", *self.planted(values, [0, 1, 2]), bins=5)
        bins = binned(values, 5)
        candidates = pairs(*((tf, gene) for tf in (0, 1, 2) for gene in range(40) if gene != tf))
        np.testing.assert_allclose(
            scorer.score(candidates), [mutual_info_score(bins[i], bins[j]) for i, j in candidates], atol=1e-9
        )

    def test_mi_cuts_bins_of_equal_frequency_and_keeps_zeros_together(self):
        full, half = np.arange(8)[::-1], np.array([0, 0, 0, 0, 5, 6, 7, 8])
        assert binned(np.stack([full, half]), 4).tolist() == [[3, 3, 2, 2, 1, 1, 0, 0], [0, 0, 0, 0, 2, 2, 3, 3]]

    def test_mi_sees_what_correlation_does_not(self):
        x = np.linspace(-1, 1, 200)
        noise = np.random.default_rng(0).standard_normal(200)
        planted = self.planted(np.stack([x, x**2, noise]), [0])
        curve, nothing = baseline("mi", *planted).score(pairs((0, 1), (0, 2)))
        assert curve > 3 * nothing
        assert baseline("pcc", *planted).score(pairs((0, 1)))[0] < 1e-6

    @pytest.mark.parametrize(
        ("level", "given"),
        [("genie3", {}), ("genie3", {"method": "extra_trees"}), ("grnboost2", {"learning_rate": 0.1})],
    )
    def test_trees_find_the_planted_regulator(self, level, given):
        rng = np.random.default_rng(0)
        tfs = rng.standard_normal((6, 150))
        targets = np.stack([np.tanh(tfs[k]) + 0.3 * rng.standard_normal(150) for k in range(6)])
        planted = self.planted(np.concatenate([tfs, targets]), list(range(6)))
        scores = baseline(level, *planted, **(given | {"trees": 60})).weights[:6, 6:]
        assert (scores.argmax(axis=0) == np.arange(6)).all()
        assert np.diag(scores).min() > 2 * scores[~np.eye(6, dtype=bool)].mean()

    @pytest.mark.parametrize("level", ["genie3", "grnboost2"])
    def test_trees_do_not_depend_on_the_threads_of_the_lane(self, level, shapes, its_split):
        alone = baseline(level, shapes, its_split).weights
        torch.set_num_threads(3)
        try:
            assert np.array_equal(baseline(level, shapes, its_split).weights, alone)
        finally:
            torch.set_num_threads(1)

    def test_genie3_shares_out_the_variance_of_the_target(self, dataset, split):
        total = baseline("genie3", dataset, split, trees=20).weights.sum(axis=0)
        assert ((total > 0.5) & (total < 1.3)).all()

    def test_grnboost2_sums_to_the_number_of_trees_and_stops_when_trees_no_longer_help(self):
        rng = np.random.default_rng(1)
        tfs = rng.standard_normal((4, 120))
        planted = self.planted(np.concatenate([tfs, tfs[:1] * 2, rng.standard_normal((1, 120))]), [0, 1, 2, 3])
        copied, alone = baseline("grnboost2", *planted, trees=400).weights.sum(axis=0)[4:]
        assert copied == pytest.approx(round(copied))
        assert 25 <= alone < 100 < copied

    def test_grnboost2_compares_the_same_cells_before_and_after_a_tree(self, dataset, split, monkeypatch):
        from components.scorer.known import trees as tree_ensembles

        seen = []

        class Watched(tree_ensembles._OutOfBag):
            def __call__(self, tree, model, state):
                guess = np.full(25, state["y"].mean())
                for (grown,) in model.estimators_[:tree]:
                    guess += 0.01 * grown.predict(state["X"])
                after = guess + 0.01 * model.estimators_[tree, 0].predict(state["X"])
                out = ~state["sample_mask"]
                stop = super().__call__(tree, model, state)
                error = [((state["y"] - p)[out] ** 2).mean() for p in (guess, after)]
                seen.append((self.improvements[-1], error[0] - error[1]))
                return stop

        monkeypatch.setattr(tree_ensembles, "_OutOfBag", Watched)
        tfs = np.ascontiguousarray(dataset.expression[:4].T)
        baseline("grnboost2", dataset, split, trees=10).importances(tfs, dataset.expression[5], seed=0)
        assert len(seen) == 10
        np.testing.assert_allclose(*zip(*seen, strict=True), atol=1e-9)

    def test_cnnc_reads_the_joint_histogram_on_a_log_scale(self):
        values = np.array([[0, 0, 1, 8], [0, 8, 8, 8.0]])
        (image,) = baseline("cnnc", *self.planted(values, [0]), bins=8).histograms(pairs((0, 1)))
        expected = np.zeros((8, 8))
        for place in ((0, 0), (0, 7), (1, 7), (7, 7)):
            expected[place] = (np.log10(0.25 + 1e-4) + 4) / 4
        np.testing.assert_allclose(image[0], expected, atol=1e-6)

    def test_cnnc_learns_what_edges_look_like(self):
        rng = np.random.default_rng(0)
        tfs = rng.gamma(2.0, 1.0, (30, 150))
        targets = np.repeat(tfs, 10, axis=0) + 0.3 * rng.standard_normal((300, 150))  # ten of each TF
        dataset, _ = self.planted(np.concatenate([tfs, targets]), list(range(30)))
        candidates = pairs(*((tf, gene) for tf in range(30) for gene in range(30, 330)))
        label = (candidates[:, 1] - 30) // 10 == candidates[:, 0]
        unseen = candidates[:, 1] % 2 == 0  # targets whose edges were never shown
        split = exam(330, candidates[label & ~unseen], candidates[~label & ~unseen])
        scores = baseline("cnnc", dataset, split, epochs=10, bins=8, dropout=0.1).score(candidates[unseen])
        assert evaluate(scores, label[unseen].astype(np.int64), candidates[unseen])["auroc"] > 0.8

    @pytest.mark.parametrize(("bins", "paddings"), [(22, (1,)), (22, (1, 0)), (20, (1, 1))])
    def test_cnnc_network_is_that_of_loops_over_pixels(self, shapes, its_split, bins, paddings):
        scorer = baseline("cnnc", shapes, its_split, bins=bins, convolutions=len(paddings), hidden=12)
        net, (pair, *_) = scorer.net, its_split.train
        weights = [w.detach().double().numpy() for w in net.parameters()]
        x = scorer.histograms(pair[None])[0].double().numpy()
        for _ in range(3):
            for padding in paddings:
                x = np.maximum(convolved(x, weights.pop(0), weights.pop(0), padding), 0.0)
            half = x.shape[1] // 2  # of an odd width the last row and column are left out
            x = x[:, : 2 * half, : 2 * half].reshape(len(x), half, 2, half, 2).max(axis=(2, 4))
        hidden = np.maximum(weights[0] @ x.ravel() + weights[1], 0.0)
        logit = weights[2] @ hidden + weights[3]
        np.testing.assert_allclose(scorer.score(pair[None]), 1 / (1 + np.exp(-logit)), rtol=1e-4)

    def test_deepsem_recovers_structural_equations(self):
        rng = np.random.default_rng(0)
        tfs = rng.standard_normal((8, 300))
        parents = rng.integers(8, size=32)
        targets = 0.9 * tfs[parents] + 0.4 * rng.standard_normal((32, 300))
        dataset, split = self.planted(np.concatenate([tfs, targets]), list(range(8)))
        scorer = baseline("deepsem", dataset, split, epochs=60, hidden=16, learning_rate=1e-2, alpha=1.0)
        candidates = pairs(*((tf, gene) for tf in range(8) for gene in range(8, 40)))
        labels = (parents[candidates[:, 1] - 8] == candidates[:, 0]).astype(np.int64)
        assert evaluate(scorer.score(candidates), labels, candidates)["auroc"] > 0.8
