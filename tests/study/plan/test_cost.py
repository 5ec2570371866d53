import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.core.budget import Budget
from study.plan.cost import pace
from study.plan.cost.timing import Pace, StagePace
from study.plan.cost.total import estimate
from study.plan.cost.work import Draw, ExamSize, Work, distance, shape_of
from study.plan.plan import Plan, make_plan
from study.spec.records import CellRecord
from study.store.ledger import Ledger
from study.study_file.study import load_study
from study.train.exams import make_split
from study.train.stages.trainer import Trainer

SIMULATED = {"simulate": {"genes": 64, "tfs": 8, "cells": 40}}
TWO = [{**SIMULATED, "seed": 1}, {**SIMULATED, "seed": 2}]
RATES = [{"optimizer": {"adam": {"learning_rate": rate}}} for rate in (1e-4, 1e-3)]


@pytest.fixture
def plan(study_file: Callable[..., Path]) -> Callable[..., Plan]:
    def make(*arms: dict[str, Any], **changes: Any) -> Plan:
        design = {"design": {"kind": "explicit", "arms": list(arms)}} if arms else {}
        return make_plan(load_study(study_file(**{"repeats": 1, **design, **changes})))

    return make


@pytest.fixture
def flat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every arm take a second per joint batch, ten per graph batch and nothing else."""
    fixed_pace = Pace(joint=StagePace(batch=1.0), graph=StagePace(batch=10.0))
    monkeypatch.setattr(pace, "measured", lambda measure, limit=None: fixed_pace)


def test_no_epoch_is_trained_and_every_timing_is_reported(
    plan: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    for bound in ("ENOUGH_S", "LONGEST_S"):  # however busy the machine is, everything is timed
        monkeypatch.setattr(pace, bound, 600.0)
    batches: list[int] = []
    train = Trainer.train

    def watched(self: Trainer, stage: Any, passes: Any) -> float:
        before = len(passes.rows)
        loss = train(self, stage, passes)
        batches.append((before or len(passes.candidates)) - len(passes.rows))
        return loss

    monkeypatch.setattr(Trainer, "train", watched)
    monkeypatch.setattr(Trainer, "run", lambda *_: pytest.fail("an epoch is trained"))
    messages: list[str] = []
    planned = plan(*RATES, {"gnn": "none"}, training={"batch_size": 16, "graph_batch_size": 16, "graph_epochs": 1})
    cost = estimate(planned, Ledger(tmp_path / "out"), messages.append)
    assert set(batches) <= {16} and 6 <= len(batches) <= 9  # two or three batches of each of three stages
    assert messages == [
        "timing 3 batches of full model on net (1 of 3)",
        "timing 3 batches of gnn=none on net (2 of 3)",
        "timing degree on net (3 of 3)",
    ]
    assert (cost.timed, cost.kinds, cost.slow, cost.unknown) == (3, 3, {}, 0) and 0 < cost.seconds <= cost.at_most
    assert not (tmp_path / "out").exists()


def test_arms_of_one_shape_share_a_timing_and_a_finished_cell(plan: Callable[..., Plan], tmp_path: Path):
    planned, ledger = plan(*RATES, datasets=TWO), Ledger(tmp_path / "out")
    assert estimate(planned, ledger).kinds == 4  # full model and degree, on two data sets
    first = next(cell for cell in planned.cells if cell.arm.role == "arm")
    ledger.write(CellRecord(cell=first.digest, seconds=1000.0))
    with_record = estimate(planned, ledger)
    assert with_record.kinds == 3, "the other rates on the same data set are known, too"
    assert 2000 < with_record.seconds < 3000


@pytest.mark.usefixtures("flat")
def test_a_rule_that_the_leak_audit_ran_is_not_timed_again(plan: Callable[..., Plan], tmp_path: Path):
    planned, ledger = plan(*RATES, datasets=TWO, controls=["degree"]), Ledger(tmp_path / "out")
    first, second = (dataset.name for dataset in planned.datasets)
    messages: list[str] = []
    cost = estimate(planned, ledger, messages.append, {("degree", first): 1e6, ("degree", second): 2e6})
    assert cost.kinds == 2 and not any("degree" in message for message in messages)
    assert cost.seconds == pytest.approx(planned.study.repeats * 3e6, rel=0.01)


@pytest.mark.usefixtures("flat")
def test_an_epoch_costs_its_batches_and_a_stage_that_arms_share_is_paid_once(plan: Callable[..., Plan], tmp_path: Path):
    training = {"epochs": 5, "patience": 5, "graph_epochs": 3, "graph_patience": 3, "batch_size": 8}
    planned = plan({"fusion": "late"}, training={**training, "graph_batch_size": 1_000_000}, controls=["degree"])
    cost = estimate(planned, Ledger(tmp_path / "out"))
    pairs = _pairs(planned)
    joint, graph = 5 * -(-pairs // 8), 3 * 10
    assert cost.at_most == pytest.approx(2 * joint + graph, rel=0.01)  # two arms, one pre-training
    apart = plan({"gnn": "gcn"}, training={**training, "graph_batch_size": 1_000_000}, controls=["degree"])
    assert estimate(apart, Ledger(tmp_path / "out")).at_most == pytest.approx(2 * joint + 2 * graph, rel=0.01)


def _pairs(planned: Plan) -> int:
    split = make_split(planned.datasets[0], planned.study.splits[0], 0)
    return len(split.train) + round(planned.study.reference.choices["negatives"].settings.ratio * len(split.train))


@pytest.mark.usefixtures("flat")
def test_a_third_of_the_epochs_is_likely_and_never_less_than_the_patience(plan: Callable[..., Plan], tmp_path: Path):
    given = {"design": {"kind": "explicit", "arms": [{"pair_encoder": "mlp"}]}, "reference": {"gnn": "none"}}

    def of(**training: int) -> float:
        cost = estimate(plan(**given, training=training), Ledger(tmp_path / "out"))
        return cost.seconds / cost.at_most

    assert of(epochs=300, patience=9) == pytest.approx(1 / 3, rel=0.01)
    assert of(epochs=20, patience=9) == pytest.approx(1 / 2, rel=0.01)
    assert of(epochs=5, patience=9) == 1.0


def test_what_is_not_timed_follows_the_nearest(
    plan: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(pace, "ENOUGH_S", 0.0)  # one trained arm and one other
    dims = [{"pair_encoder": {"transformer": {"dim": dim}}} for dim in (32, 64)]
    cost = estimate(plan(*dims, datasets=TWO), Ledger(tmp_path / "out"))
    assert (cost.timed, cost.kinds) == (2, 8) and not cost.slow
    assert cost.at_most > 0


def test_a_method_that_takes_longer_than_a_plan_is_named(
    plan: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    def endless(*_: Any) -> Pace:
        while True:
            time.sleep(0.001)

    monkeypatch.setattr(pace, "pace_of_method", endless)
    monkeypatch.setattr(pace, "LONGEST_S", 0.05)
    cost = estimate(plan(*RATES, repeats=2), Ledger(tmp_path / "out"))
    assert cost.slow == {"degree": 2} and cost.at_most > 0


def test_the_nearest_shape_is_of_the_same_levels(plan: Callable[..., Plan]):
    given: dict[str, dict[str, Any]] = {
        "bigger": {"pair_encoder": {"transformer": {"dim": 32}}},
        "other": {"pair_encoder": "mlp"},
        "rate": RATES[0],
    }
    planned = plan(*({"name": name, **arm} for name, arm in given.items()))
    shapes = {arm.name: shape_of(arm, planned.study.budget) for arm in planned.study.arms}
    here = shapes["full model"]
    assert distance(here, shapes["rate"]) == 0.0
    assert 0 < distance(here, shapes["bigger"]) < distance(here, shapes["other"])
    assert shape_of(planned.study.reference, Budget(batch_size=64)) != here


def test_work_adds_up_batches_validation_draws_and_the_final_scoring(plan: Callable[..., Plan]):
    cell = plan(training={"epochs": 4, "patience": 4, "batch_size": 50, "graph_epochs": 0}).cells[0]
    timed = Pace(start=2.0, joint=StagePace(batch=1.0, encode=0.5, pair=0.01))
    work = Work(cell, timed, ExamSize(3, 100, 30, 70), Draw(90, 0.25, fresh=True))
    epoch = 4 * 1.0 + 0.25 + 0.5 + 0.01 * 30
    assert work.seconds(lambda most, patience: most, pays=True) == pytest.approx(
        3 * (2.0 + 4 * epoch + 0.5 + 0.01 * 100)
    )


def test_an_arm_without_a_graph_pays_no_graph_stage_whatever_pace_it_follows(plan: Callable[..., Plan]):
    cells = plan(training={"graph_epochs": 4}).cells
    timed, exam = Pace(graph=StagePace(batch=1.0)), ExamSize(1, 100, 30, 70)
    seconds = {
        cell.arm.name: Work(cell, timed, exam, Draw(100)).seconds(lambda most, patience: most, pays=True)
        for cell in cells
        if cell.arm.trains
    }
    assert seconds["full model"] > 0 and seconds["gnn=none"] == 0
