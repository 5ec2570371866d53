"""Every preset, ours and the published systems', assembles, trains and scores a simulated network."""

from __future__ import annotations

import numpy as np
import pytest

from components.core.dataset import Dataset
from components.data.simulator import SimulatorSettings, simulate
from search_spaces.arm import parse_choice
from search_spaces.presets import PRESETS, preset
from study.train.exams import make_split
from study.train.score import score_fold


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return simulate(SimulatorSettings(genes=40, tfs=6, cells=30), seed=3)


LARGE = ("scunigp",)  # as published; its small sibling is tried in every run


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in LARGE else ()) for n in PRESETS])
def test_every_preset_trains_for_an_epoch(name, dataset):
    split = make_split(dataset, parse_choice("split", "per_tf"), 0)
    budget = preset(name).budget
    budget = budget.model_copy(
        update={"epochs": 1, "graph_epochs": min(budget.graph_epochs, 1), "unsupervised_steps": 2}
    )
    outcome = score_fold(preset(name).arm("x"), dataset, split, 0, budget, "cpu")
    validation, test = outcome.validation, outcome.test
    assert (len(validation), len(test)) == (len(split.validation), len(split.test))
    assert np.isfinite(np.concatenate([validation, test])).all()
    assert len(set(test)) > 1
    if name == "boosting":  # trees have no epochs
        return
    assert len(outcome.curves["joint_loss"]) == 1
    assert ("graph_loss" in outcome.curves) == bool(budget.graph_epochs)
