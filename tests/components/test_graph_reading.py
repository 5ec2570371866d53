"""Several batches of pairs may share one reading of the graph (``training: {read_graph_every: 4}``)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from component_cases import fit, make_dataset, make_model, make_parts, make_split, same_state
from hypothesis import given
from hypothesis import strategies as st

from components.core.budget import Budget
from components.core.streams import Streams
from components.learning.loop import Passes
from study.train.checkpoint import Checkpoint
from study.train.fit import joint_stage
from study.train.stages.trainer import Trainer

ARMS = {
    "plain": {},
    "learned levels": {"bucketing": "uniform"},
    "views": {"contrast": ("supcon", {"noise": 0.3, "noise_on": "input"})},
    "early": {"fusion": "early"},
    "graph decides alone": {"fusion": "expert"},
    "no graph": {"gnn": "none", "bucketing": "uniform"},
}


def start(dataset, split, batches=3, **levels):
    """Return a trainer, its joint stage and the rows of some batches that are to share a reading."""
    parts, streams = make_parts(**levels), Streams(dataset.digest, 0)
    model = make_model(dataset, parts).train()
    sampler = parts.build("negatives", split.training, dataset.expression)
    trainer = Trainer(model, split, sampler, streams, Budget(read_graph_every=batches), Checkpoint(), None)
    stage = joint_stage(trainer, parts.build("optimizer"))
    passes = Passes(trainer.positives, lambda _: trainer.draw(np.random.default_rng(0)), streams.torch("batches"))
    return trainer, stage, passes, passes.batches(16, batches)


@pytest.mark.parametrize("arm", ARMS)
def test_gradients_are_those_of_all_batches_on_one_graph(arm, dataset, split):
    trainer, stage, passes, sharing = start(dataset, split, **ARMS[arm])
    torch.manual_seed(1)
    for loss in trainer.losses(stage, passes, sharing):
        loss.backward()
    ours = {name: w.grad.clone() for name, w in trainer.model.named_parameters() if w.grad is not None}
    trainer.model.zero_grad()
    torch.manual_seed(1)
    reading = stage.read(trainer._visible(torch.cat(sharing), len(passes.candidates)))
    losses = [stage.loss(reading, passes.candidates[rows], passes.labels(rows)) for rows in sharing]
    torch.stack(losses).sum().backward()
    theirs = {name: w.grad for name, w in trainer.model.named_parameters() if w.grad is not None}
    assert set(ours) == set(theirs)
    for name, grad in theirs.items():
        torch.testing.assert_close(ours[name], grad, rtol=1e-4, atol=1e-6)


def test_losses_are_those_of_the_batches_alone(dataset, split):
    trainer, stage, passes, sharing = start(dataset, split)
    torch.manual_seed(1)
    losses = [loss.item() for loss in trainer.losses(stage, passes, sharing)]
    torch.manual_seed(1)
    reading = stage.read(trainer._visible(torch.cat(sharing), len(passes.candidates)))
    alone = [stage.loss(reading, passes.candidates[rows], passes.labels(rows)).item() for rows in sharing]
    assert losses == pytest.approx(alone, rel=1e-6)


def test_the_graph_branch_moves_once_and_the_pair_encoder_after_every_batch(dataset, split):
    trainer, stage, passes, sharing = start(dataset, split)
    model, moved = trainer.model, []
    for loss in trainer.losses(stage, passes, sharing):
        before = {name: w.detach().clone() for name, w in model.named_parameters()}
        stage.fitter.step(loss)
        moved.append({name.split(".")[0] for name, w in model.named_parameters() if not torch.equal(w, before[name])})
    by_step = [("gnn" in parts, "pair_encoder" in parts) for parts in moved]
    assert by_step == [(False, True), (False, True), (True, True)]


def test_pairs_of_no_batch_that_shares_it_are_in_the_graph(dataset, split):
    trainer, _, passes, sharing = start(dataset, split, gnn=("gat", {"hide_batch": True}))
    visible = trainer._visible(torch.cat(sharing), len(passes.candidates)).edges
    links = {tuple(edge) for edge in visible.t().tolist()}
    rows = torch.cat(sharing)
    hidden = {tuple(pair) for pair in passes.candidates[rows[rows < len(split.train)]].tolist()}
    reverse = {(j, i) for i, j in map(tuple, split.train.tolist())}
    assert hidden
    assert not links & (hidden - reverse)


@given(st.integers(1, 5))
def test_every_batch_of_an_epoch_trains_whatever_shares_a_reading(every):
    dataset = make_dataset()
    split = make_split(dataset)
    trainer, stage, passes, _ = start(dataset, split, every)
    seen: list[int] = []
    stage.fitter.optimizer.register_step_post_hook(lambda *_: seen.append(1))
    passes.rows = passes.rows[:0]
    trainer.train(stage, passes)
    assert len(seen) == -(-len(passes.candidates) // stage.batch_size)


def test_one_batch_a_reading_is_the_default_and_more_learn_something_else(dataset, split):
    budget = Budget(epochs=2, batch_size=32, graph_epochs=0)
    one, same, other = (
        fit(dataset, split, make_parts(), budget.model_copy(update={"read_graph_every": every}))
        for every in (1, Budget().read_graph_every, 3)
    )
    assert same_state(one.model, same.model)
    assert not same_state(one.model, other.model)
    assert np.isfinite(other.curves["joint_loss"]).all()
