"""Features of gene pairs from expression, with the graph of training edges and alone, and boosted trees over them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from component_cases import all_levels, dataset_of, fit, make_dataset, make_model, make_parts, make_split, same_state
from scipy.stats import spearmanr

from components.core import registry
from components.core.dataset import Dataset
from components.core.errors import KnockoutError
from components.core.exam import Split
from components.core.metrics import evaluate
from components.core.streams import Streams
from components.learning.exam_files import write_exam
from components.pairs.crossfit import BoostedTrees, CrossFitted
from components.pairs.dependence import mutual_information
from components.pairs.expression import SHARPNESS, ExpressionFeatures, ExpressionSettings
from components.pairs.graph import TrainingGraph
from components.pairs.lagged import LaggedFeatures
from components.tables.pseudotime import read_pseudotime
from knockout.testing import PairFeaturesContract
from search_spaces.arm import Choice
from search_spaces.presets import preset
from study.study_file.study import load_study
from study.train.fit import predict
from study.train.learner import view_of

OFF = dict.fromkeys(("correlation", "profile", "neighbours"), False)


def features(dataset: Dataset, edges: np.ndarray, pairs: np.ndarray, **settings: object) -> np.ndarray:
    block = ExpressionFeatures(ExpressionSettings(**{**OFF, **settings}), dataset.expression)
    return block(TrainingGraph(edges, dataset.n_genes), pairs)


@pytest.fixture
def candidates(dataset: Dataset) -> np.ndarray:
    return np.array([(i, j) for i in dataset.tfs[:4] for j in range(dataset.n_genes) if i != j])


class TestByDefinition:
    def test_correlations(self, dataset, candidates):
        values = dataset.expression
        pearson, spearman = np.corrcoef(values), spearmanr(values.T).statistic
        expected = np.column_stack([c[tuple(candidates.T)] for c in (pearson, spearman)])
        np.testing.assert_allclose(features(dataset, dataset.edges, candidates, correlation=True), expected, atol=1e-5)

    def test_mutual_information_of_a_tf_is_computed_once(self, dataset, candidates, monkeypatch):
        rows = []
        whole = mutual_information(dataset.expression, dataset.tfs, 10)

        def watched(expression, tfs, bins):
            rows.extend(tfs)
            return mutual_information(expression, tfs, bins)

        monkeypatch.setattr("components.pairs.expression.mutual_information", watched)
        block = ExpressionFeatures(ExpressionSettings(**OFF, information=True), dataset.expression)
        graph = TrainingGraph(dataset.edges, dataset.n_genes)
        for pairs in (candidates[:9], candidates, candidates[::-1]):
            expected = whole[np.searchsorted(dataset.tfs, pairs[:, 0]), pairs[:, 1]]
            np.testing.assert_allclose(block(graph, pairs)[:, 0], expected, rtol=1e-5)
        assert sorted(rows) == sorted(set(candidates[:, 0].tolist()))

    def test_profiles(self, dataset, candidates):
        values = np.where(dataset.expression < 0.5, 0, dataset.expression).astype(np.float32)
        profiles = features(dataclasses.replace(dataset, expression=values), dataset.edges, candidates, profile=True)
        of_gene = [[row.mean(), row.std(), np.mean(row == 0)] for row in values]
        np.testing.assert_allclose(profiles, [of_gene[i] + of_gene[j] for i, j in candidates], atol=1e-5)

    def test_votes_of_known_edges(self, dataset, candidates):
        """Written as loops: each gene but the pair's own votes by how alike its expression is."""
        alike = spearmanr(dataset.expression.T).statistic
        edges = {tuple(edge) for edge in dataset.edges}
        genes = range(dataset.n_genes)

        def share(weight, others, linked):
            return sum(weight[k] for k in others if linked(k)) / sum(weight[k] for k in others)

        expected = []
        for i, j in candidates:
            targets = [k for k in genes if k != j and (i, k) in edges]
            tfs = [k for k in genes if k != i and (k, j) in edges]
            out, into = sum((i, k) in edges for k in genes), sum((k, j) in edges for k in genes)
            row = [sum(alike[k, j] for k in targets) / max(out, 1), sum(alike[i, k] for k in tfs) / max(into, 1)]
            for sharpness in SHARPNESS:
                weight = np.exp(sharpness * (alike - 1))
                row.append(share(weight[:, j], [k for k in genes if k != j], lambda k, i=i: (i, k) in edges))
                row.append(share(weight[i], [k for k in genes if k != i], lambda k, j=j: (k, j) in edges))
            expected.append(row)
        votes = features(dataset, dataset.edges, candidates, neighbours=True)
        np.testing.assert_allclose(votes, expected, atol=1e-4)

    def test_principal_components_span_the_correlations(self, dataset, candidates):
        cells = dataset.expression.shape[1]
        components = features(dataset, dataset.edges, candidates, components=min(cells, dataset.n_genes))
        half = components.shape[1] // 2
        products = (components[:, :half] * components[:, half:]).sum(axis=1)
        np.testing.assert_allclose(products, np.corrcoef(dataset.expression)[tuple(candidates.T)], atol=1e-4)

    def test_a_gene_that_never_varies_is_like_no_other(self, dataset, candidates):
        values = dataset.expression.copy()
        values[candidates[0, 0]] = 1.0
        still = dataclasses.replace(dataset, expression=values)
        columns = features(
            still, dataset.edges, candidates, correlation=True, neighbours=True, components=3, information=True
        )
        assert np.isfinite(columns).all() and not columns[candidates[:, 0] == candidates[0, 0], :2].any()

    def test_lagged_correlation_finds_the_leading_gene(self):
        """A target follows its TF after three windows, in one lineage of two; pseudotime is in no order of the file."""
        rng = np.random.default_rng(0)
        signal = np.convolve(rng.standard_normal(60), np.ones(5), mode="same")
        late = np.r_[rng.standard_normal(3), signal[:-3]]
        windows = np.stack([signal, late, rng.standard_normal(60)])[:, :40]
        cells = np.repeat(windows, 5, axis=1) + 0.1 * rng.standard_normal((3, 200))
        expression = np.concatenate([cells, rng.standard_normal((3, 200))], axis=1).astype(np.float32)
        times = np.full((400, 2), np.nan, dtype=np.float32)
        times[:200, 0], times[200:, 1] = np.arange(200), rng.permutation(200)
        order = rng.permutation(400)
        block = LaggedFeatures(expression[:, order], times[order])
        pairs = np.array([[0, 1], [1, 0], [0, 2]])
        lagged = block(TrainingGraph(pairs[:1], 3), pairs)
        assert lagged[0, 0] > 0.95 and lagged[1, 1] == lagged[0, 0] and lagged[1, 0] == lagged[0, 1]
        assert np.abs(lagged[2]).max() < 0.85 and np.abs(lagged[0, 1]) < 0.9
        without = LaggedFeatures(expression[:, order], times[order][:, 1:])(TrainingGraph(pairs[:1], 3), pairs)
        assert abs(without[0, 0]) < 0.9, "noise in the lineage that is left"

    def test_cells_of_one_pseudotime_share_a_window_whatever_their_order(self, dataset, candidates):
        times = np.repeat([0.0, 12.0, 24.0, 48.0], 10)[: dataset.n_cells, None]
        order = np.random.default_rng(1).permutation(dataset.n_cells)
        graph = TrainingGraph(dataset.edges, dataset.n_genes)
        lagged = [
            LaggedFeatures(dataset.expression[:, by], times[by])(graph, candidates)
            for by in (np.arange(len(times)), order)
        ]
        np.testing.assert_allclose(*lagged, atol=1e-5)

    def test_order_of_genes_does_not_matter(self, dataset, candidates):
        order = np.random.default_rng(0).permutation(dataset.n_genes)
        moved = dataclasses.replace(dataset, expression=dataset.expression[np.argsort(order)])
        everything = {"correlation": True, "profile": True, "neighbours": True, "information": True, "components": 2}
        np.testing.assert_allclose(
            features(dataset, dataset.edges, candidates, **everything),
            features(moved, order[dataset.edges], order[candidates], **everything),
            atol=1e-4,
        )


