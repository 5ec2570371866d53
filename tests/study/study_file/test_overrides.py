"""Keys set beside a study file: ``key=value``, ``+key=value``, ``~key``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.core.errors import KnockoutError, UnknownNameError
from study.study_file.overrides import override
from study.study_file.study import load_study

CONTENT: dict[str, Any] = {
    "name": "s",
    "datasets": ["STRING/mDC", {"simulate": {}, "seed": 1}],
    "reference": {"gnn": "gat"},
    "design": {"factors": {"gnn": ["gat", "none"]}},
    "training": {"epochs": 60},
    "looks": None,
}


@pytest.mark.parametrize(
    ("argument", "path", "value"),
    [
        ("training.epochs=3", ["training", "epochs"], 3),
        ("training.patience=1e1", ["training", "patience"], 10.0),
        ("gnn=[gat,gcn]", ["design", "factors", "gnn"], ["gat", "gcn"]),
        ("fusion=[late, off]", ["design", "factors", "fusion"], ["late", "off"]),
        ("gnn=gcn", ["reference", "gnn"], "gcn"),
        ("gnn={gat: {heads: 2}}", ["reference", "gnn"], {"gat": {"heads": 2}}),
        ("gnn.gat.heads=2", ["reference", "gnn"], {"gat": {"heads": 2}}),
        ("optimizer.adam.learning_rate=1e-3", ["reference", "optimizer"], {"adam": {"learning_rate": 0.001}}),
        ("split=per_tf", ["split"], "per_tf"),
        ("name=1.10", ["name"], "1.10"),
        ("datasets.0.name=a=b", ["datasets", 0], {"path": "STRING/mDC", "name": "a=b"}),
        ("datasets[1].seed=7", ["datasets", 1], {"simulate": {}, "seed": 7}),
        ("+datasets.2=simulated", ["datasets", 2], "simulated"),
        ("+repeats=5", ["repeats"], 5),
        ("++training.epochs=5", ["training", "epochs"], 5),
        ("looks=[4, 6]", ["looks"], [4, 6]),
        ("design.factors.gnn.gat.heads=[1,4]", ["design", "factors", "gnn.gat.heads"], [1, 4]),
        ("design.factors.gnn.0=gcn", ["design", "factors", "gnn", 0], "gcn"),
        ("margin=null", ["margin"], None),
        ("~training.epochs", ["training"], {}),
        ("~datasets.0", ["datasets"], [{"simulate": {}, "seed": 1}]),
        ("~gnn", ["design", "factors"], {}),
    ],
)
def test_an_override_changes_one_place(argument: str, path: list[Any], value: Any):
    changed, (applied,) = override(CONTENT, [argument])
    there: Any = changed
    for part in path:
        there = there[part]
    assert there == value and type(there) is type(value)
    assert applied.argument == argument and CONTENT["training"] == {"epochs": 60} and len(CONTENT["datasets"]) == 2


def test_in_a_search_a_list_of_levels_is_what_varies():
    changed, (applied,) = override({"name": "s", "search": {"trials": 3}}, ["gnn=[gat,gcn]"])
    assert changed["search"] == {"trials": 3, "vary": {"gnn": ["gat", "gcn"]}} and "design" not in changed
    assert applied.line == "set search.vary.gnn: [gat, gcn]"


def test_a_setting_that_is_crossed_can_be_dropped():
    content = {**CONTENT, "design": {"factors": {"gnn.gat.heads": [1, 2], "fusion": ["late"]}}}
    changed, (applied,) = override(content, ["~design.factors.gnn.gat.heads"])
    assert (
        changed["design"]["factors"] == {"fusion": ["late"]} and applied.line == "dropped design.factors.gnn.gat.heads"
    )


def test_overrides_act_in_their_order():
    changed, applied = override(CONTENT, ["~datasets.0", "datasets.0.name=b", "training.epochs=1", "training.epochs=2"])
    assert changed["datasets"] == [{"simulate": {}, "seed": 1, "name": "b"}] and changed["training"] == {"epochs": 2}
    assert [one.line for one in applied][:2] == ["dropped datasets.0", "set datasets.0.name: b"]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("repeats", "no override"),
        ("=3", "no override"),
        ("~repeats=2", "no override"),
        ("+repeats", "no override"),
        ("repeats=", "write null"),
        ("repeats=[1", "not valid YAML"),
        ("gmn=[gat]", "Did you mean 'gnn'"),
        ("epochs=3", "stands below training. Write training.epochs=..."),
        ("trials=3", "stands below search. Write search.trials=..."),
        ("trainig.epochs=3", "Did you mean 'training'"),
        ("~training.epcohs", "Did you mean 'epochs'"),
        ("+training.epochs=3", "60 already"),
        ("gnn=gat,gcn", "'gnn=[gat,gcn]'"),
        ("datasets.2.name=x", "0 to 1"),
        ("datasets.first.name=x", "no position"),
        ("+datasets.0=simulated", "taken"),
        ("name.first=x", "has no key"),
        ("a: &a [*a]=1", "unknown key"),
        ("looks=" + "[" * 2000, "looks"),
    ],
)
def test_an_argument_that_cannot_be_is_refused_and_named(argument: str, message: str):
    with pytest.raises(KnockoutError) as refused:
        override(CONTENT, [argument])
    assert refused.value.where == argument and message in str(refused.value)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("training.epcohs=3", "Did you mean 'epochs'"),
        ("training.patience=0", "at least 1 is needed"),
        ("gnn=gta", "Did you mean 'gat'"),
        ("gnn=[none, gta]", "Did you mean 'gat'"),
        ("reference.gnn.gat.headz=3", "Did you mean 'heads'"),
        ("metric=aurco", "Did you mean 'auroc'"),
        ("datasets.0.nmae=x", "Did you mean 'name'"),
        ("repeats=many", "a whole number is needed"),
        ("design.kind=factorial", "full_factorial"),
        ("design.factors.gnn.gat.heads=[1, 0]", "at least 1 is needed"),
    ],
)
def test_a_value_that_the_study_refuses_is_placed_at_its_argument(
    study_file: Callable[..., Path], argument: str, message: str
):
    with pytest.raises(KnockoutError) as refused:
        load_study(study_file(), overrides=["training.epochs=1", argument])
    assert refused.value.where == argument and message in str(refused.value)


def test_a_mistake_in_the_file_is_not_placed_at_an_override(study_file: Callable[..., Path]):
    path = study_file(training={"epohcs": 3})
    with pytest.raises(UnknownNameError, match=r"tiny.yaml, line .*'epohcs'"):
        load_study(path, overrides=["training.patience=2", "repeats=1"])


def test_an_overridden_study_equals_the_study_with_that_value(study_file: Callable[..., Path]):
    overridden = load_study(study_file(), overrides=["training.epochs=7", "gnn=[gcn]", "repeats=5"])
    written = load_study(
        study_file(
            training={"epochs": 7, "graph_epochs": 1},
            repeats=5,
            design={"kind": "one_factor_at_a_time", "factors": {"gnn": ["gcn"]}},
        )
    )
    assert overridden.content == written.content and overridden.arms == written.arms
    assert overridden.overrides == ("set training.epochs: 7", "set design.factors.gnn: [gcn]", "set repeats: 5")


def test_overrides_act_at_the_scale_that_was_chosen(study_file: Callable[..., Path]):
    path = study_file(training={"cpu": {"epochs": 2}, "paper": {"epochs": 90}})
    study = load_study(path, scale="paper", overrides=["training.patience=4"])
    assert (study.budget.epochs, study.budget.patience) == (90, 4)
