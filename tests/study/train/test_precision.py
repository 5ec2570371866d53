"""bf16 reaches the scores of fp32, and changes nothing but the forward and backward pass."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from components.core import registry
from components.core.budget import Budget
from components.core.dataset import Dataset
from components.core.errors import KnockoutError
from components.core.metrics import evaluate
from components.data.simulator import SimulatorSettings, simulate
from knockout.testing.cases import needed
from search_spaces.arm import Arm, parse_choice
from search_spaces.presets import preset
from study.study_file.study import load_study
from study.train.exams import make_split
from study.train.score import FoldScores, score_fold

SMALL = {
    "gnn": {"gat": {"widths": [16, 8], "heads": 2}},
    "pair_encoder": {"transformer": {"dim": 32, "layers": 1, "heads": 2}},
    "fusion": {"multiscale": {"width": 32}},
    "negatives": "uniform",
    "optimizer": {"adam": {"learning_rate": 3e-3}},
}
PER_TF = parse_choice("split", "per_tf")


@cache
def network() -> Dataset:
    return simulate(SimulatorSettings(genes=80, tfs=10, cells=40), seed=2)


def arm(**changes: Any) -> Arm:
    choices = {name: parse_choice(name, given) for name, given in {**SMALL, **changes}.items()}
    return preset("knockout-small").arm("x").vary(choices)


def run(of: Arm, precision: str, repeat: int = 0, epochs: int = 8) -> FoldScores:
    stages = {"graph_epochs": min(epochs, 4), "unsupervised_steps": 2}
    budget = Budget(epochs=epochs, patience=epochs, batch_size=64, precision=precision, **stages)
    return score_fold(of, network(), make_split(network(), PER_TF, repeat), repeat, budget, "cpu")


@pytest.mark.slow
@pytest.mark.parametrize("gnn", ["gat", "none"])
def test_auroc_agrees_within_the_spread_over_repeats(gnn: str):
    variant = arm(**({} if gnn == "gat" else {"gnn": "none"}))
    reached: dict[str, list[float]] = {"fp32": [], "bf16": []}
    for repeat in range(5):
        split = make_split(network(), PER_TF, repeat)
        for precision, values in reached.items():
            values.append(evaluate(run(variant, precision, repeat).test, split.test_labels, split.test)["auroc"])
    assert min(reached["fp32"]) > 0.6  # there is something to agree on
    # the median: rounding may make a training choose another of its epochs, which rarely is another result
    shift = np.median(np.abs(np.subtract(reached["bf16"], reached["fp32"])))
    assert 0 < shift < np.std(reached["fp32"], ddof=1)


def test_scores_weights_and_curves_are_not_bf16():
    outcome = run(arm(), "bf16", epochs=2)
    score = outcome.test
    assert score.dtype == np.float64
    as_bf16 = torch.from_numpy(score).to(torch.bfloat16).double().numpy()
    assert (as_bf16 != score).mean() > 0.9
    assert not np.array_equal(score, run(arm(), "fp32", epochs=2).test)
    assert np.isfinite(outcome.curves["joint_loss"]).all()


CASES = [
    (factor, level)
    for factor in ("bucketing", "gnn", "pair_encoder", "fusion", "contrast")
    for level in registry.levels(factor)
]


@pytest.mark.parametrize(("factor", "level"), CASES, ids=[f"{f}-{n}" for f, n in CASES])
def test_every_level_trains_in_bf16(factor: str, level: str):
    fields = registry.level(factor, level).Settings.model_fields
    small = {"dim": 16, "width": 16, "widths": [8, 4], "heads": 2, "layers": 2}
    given = {level: {name: value for name, value in small.items() if name in fields} | needed(factor, level)}
    if "edge_weight" in fields:
        given[level]["edge_weight"] = "position"
    score = run(arm(**{factor: given}), "bf16", epochs=1).test
    assert np.isfinite(score).all() and len(set(score)) > 1


def test_precision_is_set_by_the_study_and_part_of_the_digest(study_file: Callable[..., Path]):
    plain = load_study(study_file())
    half = load_study(study_file(training={"epochs": 2, "graph_epochs": 1, "precision": "bf16"}))
    assert (plain.budget.precision, half.budget.precision) == ("fp32", "bf16")
    with pytest.raises(KnockoutError, match="precision"):
        load_study(study_file(training={"precision": "fp8"}))