def boosting(dataset: Dataset, split: Split, **settings: object):
    """Return a fitted model."""
    choice = Choice("scorer", "boosting", registry.parse("scorer", "boosting", settings))
    arm = preset("knockout-small").arm("mine").vary({"scorer": choice}, name="mine")
    view, streams = view_of(arm, dataset, split, Streams(dataset.digest, 0)), Streams(dataset.digest, 0)
    learner = choice.build()
    learner.fit(view, SimpleNamespace(streams=streams))
    return learner


def test_with_the_graph_alone_it_is_topology(dataset, split):
    learner = boosting(dataset, split, fits=10, trees=50, learning_rate=0.1, **OFF)
    topology = registry.level("scorer", "topology")(
        registry.parse("scorer", "topology"), split.training, Streams(dataset.digest, 0).numpy("negatives")
    )
    assert np.array_equal(learner.score(split.test), topology.score(split.test))


def test_no_feature_of_a_training_pair_is_read_from_a_graph_with_its_own_edge(dataset, split, monkeypatch):
    asked_of = []
    of = ExpressionFeatures.__call__

    def watched(self, graph, pairs):
        asked_of.append(graph.directed[tuple(pairs.T)].sum())
        return of(self, graph, pairs)

    monkeypatch.setattr(ExpressionFeatures, "__call__", watched)
    learner = boosting(dataset, split, fits=2)
    assert len(asked_of) == 2 * learner.settings.folds and not any(asked_of)


