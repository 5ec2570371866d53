from __future__ import annotations

import copy
from functools import cache

import numpy as np
import pytest
import torch
from component_cases import BUDGET, dataset_of, fit, make_model, make_parts, make_split, same_state

from components.core import registry
from components.core.budget import Budget
from components.core.metrics import METRICS, evaluate
from components.learning.loop import DivergedError
from study.train.fit import encode, predict


@pytest.fixture
def script(monkeypatch):
    """Set the validation scores, one value per epoch."""

    def write(*values: float) -> None:
        left = list(values)
        monkeypatch.setitem(METRICS, "auroc", lambda *_: left.pop(0))

    return write


class Recorded:
    """An optimiser that keeps its fitters, to look at their rates."""

    def __init__(self, optimizer) -> None:
        self.optimizer, self.fitters = optimizer, {}

    def joint(self, parameters):
        self.fitters["joint"] = self.optimizer.joint(parameters)
        return self.fitters["joint"]

    def graph(self, parameters):
        self.fitters["graph"] = self.optimizer.graph(parameters)
        return self.fitters["graph"]


class TestStages:
    def test_graph_is_trained_first_then_all(self, dataset, split):
        curves = fit(dataset, split).curves
        assert list(curves) == [
            "graph_loss",
            "graph_validation_auroc",
            "joint_loss",
            "joint_validation_auroc",
        ]
        assert [len(values) for values in curves.values()] == [2, 2, 3, 3]
        assert np.isfinite(list(curves["joint_loss"])).all()

    @pytest.mark.parametrize(
        ("levels", "graph_epochs"), [({"gnn": "none"}, 2), ({"gnn": "gcn"}, 0)], ids=["no graph", "no epochs"]
    )
    def test_pretraining_may_be_left_out(self, levels, graph_epochs, dataset, split):
        budget = BUDGET.model_copy(update={"graph_epochs": graph_epochs})
        assert "graph_loss" not in fit(dataset, split, make_parts(**levels), budget).curves

    def test_pretraining_moves_the_graph_and_the_joint_stage_moves_all(self, dataset, split):
        parts = make_parts(optimizer=("adam", {"learning_rate": 1e-7}))
        model = make_model(dataset, parts)
        before = copy.deepcopy(model)
        fit(dataset, split, parts, BUDGET.model_copy(update={"epochs": 1}), model=model)

        def moved(part: str) -> float:
            pairs = zip(getattr(before, part).parameters(), getattr(model, part).parameters(), strict=True)
            return max((a - b).abs().max().item() for a, b in pairs)

        assert moved("gnn") > 1e-3
        assert 0 < moved("pair_encoder") < 1e-5
        assert 0 < moved("fusion") < 1e-5

    def test_loss_falls(self, dataset, split):
        budget = Budget(epochs=25, patience=25, batch_size=32, graph_epochs=10, graph_patience=10)
        curves = fit(dataset, split, budget=budget).curves
        assert curves["graph_loss"][-1] < curves["graph_loss"][0]
        assert curves["joint_loss"][-1] < 0.9 * curves["joint_loss"][0]


