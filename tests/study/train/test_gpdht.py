"""GP-DHT as an arm: each of its presets, bucketings and negatives trains and scores a simulated network."""

from __future__ import annotations

import numpy as np
import pytest

from components.data.simulator import SimulatorSettings, simulate
from search_spaces.arm import parse_choice
from search_spaces.presets import preset
from study.train.exams import make_split
from study.train.score import score_fold


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("gp-dht-small", {}),
        ("gp-dht", {"bucketing": {"uniform": {"dim": 16}}, "pair_encoder": {"gpdht": {"dim": 32}}}),
        ("gp-dht-small", {"bucketing": "cumulative"}),
        ("gp-dht-small", {"bucketing": "quantile", "gnn": "gin", "fusion": "multiscale"}),
        ("gp-dht-small", {"gnn": "gatv2", "negatives": "degree_matched"}),
        ("gp-dht-small", {"scorer": "noise"}),
    ],
)
def test_trains_for_an_epoch(name, changes):
    dataset = simulate(SimulatorSettings(genes=60, tfs=8, cells=40), seed=3)
    split = make_split(dataset, parse_choice("split", "per_tf"), 0)
    budget = preset(name).budget.model_copy(update={"epochs": 1, "graph_epochs": 1})
    outcome = score_fold(preset(name).arm("x", changes), dataset, split, 0, budget, "cpu")
    validation, test = outcome.validation, outcome.test
    assert len(validation) == len(split.validation)
    assert len(test) == len(split.test)
    assert np.isfinite(np.concatenate([validation, test])).all()
    assert len(outcome.curves["joint_loss"]) == 1
