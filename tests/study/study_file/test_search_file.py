"""What a study file may set of a search, and the messages for what it may not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.core.errors import KnockoutError
from study.study_file.study import load_study


@pytest.fixture
def load(study_file: Callable[..., Path]) -> Callable[..., Any]:
    def write(search: dict[str, Any] | None = None, **changes: Any) -> Any:
        path = study_file(**changes)
        content = yaml.safe_load(path.read_text())
        if search is not None:
            content = {**content, "search": {"trials": 3, **search}}
            content.pop("design") if "design" not in changes else None
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return load_study(path)

    return write


@pytest.mark.parametrize(
    ("search", "message", "where"),
    [
        ({"trils": 4}, "Did you mean 'trials'", "search.trils"),
        ({"trials": "many"}, "got 'many'", "search.trials"),
        ({"trials": 0}, "at least 1 is needed", "search.trials"),
        ({"sampler": "tp"}, "Did you mean 'tpe'", "search.sampler"),
        ({"pruner": "wilcoxn"}, "Did you mean 'wilcoxon'", "search.pruner"),
        ({"objectives": ["auroc", "second"]}, "Did you mean 'seconds'", "search.objectives[1]"),
        ({"objectives": ["auroc", "auroc"]}, "stands twice", "search.objectives"),
        ({"objectives": ["auroc", "seconds"], "pruner": "median"}, "pruner: none", "search.pruner"),
        ({"sampler": "nsga2"}, "several objectives", "search.sampler"),
        ({"trials": None}, "'trials' or after 'hours'", "search"),
        ({"hours": 2.0}, "'trials' or after 'hours'", "search"),
        ({"vary": {"gn": ["gat"]}}, "Did you mean 'gnn'", "search.vary.gn"),
        ({"vary": {"gnn": ["gatt"]}}, "Did you mean 'gat'", "search.vary.gnn[0]"),
        ({"vary": {"gnn": [{"gat": {"head": [1, 2]}}]}}, "Did you mean 'heads'", "search.vary.gnn[0].gat.head"),
        ({"fixed": ["gnn.gat.hedas"]}, "Did you mean 'heads'", "search.fixed[0]"),
        ({"vary": {"split": ["per_tf"]}}, "it is the exam", "search.vary.split"),
        ({"vary": {"gnn": ["gat"]}, "fixed": ["gnn.gat"]}, "unknown setting of gnn", "search"),
    ],
)
def test_a_mistake_in_a_search_names_its_key(load: Any, search: dict[str, Any], message: str, where: str):
    with pytest.raises(KnockoutError, match=message.replace("[", r"\[")) as caught:
        load(search)
    assert where in caught.value.where and "tiny.yaml" in caught.value.where


def test_a_study_has_a_design_or_a_search(load: Any):
    with pytest.raises(KnockoutError, match="drop one"):
        load({}, design={"factors": {"gnn": ["none"]}})


@pytest.mark.parametrize(
    ("tune", "message"),
    [
        ({"trials": 3, "repets": 1}, "Did you mean 'repeats'"),
        ({"trials": 3, "sampler": "gpp"}, "Did you mean 'gp'"),
        ({"hours": 1.0}, "equal budgets"),
        ({"trials": 3, "objectives": []}, "unknown key 'objectives'"),
        ({"trials": 3, "vary": {"gnn": {"gat": {"hedas": [1, 2]}}}}, "Did you mean 'heads'"),
        ({"trials": 3, "vary": {"gnn": {"gcn": {"dropout": [0.1, 0.2]}}}}, "unknown gnn of these arms 'gcn'"),
        ({"trials": 3, "vary": {"gnn": ["gat"]}}, "levels are not tuned"),
        ({"trials": 3, "vary": {"command": {"lr": [1, 2]}}}, "unknown scorer of these arms 'command'"),
    ],
)
def test_a_mistake_in_tuning_names_its_key(load: Any, tune: dict[str, Any], message: str):
    with pytest.raises(KnockoutError, match=message) as caught:
        load(design={"factors": {"gnn": ["none"]}, "tune": tune})
    assert "design.tune" in caught.value.where


def test_what_is_not_set_is_searched_as_the_registry_declares(load: Any):
    study = load({})
    named = {parameter.name for parameter in study.space.parameters}
    assert {"bucketing", "gnn", "fusion", "contrast", "negatives", "pair_encoder", "gnn.gat.heads"} <= named
    assert "scorer" not in named and not any(name.startswith("split") for name in named)
    assert study.search.sampler == "tpe" and study.search.pruner == "wilcoxon"


def test_a_setting_that_the_design_crosses_is_not_tuned(load: Any):
    tune = {"trials": 3, "fixed": ["optimizer"]}
    study = load(design={"kind": "full_factorial", "factors": {"gnn.gat.heads": [1, 2]}, "tune": tune})
    assert study.tune.fixed == ["optimizer", "gnn.gat.heads"]


def test_a_tuned_study_is_compared_on_other_repeats_than_it_is_tuned_on(load: Any):
    study = load(design={"factors": {"gnn": ["none"]}, "tune": {"trials": 3, "repeats": 4}})
    assert study.first_repeat == 4
    study = load(first_repeat=10, design={"factors": {"gnn": ["none"]}, "tune": {"trials": 3, "repeats": 4}})
    assert study.first_repeat == 14
