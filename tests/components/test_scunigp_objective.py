"""scUniGP's prediction, objective and training stages, against Algorithm 1 in plain Python."""

from __future__ import annotations

import math
from copy import deepcopy

import numpy as np
import pytest
import torch
from component_cases import dataset_of, fit, make_parts
from scunigp_reference import (
    EDGES,
    FUSIONS,
    NEGATIVES,
    PAIRS,
    X,
    algorithm_1,
    graph_of,
    loss_of,
    shaken,
    sigmoid,
    slow_classifier,
    slow_expert,
    slow_graph,
    slow_pair,
    standardised,
)

from components.core.budget import Budget
from components.core.exam import Split
from components.core.streams import Streams
from components.model import GRNModel
from study.train.fit import predict


def toy_parts(level: str = "multiscale", gnn: str = "gat", expert: str = "shared", **others):
    graph = {"widths": (4, 3), "expert_widths": (4, 3), "expert": expert, "dropout": 0.0, "self_loops": False}
    return make_parts(
        gnn=(gnn, graph),
        pair_encoder=("transformer", {"dim": 8, "layers": 2, "dropout": 0.0}),
        fusion=(level, {"dropout": 0.0}),
        negatives="all",
        **others,
    )


def toy_model(parts) -> GRNModel:
    return GRNModel(parts, torch.tensor(X, dtype=torch.float64), Streams("toy", 0))


TOY = dataset_of(np.array(EDGES), np.arange(3), 4, np.array(X))
EXAM = Split(
    n_genes=4,
    train=np.array(EDGES),
    validation=np.array([(2, 0), (0, 3)]),
    validation_labels=np.array([1, 0]),
    test=np.array(PAIRS),
    test_labels=np.array([1, 0, 0, 0]),
    pool=np.array(NEGATIVES),
)
LABELS = [1] * len(EDGES) + [0] * len(NEGATIVES)
ONCE = Budget(epochs=1, batch_size=8, graph_epochs=1, graph_batch_size=8)


class Watched:
    """An optimiser that notes which weights each stage is given, and the model when it is."""

    def __init__(self, optimizer, model: GRNModel) -> None:
        self.optimizer, self.model, self.stages = optimizer, model, []

    def note(self, stage: str, parameters):
        parameters = list(parameters)
        self.stages.append((stage, {id(p) for p in parameters}, deepcopy(self.model)))
        return getattr(self.optimizer, stage)(parameters)

    def graph(self, parameters):
        return self.note("graph", parameters)

    def joint(self, parameters):
        return self.note("joint", parameters)


class TestPredictionAndObjective:
    """Eq 8; Algorithm 1 as a whole; 4.2, 'training proceeds in two stages'."""

    @pytest.mark.parametrize("expert", ["shared", "roles"])
    @pytest.mark.parametrize("gnn", ["gcn", "gat"])
    @pytest.mark.parametrize("level", FUSIONS)
    def test_algorithm_1_from_expression_to_logit(self, level, gnn, expert):
        model = shaken(toy_model(toy_parts(level, gnn, expert)))
        logits, _ = model.score(model.encode(graph_of(EDGES)), torch.tensor(PAIRS))
        np.testing.assert_allclose(logits.tolist(), algorithm_1(model, level, PAIRS), rtol=1e-7)

    def test_8_without_a_graph_the_classifier_reads_the_encoded_pair_alone(self):
        model = shaken(toy_model(make_parts(gnn="none", pair_encoder=("transformer", {"dim": 8, "layers": 2}))))
        logits, _ = model.score(model.encode(graph_of(EDGES)), torch.tensor(PAIRS))
        e = standardised(X)
        z = [slow_pair(model.pair_encoder, e[i], e[j]) for i, j in PAIRS]
        np.testing.assert_allclose(logits.tolist(), slow_classifier(z, model.fusion), rtol=1e-7)

    @pytest.mark.parametrize("level", FUSIONS)
    def test_8_scores_are_logits_over_the_training_graph(self, level):
        trained = fit(TOY, EXAM, toy_parts(level), ONCE)
        scores = predict(trained, EXAM.test)
        slow = algorithm_1(trained.model.eval(), level, PAIRS)
        np.testing.assert_allclose([sigmoid(s) for s in scores], [sigmoid(s) for s in slow], rtol=1e-4)

    def test_8_by_hand(self):
        # probabilities 3/4, 1/2 and 1/5
        logits = [math.log(3.0), 0.0, math.log(0.25)]
        assert loss_of(logits, [1, 1, 0]) == pytest.approx(-math.log(3 / 4) - math.log(1 / 2) - math.log(4 / 5))
        assert loss_of(logits, [0, 0, 1]) == pytest.approx(-math.log(1 / 4) - math.log(1 / 2) - math.log(1 / 5))

    @pytest.mark.parametrize("level", FUSIONS)
    def test_8_joint_loss_is_the_mean_cross_entropy_of_the_logits(self, level):
        parts = toy_parts(level)
        model = toy_model(parts).float()
        before = deepcopy(model).train()
        curves = fit(TOY, EXAM, parts, ONCE.model_copy(update={"graph_epochs": 0}), model=model).curves
        slow = loss_of(algorithm_1(before, level, EDGES + NEGATIVES), LABELS)
        assert curves["joint_loss"][0] * len(LABELS) == pytest.approx(slow, rel=1e-4)

    @pytest.mark.parametrize("expert", ["shared", "roles"])
    def test_8_graph_stage_fits_the_expert_score_alone(self, expert):
        parts = toy_parts(expert=expert)
        model = toy_model(parts).float()
        before = deepcopy(model)
        curves = fit(TOY, EXAM, parts, ONCE, model=model).curves
        last = slow_graph(before.gnn, standardised(X), EDGES)[-1]
        slow = loss_of([slow_expert(before.gnn, last, i, j) for i, j in EDGES + NEGATIVES], LABELS)
        assert curves["graph_loss"][0] * len(LABELS) == pytest.approx(slow, rel=1e-4)

    def test_two_stages_fit_the_graph_first_and_then_everything(self):
        parts = toy_parts(expert="roles")
        model = toy_model(parts).float()
        start, watched = deepcopy(model), Watched(parts.build("optimizer"), model)
        fit(TOY, EXAM, parts, ONCE, model=model, optimizer=watched)
        assert [stage for stage, *_ in watched.stages] == ["graph", "joint"]
        (_, first, _), (_, second, between) = watched.stages
        assert first == {id(p) for p in model.gnn.parameters()}
        assert second == {id(p) for p in model.parameters()}
        for one, other, parts_moved in ((start, between, {"gnn"}), (between, model, {"gnn", "pair_encoder", "fusion"})):
            pairs = zip(one.named_parameters(), other.parameters(), strict=True)
            moved = {name.split(".")[0] for (name, a), b in pairs if not torch.equal(a, b)}
            assert moved == parts_moved

    def test_joint_stage_goes_on_from_the_graph_that_was_pretrained(self):
        parts = toy_parts()
        model = toy_model(parts).float()
        watched = Watched(parts.build("optimizer"), model)
        curves = fit(TOY, EXAM, parts, ONCE, model=model, optimizer=watched).curves
        between = watched.stages[1][2].train()
        slow = loss_of(algorithm_1(between, "multiscale", EDGES + NEGATIVES), LABELS)
        assert curves["joint_loss"][0] * len(LABELS) == pytest.approx(slow, rel=1e-4)
