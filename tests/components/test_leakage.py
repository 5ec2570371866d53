"""No validation or test edge may reach the model: every result rests on it."""

from __future__ import annotations

import dataclasses
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from component_cases import (
    all_levels,
    dataset_of,
    fit,
    keys,
    make_dataset,
    make_model,
    make_parts,
    make_split,
    same_state,
)
from hypothesis import given
from hypothesis import strategies as st

from components.core import registry
from components.core.budget import Budget
from components.core.dataset import Dataset
from components.core.errors import KnockoutError
from components.core.exam import Split, TrainingPairs
from components.core.metrics import evaluate
from components.gnn import GraphEmbedding
from study.train.fit import predict

GRAPHS = [level for _, level in all_levels("gnn") if getattr(registry.level("gnn", level), "passes_messages", True)]
SPLITS = [level for _, level in all_levels("split")]
EVERY_GRAPH_AND_SPLIT = [("gcn", level) for level in SPLITS] + [(gnn, "per_tf") for gnn in GRAPHS if gnn != "gcn"]
NO_CHOICE = Budget(epochs=1, batch_size=32, graph_epochs=1, graph_batch_size=32)


@dataclasses.dataclass
class Passes:
    """Input edges of the global branch, pass by pass, and the pairs scored in each pass."""

    edges: list[np.ndarray]
    pairs: list[torch.Tensor]
    training: list[bool]


@pytest.fixture
def watch(monkeypatch):
    def on(model) -> Passes:
        passes = Passes([], [], [])
        original = GraphEmbedding.expert_score

        def note_pairs(self, pairs):
            passes.pairs.append(pairs)
            return original(self, pairs)

        def note_edges(module, args, output):
            passes.edges.append(args[1].edges.t().numpy())
            passes.training.append(module.training)

        monkeypatch.setattr(GraphEmbedding, "expert_score", note_pairs)
        model.gnn.register_forward_hook(note_edges)
        return passes

    return on


def closure(positives: np.ndarray, n: int) -> set[int]:
    """Return training positives in either direction: all edges that a graph may have."""
    return keys(positives, n) | keys(positives[:, ::-1], n)


def held_out_positives(split: Split) -> np.ndarray:
    parts = ((split.validation, split.validation_labels), (split.test, split.test_labels))
    return np.concatenate([pairs[labels == 1] for pairs, labels in parts])