class TestChoiceOfEpoch:
    def test_best_epoch_is_restored(self, dataset, split, script):
        parts = make_parts(gnn="none")
        budget = BUDGET.model_copy(update={"epochs": 4})
        script(0.5, 0.9, 0.6, 0.7)
        best = fit(dataset, split, parts, budget)
        script(0.5, 0.9)
        stopped_there = fit(dataset, split, parts, budget.model_copy(update={"epochs": 2}))
        assert best.best_epoch == 2
        assert same_state(best.model, stopped_there.model)

    def test_best_epoch_of_the_graph_stage_is_restored_too(self, dataset, split, script):
        budget = BUDGET.model_copy(update={"epochs": 1, "graph_epochs": 3})
        script(0.9, 0.6, 0.7, 0.5)
        best = fit(dataset, split, budget=budget)
        script(0.9, 0.5)
        assert same_state(best.model, fit(dataset, split, budget=budget.model_copy(update={"graph_epochs": 1})).model)

    def test_first_of_equals_is_kept(self, dataset, split, script):
        script(0.7, 0.7, 0.7)
        assert fit(dataset, split, make_parts(gnn="none")).best_epoch == 1

    def test_stops_when_patience_is_spent(self, dataset, split, script):
        script(0.5, 0.8, 0.7, 0.8, 0.99)
        budget = Budget(epochs=50, patience=2, batch_size=32)
        trained = fit(dataset, split, make_parts(gnn="none"), budget)
        assert trained.curves["joint_validation_auroc"] == [0.5, 0.8, 0.7, 0.8]
        assert trained.best_epoch == 2

    def test_metric_of_the_choice_can_be_named(self, dataset, split):
        curves = fit(dataset, split, budget=BUDGET.model_copy(update={"choose_by": "auprc"})).curves
        assert len(curves["joint_validation_auprc"]) == 3

    def test_curve_shows_the_true_validation_score(self, dataset, split):
        budget = BUDGET.model_copy(update={"epochs": 1})
        trained = fit(dataset, split, budget=budget)
        scores = predict(trained, split.validation)
        expected = evaluate(scores, split.validation_labels, split.validation)["auroc"]
        assert trained.curves["joint_validation_auroc"] == [pytest.approx(expected)]