def test_a_single_tf_of_training_leaves_an_empty_graph_and_no_crash():
    """Its pairs are all of one fold: they have no features of the graph, and nothing fails."""
    edges = np.array([[tf, 3 + (tf + 3 * n) % 40] for tf in range(3) for n in range(12)])
    dataset = dataclasses.replace(make_dataset(3, genes=44, tfs=3, edges=3), edges=edges, tfs=np.arange(3))
    split = make_split(dataset, "unseen_tf", validation=0.3)
    assert len(np.unique(split.train[:, 0])) == 1
    assert np.isfinite(boosting(dataset, split, trees=3).score(split.test)).all()
    fit(dataset, split, make_parts(pair_features=("boosting", {"trees": 3})))


@pytest.mark.parametrize(("exam", "gene"), [("unseen_tf", 0), ("unseen_target", 1)])
def test_where_the_test_asks_for_unseen_genes_training_pairs_are_read_as_if_theirs_were(
    exam, gene, dataset, monkeypatch
):
    split, asked_of = make_split(dataset, exam), []
    of = CrossFitted._features

    def watched(self, graph, pairs):
        asked_of.append((graph.out_degree, graph.in_degree)[gene][pairs[:, gene]].sum())
        return of(self, graph, pairs)

    monkeypatch.setattr(CrossFitted, "_features", watched)
    learner = boosting(dataset, split)
    fit(dataset, split, make_parts(pair_features="topology"))
    assert len(asked_of) > learner.settings.folds and not any(asked_of)


def test_it_needs_a_feature(dataset, split):
    with pytest.raises(KnockoutError, match="no feature to read: switch one of graph, correlation"):
        boosting(dataset, split, graph=False, **OFF)


def test_expression_predicts_what_the_graph_cannot():
    """Targets of a TF are expressed alike, and the test asks for targets that no training edge has."""
    rng = np.random.default_rng(0)
    genes, tfs, groups = 200, 20, 4
    group = np.arange(genes) % groups
    edges = np.argwhere((group[:tfs, None] == group[None, :]) & (rng.random((tfs, genes)) < 0.5))
    edges = edges[edges[:, 0] != edges[:, 1]]
    programs = rng.standard_normal((groups, 60))
    values = np.maximum(programs[group] + rng.standard_normal((genes, 60)), 0).astype(np.float32)
    dataset = dataclasses.replace(dataset_of(edges, np.arange(tfs), genes), expression=values)
    exam = make_split(dataset, "unseen_target")
    reached = {}
    for expression in ("true", "permuted", "noise"):
        learner = boosting(dataset, exam, expression=expression)
        reached[expression] = evaluate(learner.score(exam.test), exam.test_labels, exam.test)["within_tf_auroc"]
    learner = boosting(dataset, exam, **OFF)
    reached["graph"] = evaluate(learner.score(exam.test), exam.test_labels, exam.test)["within_tf_auroc"]
    assert reached["true"] > 0.9
    assert max(reached["permuted"], reached["noise"], reached["graph"]) < 0.7


def test_pseudotime_changes_what_is_learned_where_there_is_one(dataset, split):
    times = np.arange(dataset.n_cells, dtype=np.float32)[:, None]
    timed = dataclasses.replace(dataset, pseudotime=times)
    assert timed.digest != dataset.digest == dataclasses.replace(timed, pseudotime=None).digest
    timed.__dict__["digest"] = dataset.digest  # the same random streams
    plain = boosting(dataset, split).score(split.test)
    assert np.array_equal(boosting(dataset, split, lagged=True).score(split.test), plain)
    assert np.array_equal(boosting(timed, split).score(split.test), plain)
    assert not np.array_equal(boosting(timed, split, lagged=True).score(split.test), plain)


def test_a_program_is_handed_the_pseudotime_that_there_is(dataset, split, tmp_path):
    times = np.where(np.arange(dataset.n_cells) % 3, np.arange(dataset.n_cells) / 7, np.nan)[:, None]
    for name, each in (("timed", dataclasses.replace(dataset, pseudotime=times)), ("plain", dataset)):
        view = view_of(preset("boosting").arm("mine"), each, split, Streams(dataset.digest, 0))
        write_exam(view, split.test, tmp_path / name)
        assert (tmp_path / name / "PseudoTime.csv").exists() == (name == "timed")
    cells = [f"cell{number}" for number in range(dataset.n_cells)]
    np.testing.assert_array_equal(read_pseudotime(tmp_path / "timed" / "PseudoTime.csv", cells), times)


