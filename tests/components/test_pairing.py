"""Arms are paired: what one repeat draws on one data set is the same for every arm."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from component_cases import BUDGET, fit, make_model, make_parts, make_split, same_state

from components.core import registry
from components.core.streams import Streams
from components.model import GRNModel
from study.train.fit import predict

GNNS = list(registry.levels("gnn"))


class Watched:
    """A sampler that records its draws."""

    def __init__(self, sampler) -> None:
        self.sampler, self.fresh, self.drawn = sampler, sampler.fresh, []

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        self.drawn.append(self.sampler.draw(rng))
        return self.drawn[-1]


def draws_of_joint_stage(dataset, split, budget=BUDGET, **levels) -> list[np.ndarray]:
    parts = make_parts(**levels)
    watched = Watched(parts.build("negatives", split, dataset.expression))
    fit(dataset, split, parts, budget, sampler=watched)
    return watched.drawn[-budget.epochs :]


@pytest.fixture(scope="module")
def drawn_by(dataset, split):
    """Train with a graph branch; return the negatives of each epoch and the batches of the joint stage."""

    @cache
    def draws(gnn: str) -> tuple[list[np.ndarray], list[torch.Tensor]]:
        batches: list[torch.Tensor] = []
        original = GRNModel.score

        def note(self, encoded, pairs):
            if self.training:
                batches.append(pairs)
            return original(self, encoded, pairs)

        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setattr(GRNModel, "score", note)
            return draws_of_joint_stage(dataset, split, gnn=gnn), batches

    return draws


@pytest.mark.parametrize("gnn", GNNS)
class TestSwappingTheGraph:
    def test_leaves_the_weights_of_other_parts(self, gnn, dataset):
        ours, theirs = (make_model(dataset, make_parts(gnn=g, fusion="late")) for g in ("gcn", gnn))
        assert same_state(ours.pair_encoder, theirs.pair_encoder)
        assert same_state(ours.bucketing, theirs.bucketing)
        if theirs.fused:
            assert same_state(ours.fusion, theirs.fusion)

    def test_leaves_negatives_and_batches_of_every_epoch(self, gnn, drawn_by):
        (ours, our_batches), (theirs, their_batches) = drawn_by("gcn"), drawn_by(gnn)
        assert len(ours) == len(theirs) == BUDGET.epochs
        assert all(map(np.array_equal, ours, theirs))
        assert len(our_batches) == len(their_batches) > 3
        assert all(map(torch.equal, our_batches, their_batches))


def test_length_of_pretraining_leaves_the_negatives_of_the_joint_stage(dataset, split):
    longer = BUDGET.model_copy(update={"graph_epochs": 5})
    ours, theirs = draws_of_joint_stage(dataset, split), draws_of_joint_stage(dataset, split, longer)
    assert all(map(np.array_equal, ours, theirs))


def test_length_of_pretraining_leaves_the_dropout_of_the_joint_stage(dataset, split, monkeypatch):
    states: list[torch.Tensor] = []
    original = GRNModel.encode

    def note(self, edges):
        states.append(torch.random.get_rng_state())
        return original(self, edges)

    monkeypatch.setattr(GRNModel, "encode", note)
    first = []
    for graph_epochs in (0, 1, 3):
        states.clear()
        fit(dataset, split, budget=BUDGET.model_copy(update={"graph_epochs": graph_epochs}))
        first.append(states[0])
    assert torch.equal(first[0], first[1])
    assert torch.equal(first[0], first[2])


def test_negatives_are_fresh_in_every_epoch_unless_set_otherwise(dataset, split):
    drawn = draws_of_joint_stage(dataset, split)
    assert not np.array_equal(drawn[0], drawn[1])
    parts = make_parts(negatives=("same_tf", {"fresh": False}))
    once = Watched(parts.build("negatives", split, dataset.expression))
    fit(dataset, split, parts, sampler=once)
    assert len(once.drawn) == 2  # one per stage


@pytest.mark.parametrize("fusion", ["early", "late", "multiscale"])
def test_swapping_the_fusion_leaves_the_graph(fusion, dataset):
    ours, theirs = (make_model(dataset, make_parts(fusion=f)) for f in ("multiscale", fusion))
    assert same_state(ours.gnn, theirs.gnn)


def test_swapping_the_fusion_leaves_the_pretrained_graph(dataset, split):
    losses = [fit(dataset, split, make_parts(fusion=f)).curves for f in ("multiscale", "late", "early")]
    assert losses[0]["graph_loss"] == losses[1]["graph_loss"] == losses[2]["graph_loss"]


def test_split_is_the_same_for_every_arm(dataset):
    digests = {make_split(dataset, seed=Streams(dataset.digest, 3).seed("split")).digest for _ in GNNS}
    assert len(digests) == 1


@pytest.mark.parametrize("gnn", GNNS)
def test_same_cell_twice_gives_the_same_bits(gnn, dataset, split):
    one, two = (fit(dataset, split, make_parts(gnn=gnn)) for _ in range(2))
    assert same_state(one.model, two.model)
    assert one.curves == two.curves
    assert np.array_equal(predict(one, split.test), predict(two, split.test))


def test_what_ran_before_in_the_process_does_not_matter(dataset, split):
    torch.manual_seed(1)
    one = predict(fit(dataset, split), split.test)
    torch.manual_seed(2)
    torch.rand(17)
    np.random.seed(5)  # noqa: NPY002 — the old global stream is what must not matter
    assert np.array_equal(one, predict(fit(dataset, split), split.test))


def test_repeats_differ(dataset):
    assert not same_state(*(make_model(dataset, make_parts(), repeat=r) for r in (0, 1)))
