"""What cannot run is refused before anything is trained: by plan, and by run in all its kinds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.core import registry
from components.core.errors import KnockoutError
from study.plan import refusals
from study.plan.plan import make_plan
from study.search.run import open_search, open_tuning
from study.study_file.study import Study, load_study

DRAWS_NONE = {"cooccurrence": {"joint": 0.001, "quantile": 0.0}}  # every gene is high in every cell
SETS = [{"simulate": {"genes": 64, "tfs": 8, "cells": 40}, "seed": seed, "name": f"net-{seed}"} for seed in (1, 2)]
FACTORS = {"gnn": ["none"]}
KINDS = [
    {"design": {"factors": FACTORS}},
    {"design": {"factors": FACTORS, "tune": {"trials": 2}}},
    {"search": {"trials": 2, "vary": {"gnn": ["none", "gcn"]}}},
]


@pytest.fixture
def searched(study_file: Callable[..., Path]) -> Callable[..., Study]:
    def load(**changes: Any) -> Study:
        file = study_file(**changes)
        values = yaml.safe_load(file.read_text())
        file.write_text(yaml.safe_dump({key: value for key, value in values.items() if key != "design"}))
        return load_study(file)

    return load


@pytest.fixture
def plan(study_file: Callable[..., Path]) -> Callable[..., Any]:
    return lambda *arms, **changes: make_plan(
        load_study(study_file(**{"design": {"kind": "explicit", "arms": list(arms)}, **changes}))
    )


def test_a_sampler_that_cannot_draw_is_refused_for_each_data_set_and_named_once(plan: Callable[..., Any]):
    arms = [{"negatives": DRAWS_NONE}, {"negatives": DRAWS_NONE, "gnn": "none"}]
    with pytest.raises(KnockoutError, match="raise joint or quantile") as refused:
        plan(*arms, datasets=SETS)
    assert refused.value.where == "datasets[0] (net-1), datasets[1] (net-2)"
    assert refused.value.message.count("cannot run") == 2  # once per data set, not per arm
    assert refused.value.message.startswith("net-1: arm 'negatives=cooccurrence")


@pytest.mark.parametrize(
    ("level", "reason"), [("peeking", "outside of the pool"), ("lopsided", "draws an array of integers")]
)
def test_a_sampler_that_draws_what_it_may_not_is_refused(
    plugin: Path, plan: Callable[..., Any], level: str, reason: str
):
    with pytest.raises(KnockoutError, match=f"arm 'negatives={level}' cannot run: .*{reason}"):
        plan({"negatives": level})


def test_a_method_that_refuses_the_data_is_refused(plan: Callable[..., Any], monkeypatch: pytest.MonkeyPatch):
    def refuse(*arguments: object) -> None:
        raise KnockoutError("needs 50 cells, not 40.")

    monkeypatch.setattr(registry.level("scorer", "degree"), "__init__", refuse)
    with pytest.raises(KnockoutError, match="arm 'degree' cannot run: needs 50 cells, not 40"):
        plan({"gnn": "none"})


@pytest.mark.parametrize("error", [ValueError("of a plug-in"), SystemExit(1)])
def test_what_else_fails_is_left_to_its_cells(
    plan: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, error: BaseException
):
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(refusals, "prepare", fail)
    assert len(plan({"gnn": "none"}).cells) == 6


@pytest.mark.parametrize("kind", KINDS, ids=["design", "tuned", "search"])
@pytest.mark.parametrize("command", ["plan", "run"])
def test_the_command_ends_with_one_message_and_leaves_no_folder(
    knockout: Callable[..., Any], tmp_path: Path, kind: dict[str, Any], command: str
):
    file, out = tmp_path / "study.yaml", tmp_path / "out"
    study = {"name": "x", "datasets": SETS[:1], "preset": "knockout-small", "reference": {"negatives": DRAWS_NONE}}
    file.write_text(yaml.safe_dump({**study, **kind}))
    completed = knockout(command, file, "--out", out)
    assert completed.code == 2 and "raise joint or quantile" in completed.err and "Traceback" not in completed.err
    assert completed.err.startswith("error: datasets[0] (net-1): arm ")
    assert not out.exists()


ENDS = {"cooccurrence": {"joint": [0.001, 0.5], "quantile": 0.0}}  # its low end draws none


@pytest.mark.parametrize(
    ("vary", "arm"),
    [
        ({"gnn": ["none"], "negatives": ["uniform", DRAWS_NONE]}, r"joint=0\.001, quantile=0\.0"),
        ({"negatives": [ENDS]}, r"quantile=0\.0"),
        ({"scorer": ["degree", "assembled"], "negatives": [DRAWS_NONE]}, r"joint=0\.001, quantile=0\.0"),
    ],
    ids=["level", "end of a range", "beside a rule that draws none"],
)
def test_a_space_with_a_drawing_that_a_data_set_cannot_hold_is_refused(
    searched: Callable[..., Study], tmp_path: Path, vary: dict[str, Any], arm: str
):
    study = searched(datasets=SETS, search={"trials": 2, "vary": vary})
    with pytest.raises(KnockoutError, match=f"{arm}.*cannot run: .*raise joint.* narrow its range") as refused:
        open_search(study, tmp_path / "out")
    assert refused.value.where == "datasets[0] (net-1), datasets[1] (net-2)"


def test_a_method_of_a_space_that_refuses_the_data_is_refused(
    searched: Callable[..., Study], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*arguments: object) -> None:
        raise KnockoutError("needs 50 cells, not 40.")

    monkeypatch.setattr(registry.level("scorer", "degree"), "__init__", refuse)
    study = searched(search={"trials": 2, "vary": {"scorer": ["assembled", "degree"]}})
    with pytest.raises(KnockoutError, match="arm 'scorer=degree' cannot run: needs 50 cells"):
        open_search(study, tmp_path / "out")


def test_a_range_that_an_arm_is_tuned_over_is_refused(study_file: Callable[..., Path], tmp_path: Path):
    tune = {"trials": 2, "vary": {"negatives": [ENDS]}}
    reference = {"negatives": {"cooccurrence": {"quantile": 0.5}}}
    study = load_study(study_file(reference=reference, design={"factors": FACTORS, "tune": tune}))
    with pytest.raises(KnockoutError, match=r"cannot run: .*raise joint"):
        open_tuning(study, tmp_path / "out")


def test_what_a_space_draws_alike_is_drawn_once_per_data_set(
    searched: Callable[..., Study], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    drawn: list[tuple[str, str]] = []
    monkeypatch.setattr(
        refusals, "prepare", lambda arm, dataset, *rest: drawn.append((dataset.name, str(arm.choices["negatives"])))
    )
    vary = {"gnn": True, "fusion": True, "optimizer": True, "negatives": [{"uniform": {"ratio": [1, 9]}}, "same_tf"]}
    fixed = ["negatives.same_tf.ratio"]
    open_search(searched(datasets=SETS, search={"trials": 2, "vary": vary, "fixed": fixed}), tmp_path / "out")
    assert len(drawn) == len(set(drawn)) == 8  # on 2 data sets: the reference, both ends of its range, another level


def test_the_space_of_all_factors_is_drawn_on_a_small_network(searched: Callable[..., Study], tmp_path: Path):
    assert not open_search(searched(search={"trials": 2}), tmp_path / "out").over