class TestDivergence:
    @pytest.mark.parametrize(("part", "stage"), [("gnn", "graph"), ("pair_encoder", "joint"), ("fusion", "joint")])
    def test_loss_that_is_no_number_is_reported_with_its_stage(self, part, stage, dataset, split):
        model = make_model(dataset, make_parts())
        with torch.no_grad():
            next(getattr(model, part).parameters()).fill_(float("nan"))
        with pytest.raises(DivergedError, match=f"the {stage} loss became nan"):
            fit(dataset, split, model=model)

    def test_a_loss_that_is_no_number_in_one_batch_is_not_averaged_away(self, dataset, split):
        parts, calls = make_parts(gnn="none"), []
        model = make_model(dataset, parts)

        def spoil(z, labels):
            calls.append(1)
            return z.sum() * 0.0 + (float("inf") if len(calls) == 2 else 0.0)

        model.contrast.forward = spoil
        with pytest.raises(DivergedError, match="the joint loss became"):
            fit(dataset, split, parts, model=model)
        assert len(calls) == -(-2 * len(split.train) // BUDGET.batch_size)  # reported at the end of the first epoch

    def test_scores_that_are_no_numbers_are_reported(self, dataset, split):
        model = make_model(dataset, make_parts(gnn="none"))
        next(m for m in model.fusion.modules() if isinstance(m, torch.nn.BatchNorm1d)).running_var.fill_(float("inf"))
        next(m for m in model.fusion.modules() if isinstance(m, torch.nn.BatchNorm1d)).running_mean.fill_(float("inf"))
        with pytest.raises(DivergedError, match="the joint scores became NaN"):
            fit(dataset, split, make_parts(gnn="none"), model=model)


def test_a_pass_encodes_every_gene_once(dataset, split, monkeypatch):
    monkeypatch.setattr("components.learning.loop.CHUNK", 7)
    model, looked = make_model(dataset, make_parts()), []
    encode_all = model.encode
    monkeypatch.setattr(model, "encode", lambda edges: looked.append(model.training) or encode_all(edges))
    trained = fit(dataset, split, model=model)
    assert looked.count(False) == len(trained.curves["joint_loss"])  # one for each validation
    looked.clear()
    embeddings = encode(trained)
    np.testing.assert_array_equal(predict(trained, split.test, embeddings), predict(trained, split.test))
    assert looked == [False, False]


def test_rate_follows_the_step_schedule_by_epoch(dataset, split):
    parts = make_parts(optimizer=("adam", {"gamma": 0.1, "step_size": 2, "learning_rate": 1e-2}))
    recorded = Recorded(parts.build("optimizer"))
    fit(dataset, split, parts, BUDGET.model_copy(update={"epochs": 5}), optimizer=recorded)
    assert recorded.fitters["joint"].optimizer.param_groups[0]["lr"] == pytest.approx(1e-2 * 0.1**2)
    assert recorded.fitters["graph"].optimizer.param_groups[0]["lr"] == pytest.approx(3e-3 * 0.1)


def test_last_batch_of_one_pair_is_not_left_alone(dataset, split):
    n = len(split.train) + len(
        make_parts().build("negatives", split, dataset.expression).draw(np.random.default_rng(0))
    )
    size = next(size for size in range(8, n) if n % size == 1)
    budget = BUDGET.model_copy(update={"batch_size": size, "graph_batch_size": size})
    assert np.isfinite(fit(dataset, split, budget=budget).curves["joint_loss"]).all()


def test_every_pair_is_scored_whatever_the_chunk(dataset, split, monkeypatch):
    trained = fit(dataset, split)
    whole = predict(trained, split.test)
    monkeypatch.setattr("components.learning.loop.CHUNK", 7)
    np.testing.assert_allclose(predict(trained, split.test), whole, rtol=1e-4, atol=1e-5)


def planted(seed: int, signal: bool) -> tuple:
    """Return a network in which a TF regulates the genes that share its module, and thus its expression."""
    rng = np.random.default_rng(seed)
    genes, cells, modules = 72, 30, 3
    module = np.arange(genes) % modules
    tfs = np.arange(12)
    edges = np.array([(i, j) for i in tfs for j in range(genes) if i != j and module[i] == module[j]])
    edges = edges[rng.random(len(edges)) < 0.7]
    profile = rng.standard_normal((modules, cells))[module] if signal else 0.0
    return dataset_of(edges, tfs, genes, profile + 0.7 * rng.standard_normal((genes, cells)))


@pytest.mark.parametrize("pair_encoder", ["mlp", pytest.param("transformer", marks=pytest.mark.slow)])
def test_planted_signal_is_learnt_from_expression(pair_encoder):
    """Without a graph, expression separates held-out pairs; without signal in it, much less so."""
    reached = {}
    for signal in (True, False):
        dataset = planted(0, signal)
        split = make_split(dataset)
        parts = make_parts(gnn="none", pair_encoder=pair_encoder, optimizer=("adam", {"learning_rate": 3e-3}))
        trained = fit(dataset, split, parts, Budget(epochs=25, patience=25, batch_size=64))
        reached[signal] = evaluate(predict(trained, split.test), split.test_labels, split.test)["auroc"]
    assert reached[True] > 0.85
    assert reached[True] > reached[False] + 0.15


GRAPHS = [gnn for gnn in registry.levels("gnn") if registry.level("gnn", gnn).passes_messages]


@pytest.fixture(scope="module")
def reached_by():
    """Train on communities that the graph shows and expression does not; return the AUROC of a graph branch."""
    dataset = planted(0, signal=False)
    split = make_split(dataset, validation="matched")
    budget = Budget(epochs=15, patience=15, batch_size=64, graph_epochs=15, graph_patience=15)

    @cache
    def auroc(gnn: str) -> float:
        parts = make_parts(gnn=(gnn, {"widths": (32, 16), "expert_widths": (16, 8)}), fusion="late")
        scores = predict(fit(dataset, split, parts, budget), split.test)
        return evaluate(scores, split.test_labels, split.test)["auroc"]

    return auroc


@pytest.mark.parametrize("gnn", [g if g == "gcn" else pytest.param(g, marks=pytest.mark.slow) for g in GRAPHS])
def test_graph_learns_communities_that_expression_does_not_show(gnn, reached_by):
    assert reached_by(gnn) > 0.65
    assert reached_by(gnn) > reached_by("mlp") + 0.1
