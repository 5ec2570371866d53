"""Features of genes in a study: what is planned and printed, which controls there are, and what is the same cell."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from components.core.budget import Budget
from components.core.dataset import Dataset
from components.core.errors import KnockoutError
from components.core.metrics import evaluate
from components.data.simulator import SimulatorSettings, simulate
from search_spaces.arm import parse_choice
from search_spaces.controls import controls
from search_spaces.presets import preset
from study.plan.plan import Plan, make_plan
from study.plan.silent import refuse_silent_arms
from study.study_file.study import Study, load_study
from study.train.exams import make_split
from study.train.score import score_fold

SIMULATED = simulate(SimulatorSettings(genes=64, tfs=8, cells=40), seed=1)  # that of the tiny study
ALONE, BESIDE = {"features": {"file": "x.parquet"}}, {"features": {"file": "x.parquet", "beside": "none"}}
BOTH = {"gnn": "none", "pair_encoder": {"mlp": {"dim": 8}}, "bucketing": BESIDE}
EXPLICIT: dict[str, Any] = {
    "kind": "explicit",
    "arms": [
        {"name": "expression", "bucketing": "none"},
        {
            "name": "features",
            "bucketing": {"features": {"beside": "nothing"}},
            "controls": ["permuted_features", "random_features"],
        },
    ],
}


def write_features(path: Path, dataset: Dataset = SIMULATED, *, absent: int = 0, seed: int = 0) -> None:
    values = np.random.default_rng(seed).normal(size=(dataset.n_genes, 4))
    frame = pd.DataFrame(values, index=dataset.genes, columns=list("abcd"))
    path.parent.mkdir(exist_ok=True)
    frame.iloc[absent:].to_parquet(path)


@pytest.fixture
def load(study_file: Callable[..., Path], tmp_path: Path) -> Callable[..., Study]:
    write_features(tmp_path / "x.parquet", absent=3)

    def read(**changes: Any) -> Study:
        return load_study(study_file(**{"reference": BOTH, "design": EXPLICIT, "controls": True, **changes}))

    return read


def test_the_question_of_the_field_is_one_study(load: Callable[..., Study]):
    study = load()
    refuse_silent_arms(study.arms, study.budget)
    assert [(arm.name, arm.role, arm.levels()["bucketing"]) for arm in study.arms if arm.trains] == [
        ("full model", "reference", "none + features"),
        ("expression", "arm", "none"),
        ("features", "arm", "features"),
        ("features (permuted_features)", "control", "features"),
        ("features (random_features)", "control", "features"),
        ("noise", "control", "none + features"),
        ("permuted_features", "control", "none + features"),
        ("random_features", "control", "none + features"),
    ]


def test_a_plan_counts_the_genes_with_features(load: Callable[..., Study], knockout: Any, tmp_path: Path):
    load()
    out = knockout("plan", tmp_path / "tiny.yaml", "--no-cost").out
    line = "net: x.parquet: 4 columns, features of 61 of 64 genes (95.3 %); 3 have none: "
    assert out.count(line) == 1
    assert "the model can tell which have none" in out


def test_a_file_with_too_few_genes_is_refused_with_arm_and_data_set(load: Callable[..., Study], tmp_path: Path):
    write_features(tmp_path / "x.parquet", absent=40)
    with pytest.raises(KnockoutError, match=r"arm 'full model' cannot run: .*24 of 64 genes") as refused:
        make_plan(load())
    assert refused.value.where == "datasets[0] (net)"
    make_plan(load(reference={**BOTH, "bucketing": {"features": {**BESIDE["features"], "least": 0.3}}}))


def test_the_same_content_elsewhere_is_the_same_cell_and_other_content_another(
    load: Callable[..., Study], tmp_path: Path
):
    def cells(plan: Plan) -> dict[str, str]:
        return {f"{cell.arm.name}/{cell.repeat}": cell.digest for cell in plan.cells}

    first = cells(make_plan(load()))
    write_features(tmp_path / "moved" / "y.parquet", absent=3)
    moved = {**BOTH, "bucketing": {"features": {"file": "moved/y.parquet", "beside": "none"}}}
    assert cells(make_plan(load(reference=moved))) == first
    write_features(tmp_path / "x.parquet", absent=3, seed=1)
    second = cells(make_plan(load()))
    changed = {name for name in first if first[name] != second[name]}
    assert changed == {name for name in first if not name.startswith(("expression", "degree", "reverse", "id", "topo"))}


def test_the_code_of_what_stands_beside_is_part_of_a_cell(load: Callable[..., Study]):
    reference = load().reference
    assert ("bucketing", "none") in reference.acting() and ("bucketing", "features") in reference.acting()


def test_expression_alone_is_as_it_stands_beside(load: Callable[..., Study]):
    scaled = {"features": {"file": "x.parquet", "beside": {"none": {"scale": "unit"}}}}
    expression = load(reference={**BOTH, "bucketing": scaled}).arms[1]
    assert expression.choices["bucketing"].settings.scale == "unit"
    reference = {**BOTH, "bucketing": {"none": {"scale": "unit"}}}
    arms = [{"name": "both", "bucketing": BESIDE}]
    both = load(reference=reference, design={"kind": "explicit", "arms": arms}).arms[1]
    assert both.choices["bucketing"].settings.part()[1].scale == "unit"


def test_controls_of_a_factor_that_varies_are_those_of_its_arms(load: Callable[..., Study]):
    design = {"kind": "one_factor_at_a_time", "factors": {"bucketing": [ALONE, BESIDE]}}
    study = load(reference={"gnn": "none"}, design=design, controls=["permuted_features"])
    names = [arm.name for arm in study.arms if arm.role == "control"]
    assert names == [f"{arm.name} (permuted_features)" for arm in study.arms[1:3]]


def test_noise_stands_only_where_expression_is_read(load: Callable[..., Study]):
    study = load(reference={**BOTH, "bucketing": ALONE}, design={"kind": "explicit", "arms": EXPLICIT["arms"][:1]})
    names = [arm.name for arm in study.arms if arm.role == "control"]
    assert "noise" not in names and names[-2:] == ["permuted_features", "random_features"]
    explicit = load(
        reference={**BOTH, "bucketing": ALONE},
        design={"kind": "explicit", "arms": EXPLICIT["arms"][:1]},
        controls=["noise"],
    )
    with pytest.raises(KnockoutError, match=r"'noise' are written differently .* behave alike"):
        refuse_silent_arms(explicit.arms, explicit.budget)


def test_an_arm_without_features_has_no_such_control(load: Callable[..., Study]):
    with pytest.raises(KnockoutError, match="'full model' reads no features of genes") as refused:
        load(reference={"gnn": "gcn"}, design={"factors": {"gnn": ["none"]}}, controls=["random_features"])
    assert "controls[0]" in refused.value.where
    arms = [{"name": "expression", "bucketing": "none", "controls": ["permuted_features"]}]
    with pytest.raises(KnockoutError, match="arm 'expression' reads no features"):
        load(design={"kind": "explicit", "arms": arms})


def test_a_file_that_holds_the_answer_helps_and_its_controls_do_not(tmp_path: Path):
    dataset = simulate(SimulatorSettings(genes=120, tfs=12, cells=30), seed=3)
    answer = np.zeros((dataset.n_genes, len(dataset.tfs)))
    for tf, target in dataset.edges:
        answer[target, np.searchsorted(dataset.tfs, tf)] = 1.0
    answer[dataset.tfs, np.arange(len(dataset.tfs))] = 5.0
    pd.DataFrame(answer, index=dataset.genes, columns=[f"c{k}" for k in range(len(dataset.tfs))]).to_parquet(
        tmp_path / "x.parquet"
    )
    bucketing = {"features": {"file": str(tmp_path / "x.parquet")}}
    encoder = {"mlp": {"dim": 32}}
    adam = {"adam": {"learning_rate": 1e-2}}
    reference = preset("knockout-small").arm(
        "own", {"gnn": "none", "pair_encoder": encoder, "optimizer": adam, "bucketing": bucketing}
    )
    split = make_split(dataset, parse_choice("split", "per_tf"), 0)
    budget = Budget(epochs=12, patience=12, graph_epochs=0, batch_size=64)
    reached = {}
    for arm in (reference, *controls(reference, ["permuted_features", "random_features"])):
        outcome = score_fold(arm, dataset, split, 0, budget, "cpu")
        reached[arm.name] = evaluate(outcome.test, split.test_labels, split.test)["within_tf_auroc"]
    own = reached.pop("own")
    assert own > max(reached.values()) + 0.15, (own, reached)


TWO = [
    {"simulate": {"genes": 64, "tfs": 8, "cells": 40}, "seed": seed, "name": n, "block": n}
    for seed, n in ((1, "one"), (2, "two"))
]


def test_each_data_set_may_have_a_file_of_its_own(load: Callable[..., Study], tmp_path: Path):
    pattern = {"features": {"file": "of/{dataset}.parquet"}}
    write_features(tmp_path / "of" / "one.parquet", seed=1)
    with pytest.raises(KnockoutError, match=r"two has no file of features .*of/two\.parquet.*one\.parquet") as refused:
        make_plan(load(reference={**BOTH, "bucketing": pattern}, datasets=TWO))
    assert "datasets[1] (two)" in refused.value.where
    write_features(tmp_path / "of" / "two.parquet", seed=2)
    study = load(reference={**BOTH, "bucketing": pattern}, datasets=TWO)
    refuse_silent_arms(study.arms, study.budget)
    plan = make_plan(study)
    for dataset in plan.datasets:
        alone = load(reference={**BOTH, "bucketing": {"features": {"file": f"of/{dataset.name}.parquet"}}}).arms[0]
        split = make_split(dataset, parse_choice("split", "all_non_targets"), 0)
        scores = [score_fold(arm, dataset, split, 0, Budget(epochs=1), "cpu").test for arm in (study.arms[0], alone)]
        np.testing.assert_array_equal(*scores)
    digests = {cell.digest for cell in plan.cells if cell.arm.name == "full model"}
    write_features(tmp_path / "of" / "two.parquet", seed=3)
    edited = make_plan(load(reference={**BOTH, "bucketing": pattern}, datasets=TWO))
    assert not digests & {cell.digest for cell in edited.cells if cell.arm.name == "full model"}


def test_an_unknown_name_in_braces_is_refused(load: Callable[..., Study]):
    with pytest.raises(KnockoutError, match="in braces may stand dataset, network, cell"):
        make_plan(load(reference={**BOTH, "bucketing": {"features": {"file": "of/{data}.parquet"}}}))