@pytest.mark.parametrize("exam", ["all_non_targets", "unseen_target"])
def test_labels_of_held_out_pairs_change_no_score(exam):
    dataset = make_dataset(1)
    split = make_split(dataset, exam)
    blind = dataclasses.replace(split, test_labels=1 - split.test_labels, validation_labels=1 - split.validation_labels)
    one, other = (boosting(dataset, each).score(split.test) for each in (split, blind))
    assert np.array_equal(one, other)


LEVELS = [level for _, level in all_levels("pair_features")]


@pytest.mark.parametrize("level", LEVELS)
class TestEveryLevel(PairFeaturesContract):
    pass


class TestInsideAModel:
    @pytest.mark.parametrize("others", [{}, {"gnn": "none"}, {"fusion": "late"}, {"fusion": "early"}])
    def test_it_changes_what_is_learned(self, dataset, split, others):
        plain, with_features = (
            fit(dataset, split, make_parts(**others, pair_features=level)) for level in ("none", "topology")
        )
        assert not np.array_equal(predict(plain, split.test), predict(with_features, split.test))

    def test_weights_of_other_parts_begin_as_they_are_without(self, dataset, split):
        plain, with_features = (
            make_model(dataset, make_parts(pair_features=level), split=split) for level in ("none", "topology")
        )
        for part in ("bucketing", "gnn", "pair_encoder"):
            assert same_state(getattr(plain, part), getattr(with_features, part))

    def test_features_of_every_candidate_of_training_come_from_a_graph_without_it(self, dataset, split, monkeypatch):
        told_of = []
        of = CrossFitted._features

        def watched(self, graph, pairs):
            told_of.append((graph.directed[tuple(pairs.T)].sum(), len(pairs)))
            return of(self, graph, pairs)

        monkeypatch.setattr(CrossFitted, "_features", watched)
        fit(dataset, split, make_parts(pair_features="both"))
        assert not any(edges for edges, _ in told_of)
        assert sum(n for _, n in told_of[:5]) == len(split.train) + len(split.pool)

    def test_log_odds_of_a_training_pair_are_of_trees_not_fitted_on_it(self, dataset, split, monkeypatch):
        overlaps = []
        init, score = BoostedTrees.__init__, BoostedTrees.score

        def watched(self, settings, training, *more):
            self.saw = {tuple(pair) for pair in np.concatenate([training.train, training.pool])}
            init(self, settings, training, *more)

        def watched_score(self, pairs):
            overlaps.append(len(self.saw & {tuple(pair) for pair in pairs}))
            return score(self, pairs)

        monkeypatch.setattr(BoostedTrees, "__init__", watched)
        monkeypatch.setattr(BoostedTrees, "score", watched_score)
        fit(dataset, split, make_parts(pair_features=("boosting", {"trees": 5})))
        assert len(overlaps) >= 6 and not any(overlaps)

    def test_an_arm_without_pair_features_keeps_its_digest(self):
        arm = preset("knockout-small").arm("mine")
        assert arm.choices["pair_features"].level == "none" and "pair_features" not in arm.canonical
        with_features = arm.vary(
            {"pair_features": Choice("pair_features", "both", registry.parse("pair_features", "both"))}
        )
        assert with_features.digest != arm.digest and with_features.name == "pair_features=both"

    def test_where_no_pair_is_encoded_it_cannot_act(self):
        assert "pair_features" in registry.silenced_by("fusion", "expert")
        assert "pair_features" in registry.silenced_by("scorer", "degree")


def test_the_study_of_what_expression_is_worth_asks_for_the_arm_of_the_preset(tmp_path):
    """The preset is the arm of the study, written out there; its exams are none of the search, half of its sets new."""
    folder = Path(__file__).parents[2] / "examples" / "what-expression-is-worth"
    names = ("proof.yaml", "search.yaml", "crossing.yaml")
    proof, search, crossing = (load_study(folder / name, data=tmp_path) for name in names)
    with_expression = next(arm for arm in proof.arms if arm.name == "with expression")
    assert with_expression.digest == preset("boosting").arm("mine").digest
    new = {spec.path for spec in proof.datasets} - {spec.path for spec in search.datasets}
    assert len(new) == 7 == len(proof.datasets) // 2
    assert search.search.confirm + search.first_repeat + search.repeats <= proof.first_repeat
    assert len(crossing.arms) == 2**3 + 2 and crossing.first_repeat == proof.first_repeat
