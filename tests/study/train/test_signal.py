"""The embedded data set must be informative: expression carries the signal, degree does not."""

from __future__ import annotations

import pytest

from components.core.budget import Budget
from components.core.metrics import evaluate
from components.data.simulator import SimulatorSettings, simulate
from search_spaces.arm import parse_choice
from search_spaces.controls import controls
from search_spaces.presets import preset
from study.actions.preview import audit_table
from study.train.exams import make_split
from study.train.score import score_fold

SMALL = {"pair_encoder": {"transformer": {"dim": 64}}, "optimizer": {"adam": {"learning_rate": 1e-3}}}


def test_the_leak_audit_says_what_the_control_arms_reach():
    dataset = simulate(SimulatorSettings(genes=80, tfs=10, cells=40), seed=2)
    choice = parse_choice("split", "all_non_targets")
    split = make_split(dataset, choice, 2)
    audited = {row[0]: row[1] for row in audit_table([dataset], [choice], repeat=2).rows}
    for arm in controls(
        preset("knockout-small").arm("reference"), ["degree", "reverse_degree", "identity", "topology"]
    ):
        test = score_fold(arm, dataset, split, 2, Budget(epochs=1), "cpu").test
        reached = evaluate(test, split.test_labels, split.test)
        assert audited[f"{arm.name}, test AUROC / AUPRC"] == f"{reached['auroc']:.3f} / {reached['auprc']:.3f}"


@pytest.mark.slow
def test_a_trained_arm_beats_chance_noise_and_degree_by_a_wide_margin_on_the_embedded_data():
    dataset = simulate(seed=1)
    split = make_split(dataset, parse_choice("split", "per_tf"), 0)
    reference = preset("knockout-small").arm("reference", SMALL)
    budget = Budget(epochs=10, patience=10, graph_epochs=10)
    reached = {}
    for arm in (reference, *controls(reference, ["degree", "identity", "noise"])):
        outcome = score_fold(arm, dataset, split, 0, budget, "cpu")
        reached[arm.name] = evaluate(outcome.test, split.test_labels, split.test)

    trained = reached.pop("reference")
    assert trained["auroc"] > 0.74
    assert trained["within_tf_auroc"] > 0.68
    for name, control in reached.items():
        assert trained["auroc"] > control["auroc"] + 0.08, name
        assert trained["auprc"] > 2 * control["auprc"], name
        assert trained["within_tf_auroc"] > control["within_tf_auroc"] + 0.2, name
