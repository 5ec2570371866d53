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
from study.study_file.study import load_study

DRAWS_NONE = {"cooccurrence": {"joint": 0.001, "quantile": 0.0}}  # every gene is high in every cell
SETS = [{"simulate": {"genes": 64, "tfs": 8, "cells": 40}, "seed": seed, "name": f"net-{seed}"} for seed in (1, 2)]
FACTORS = {"gnn": ["none"]}
KINDS = [
    {"design": {"factors": FACTORS}},
    {"design": {"factors": FACTORS, "tune": {"trials": 2}}},
    {"search": {"trials": 2, "vary": {"gnn": ["none", "gcn"]}}},
]


@pytest.fixture
def plan(study_file: Callable[..., Path]) -> Callable[..., Any]:
    return lambda *arms, **changes: make_plan(
        load_study(study_file(**{"design": {"kind": "explicit", "arms": list(arms)}, **changes}))
    )


def test_a_sampler_that_cannot_draw_is_refused_for_each_data_set_and_told_once(plan: Callable[..., Any]):
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
    ended = knockout(command, file, "--out", out)
    assert ended.code == 2 and "raise joint or quantile" in ended.err and "Traceback" not in ended.err
    assert ended.err.startswith("error: datasets[0] (net-1): arm ")
    assert not out.exists()