def rewired(pairs: np.ndarray, labels: np.ndarray, dataset: Dataset, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Put other pairs in the place of a held-out part, half of them called edges."""
    rng = np.random.default_rng(seed)
    tfs, targets = rng.choice(dataset.tfs, len(pairs)), rng.integers(0, dataset.n_genes, len(pairs))
    return np.stack([tfs, targets], axis=1), rng.permutation(np.arange(len(labels)) % 2)


class TestVisibleGraph:
    @pytest.mark.parametrize("hide_batch", [False, True])
    @pytest.mark.parametrize(("gnn", "level"), EVERY_GRAPH_AND_SPLIT)
    def test_shows_training_positives_alone(self, gnn, hide_batch, level, dataset, watch):
        split = make_split(dataset, level)
        parts = make_parts(gnn=(gnn, {"hide_batch": hide_batch}))
        model = make_model(dataset, parts)
        passes = watch(model)
        predict(fit(dataset, split, parts, model=model), split.test)
        allowed = closure(split.train, split.n_genes)
        assert passes.edges
        assert all(keys(edges, split.n_genes) <= allowed for edges in passes.edges)
        assert all(
            keys(e, split.n_genes) == allowed for e, on in zip(passes.edges, passes.training, strict=True) if not on
        )

    def test_held_out_edge_is_linked_only_through_its_trained_reverse(self, dataset, split, watch):
        parts = make_parts()
        model = make_model(dataset, parts)
        passes = watch(model)
        predict(fit(dataset, split, parts, model=model), split.test)
        linked = set().union(*(keys(edges, split.n_genes) for edges in passes.edges))
        train = set(map(tuple, split.train.tolist()))
        for i, j in held_out_positives(split).tolist():
            visible = bool(linked & keys(np.array([[i, j], [j, i]]), split.n_genes))
            assert visible is ((j, i) in train)

    def test_no_held_out_edge_is_linked_when_directions_stay_together(self, dataset, watch):
        split = make_split(dataset, reciprocal="together")
        parts = make_parts()
        model = make_model(dataset, parts)
        passes = watch(model)
        predict(fit(dataset, split, parts, model=model), split.test)
        linked = set().union(*(keys(edges, split.n_genes) for edges in passes.edges))
        assert not linked & closure(held_out_positives(split), split.n_genes)


class TestHiddenBatch:
    @pytest.mark.parametrize("gnn", GRAPHS)
    def test_positives_of_a_batch_are_not_in_its_graph(self, gnn, dataset, split, watch):
        parts = make_parts(gnn=(gnn, {"hide_batch": True}))
        model = make_model(dataset, parts)
        passes = watch(model)
        fit(dataset, split, parts, model=model)
        train, n, checked = set(map(tuple, split.train.tolist())), split.n_genes, 0
        for edges, pairs, on in zip(passes.edges, passes.pairs, passes.training, strict=True):
            batch = {p for p in map(tuple, pairs.tolist()) if p in train} if on else set()
            visible = train - batch
            if on:
                assert keys(edges, n) == closure(np.array(sorted(visible)), n)
            for i, j in batch:
                linked = bool(keys(edges, n) & keys(np.array([[i, j]]), n))
                assert linked is ((j, i) in visible)  # only a reverse edge that is known may link them
                checked += 1
        assert checked == len(train) * 5  # two epochs of the graph stage, three of the joint stage

    def test_without_hiding_the_graph_is_whole(self, dataset, split, watch):
        parts = make_parts()
        model = make_model(dataset, parts)
        passes = watch(model)
        fit(dataset, split, parts, model=model)
        assert all(keys(e, split.n_genes) == closure(split.train, split.n_genes) for e in passes.edges)

    def test_hiding_changes_what_is_learnt(self, dataset, split):
        plain, hidden = (fit(dataset, split, make_parts(gnn=("gcn", {"hide_batch": h}))).model for h in (False, True))
        assert not same_state(plain, hidden)


class TestRewiring:
    @pytest.mark.parametrize("gnn", [*GRAPHS, "none"])
    def test_other_test_pairs_leave_every_bit_of_the_model(self, gnn, dataset, split):
        pairs, labels = rewired(split.test, split.test_labels, dataset, 1)
        other = dataclasses.replace(split, test=pairs, test_labels=labels)
        one, two = (fit(dataset, s, make_parts(gnn=gnn)) for s in (split, other))
        assert same_state(one.model, two.model)
        assert one.curves == two.curves
        assert one.best_epoch == two.best_epoch
        assert np.array_equal(predict(one, split.test), predict(two, split.test))

    def test_other_validation_pairs_act_through_the_choice_of_epoch_alone(self, dataset, split):
        pairs, labels = rewired(split.validation, split.validation_labels, dataset, 1)
        other = dataclasses.replace(split, validation=pairs, validation_labels=labels)
        one, two = (fit(dataset, s, budget=NO_CHOICE) for s in (split, other))
        assert same_state(one.model, two.model)
        assert one.curves["joint_loss"] == two.curves["joint_loss"]

    def test_other_edges_of_the_data_set_cannot_pass_beside_the_split(self, dataset, split):
        train = set(map(tuple, split.train.tolist()))
        training_edges = np.array([edge for edge in dataset.edges.tolist() if tuple(edge) in train])
        elsewhere = dataclasses.replace(dataset, edges=training_edges)
        one, two = (make_model(d, make_parts()) for d in (dataset, elsewhere))
        two.load_state_dict(one.state_dict())
        trained = [fit(dataset, split, model=m) for m in (one, two)]
        assert same_state(trained[0].model, trained[1].model)

    def test_one_more_training_positive_does_change_the_model(self, dataset, split):
        more = dataclasses.replace(split, train=np.concatenate([split.train, split.test[:1]]))
        assert not same_state(fit(dataset, split).model, fit(dataset, more).model)


class TestScoring:
    def test_score_of_a_pair_does_not_depend_on_the_others(self, dataset, split):
        trained = fit(dataset, split)
        whole = predict(trained, split.test)
        np.testing.assert_allclose(predict(trained, split.test[:7]), whole[:7], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(predict(trained, split.test[::-1])[::-1], whole, rtol=1e-4, atol=1e-5)

    def test_predicting_leaves_the_model_as_it_was(self, dataset, split):
        trained = fit(dataset, split)
        before = {k: v.clone() for k, v in trained.model.state_dict().items()}
        predict(trained, split.test)
        assert all(torch.equal(before[k], v) for k, v in trained.model.state_dict().items())


def test_network_without_signal_is_not_learnt():
    """End to end: labels drawn at random over random expression leave held-out pairs at chance within TFs."""
    aurocs = []
    for seed in range(4):
        dataset = make_dataset(seed, genes=60, tfs=12, edges=150)
        split = make_split(dataset, reciprocal="together", seed=seed)
        trained = fit(dataset, split, budget=Budget(epochs=8, batch_size=64, graph_epochs=4))
        aurocs.append(evaluate(predict(trained, split.test), split.test_labels, split.test)["within_tf_auroc"])
    assert abs(np.mean(aurocs) - 0.5) < 0.12, aurocs


@pytest.mark.parametrize("level", [level for level in SPLITS if level != "per_tf_as_published"])
def test_what_is_left_out_of_the_pool_leaks_no_label(level):
    """The pool lacks all held-out pairs, positive or not: on random networks degrees and identities stay at chance."""
    reached = {"degree": [], "identity": []}
    for seed in range(8):
        rng, tfs = np.random.default_rng(seed), np.arange(12)
        # where targets are held out whole, a fixed out-degree would leak the rest of it
        degrees = rng.binomial(59, 0.2, 12) if level == "unseen_target" else [12] * 12
        targets = [rng.choice(np.setdiff1d(np.arange(60), tf), degrees[tf], replace=False) for tf in tfs]
        edges = np.array([(tf, target) for tf in tfs for target in targets[tf]])
        split = make_split(dataset_of(edges, tfs, 60), level, seed=seed)
        for rule, aurocs in reached.items():
            scorer = registry.level("scorer", rule)(registry.parse("scorer", rule), split, rng)
            aurocs.append(evaluate(scorer.score(split.test), split.test_labels, split.test)["auroc"])
    means = {rule: np.mean(aurocs) for rule, aurocs in reached.items()}
    assert all(abs(mean - 0.5) < 0.05 for mean in means.values()), means


@given(st.integers(2, 12), st.integers(0, 2**32 - 1), st.integers(0, 20))
def test_a_draw_is_accepted_only_if_every_pair_is_in_the_pool(n_genes: int, seed: int, n: int):
    rng = np.random.default_rng(seed)
    in_pool = rng.random((n_genes, n_genes)) < rng.choice([0.0, 0.3, 1.0])
    training = TrainingPairs(n_genes=n_genes, train=np.zeros((0, 2), dtype=np.int64), pool=np.argwhere(in_pool))
    drawn = rng.integers(-2, n_genes + 2, (n, 2))
    inside = [0 <= tf < n_genes and 0 <= gene < n_genes and in_pool[tf, gene] for tf, gene in drawn]
    refusal = f"drew {inside.count(False)} of {n} pairs" if n else "drew no pair beside 0 training positives"
    with nullcontext() if n and all(inside) else pytest.raises(KnockoutError, match=refusal):
        training.check_drawn(drawn)


@pytest.mark.parametrize(
    "drawn", [[(0, 1)], np.zeros(2, dtype=int), np.zeros((2, 3), dtype=int), np.zeros((2, 2)), None]
)
def test_a_draw_of_anything_but_pairs_is_refused(drawn: Any):
    training = TrainingPairs(n_genes=2, train=np.array([[0, 1]]), pool=np.array([[1, 0]]))
    with pytest.raises(KnockoutError, match=r"draws an array of integers \[negatives, 2\]"):
        training.check_drawn(drawn)


def test_parts_see_the_training_part_alone_and_cannot_write_into_it():
    training = make_split(make_dataset()).training
    assert not [name for name in ("validation", "validation_labels", "test", "test_labels") if hasattr(training, name)]
    for pairs in (training.train, training.pool):
        with pytest.raises(ValueError, match="read-only"):
            pairs[0] = 0
