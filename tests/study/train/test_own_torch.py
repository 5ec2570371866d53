"""Any torch module as an arm: a class in a file beside the study, trained in the loop that its context offers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from train_cases import same

from components import plugins
from components.core import registry
from components.core.errors import KnockoutError
from knockout.testing import LearnerContract
from study.plan.cost.total import estimate
from study.plan.plan import make_plan
from study.plan.silent import refuse_silent_arms
from study.run.memory_probe import probe_peak
from study.search.run import open_tuning
from study.spec import code
from study.spec.cell import Cell
from study.spec.machine import Lane
from study.store.ledger import Ledger
from study.study_file.study import Study, load_study
from study.train.cell import run_cell

LANE = Lane("cpu", 1)
TRAINING = {"epochs": 4, "patience": 9, "graph_epochs": 2, "batch_size": 32}
MODEL = '''
"""A model of one's own."""
import os
import random
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from components.core.registry import register
from components.core.settings import setting
from components.scorer import ExpressionLearner
from components.learning.loop import predict


class Pairs(nn.Module):
    def __init__(self, x, width, dropout):
        super().__init__()
        self.register_buffer("x", x, persistent=False)
        first = nn.Linear(2 * x.shape[1], width)
        self.layers = nn.Sequential(first, nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, 1))

    def forward(self, pairs):
        return self.layers(torch.cat([self.x[pairs[:, 0]], self.x[pairs[:, 1]]], dim=1)).squeeze(1)


@register("scorer", "mine")
class Mine(ExpressionLearner):
    """Scores pairs by two layers over both profiles ``[pairs, 2 cells]``."""

    class Settings(ExpressionLearner.Settings):
        """Settings of the network."""

        lr: float = setting(1e-2, "learning rate", ge=1e-5, le=1.0, search=(1e-3, 1e-1), log=True)
        width: int = setting(8, "width of the hidden layer", ge=1, le=64)
        dropout: float = setting(0.2, "dropout", ge=0.0, le=0.9)
        pretrained: bool = setting(False, "whether a first stage is trained")
        unread: float = setting(1.0, "read by nobody", ge=0.0, le=9.0)
        sin: str = setting("", "what it does wrong")

    def fit(self, view, context):
        s, sin = self.settings, self.settings.sin
        self.module = Pairs(context.tensor(view.expression), s.width, s.dropout).to(context.device)
        adam = torch.optim.Adam(self.module.parameters(), lr=s.lr)
        steps = torch.optim.lr_scheduler.StepLR(adam, 2, 0.5)
        for stage in ("graph", "joint") if s.pretrained else ("joint",):
            for epoch in context.epochs(self.module, adam, steps, stage=stage):
                if os.environ.get("KILL_AT") == f"{stage}{epoch.number}":
                    raise RuntimeError("KilledError")
                while sin == "endless":
                    time.sleep(0.01)
                for pairs, labels in epoch.batches():
                    loss = F.binary_cross_entropy_with_logits(self.module(pairs), labels)
                    loss = loss * (1 + 0.1 * np.random.random() + 0.1 * random.random() + 0.1 * epoch.rng.random())
                    adam.zero_grad()
                    loss.backward()
                    adam.step()
                    if sin != "loss":
                        epoch.loss(loss * float("nan") if sin == "nan" else loss)
                steps.step()
                scores = predict(self.module, view.validation)
                if sin != "silence":
                    epoch.validate(scores[:-1] if sin == "few" else scores)
                if sin == "twice":
                    epoch.validate(scores)
            if sin == "again":
                next(context.epochs(self.module, adam))
            if sin == "stage":
                next(context.epochs(self.module, adam, stage="third"))

    def score(self, pairs):
        return predict(self.module, pairs)
'''


@pytest.fixture
def load(study_file: Callable[..., Path], tmp_path: Path) -> Iterator[Callable[..., Study]]:
    """Load a study with a plug-in file beside it, which is forgotten after the test."""
    (tmp_path / "own_model.py").write_text(MODEL)
    registry.levels("scorer")
    before, loaded = dict(registry._LEVELS["scorer"]), dict(plugins._LOADED)

    def make(*arms: dict[str, Any], **changes: Any) -> Study:
        design = {"kind": "explicit", "arms": list(arms) or [{"name": "own", "mine": {}}]}
        given = {"training": TRAINING, "repeats": 1, "controls": False, "design": design, "plugins": ["own_model.py"]}
        path = study_file(**{**given, **changes})
        content = {key: value for key, value in yaml.safe_load(path.read_text()).items() if value is not None}
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return load_study(path)

    yield make
    registry._LEVELS["scorer"] = before
    for name in plugins._LOADED.keys() - loaded.keys():
        del plugins._LOADED[name]
        plugins.sys.modules.pop(name, None)
    code.clear_cache()


@pytest.fixture
def cell(load: Callable[..., Study]) -> Callable[..., Cell]:
    def make(**settings: Any) -> Cell:
        return next(c for c in make_plan(load({"name": "own", "mine": settings})).cells if c.arm.name == "own")

    return make


class TestTraining:
    def test_curves_parameters_and_best_epoch_are_recorded_as_those_of_assembled_arms(self, cell):
        record = run_cell(cell(), LANE).record
        assert record.ok, record.reason
        assert list(record.curves) == ["joint_loss", "joint_validation_auroc"]
        scores = record.curves["joint_validation_auroc"]
        assert len(scores) == 4 and record.best_epoch == 1 + scores.index(max(scores))
        assert record.scores["validation"]["auroc"] == pytest.approx(max(scores)), "the best weights were restored"
        assert record.parameters == 2 * 40 * 8 + 8 + 8 + 1

    def test_patience_ends_it_and_the_last_epoch_is_kept_where_it_is_asked_for(self, load):
        training = {**TRAINING, "epochs": 30, "patience": 1}
        best, last = (
            run_cell(make_plan(load(training={**training, "keep": keep})).cells[1], LANE).record
            for keep in ("best", "last")
        )
        scores = best.curves["joint_validation_auroc"]
        assert len(scores) < 30 and best.best_epoch == len(scores) - 1
        assert last.best_epoch == len(scores)
        assert last.scores["validation"]["auroc"] == pytest.approx(scores[-1])

    @pytest.mark.parametrize("killed", [["joint2"], ["joint3", "joint4"]])
    def test_a_killed_cell_goes_on_to_the_last_bit(self, cell, tmp_path, monkeypatch, killed):
        monkeypatch.setattr("study.train.checkpoint.EVERY_S", 0.0)
        planned_cell = cell()
        whole = run_cell(planned_cell, LANE)
        for at in killed:
            monkeypatch.setenv("KILL_AT", at)
            assert "KilledError" in run_cell(planned_cell, LANE, tmp_path).record.reason
        monkeypatch.setenv("KILL_AT", "joint1")  # which is trained no more
        same(whole, run_cell(planned_cell, LANE, tmp_path))
        assert not list((tmp_path / "checkpoints").glob("*.pt"))

    @pytest.mark.parametrize("killed", ["graph2", "joint1", "joint3"])
    def test_a_stage_that_has_ended_is_not_trained_again(self, cell, tmp_path, monkeypatch, killed):
        monkeypatch.setattr("study.train.checkpoint.EVERY_S", 0.0)
        planned_cell = cell(pretrained=True)
        whole = run_cell(planned_cell, LANE)
        assert next(iter(whole.record.curves)) == "graph_loss" and len(whole.record.curves["graph_loss"]) == 2
        monkeypatch.setenv("KILL_AT", killed)
        assert "KilledError" in run_cell(planned_cell, LANE, tmp_path).record.reason
        monkeypatch.setenv("KILL_AT", "joint1" if killed == "joint3" else "graph1")
        same(whole, run_cell(planned_cell, LANE, tmp_path))

    def test_it_draws_its_batches_within_a_pass_as_assembled_arms_do(self, load):
        planned_cell = make_plan(load(training={**TRAINING, "validate_every": 2})).cells[1]
        assert run_cell(planned_cell, LANE).record.ok

    @pytest.mark.parametrize(
        ("sin", "status", "reason"),
        [
            ("nan", "diverged", "the joint loss became nan"),
            ("loss", "error", "tell the loss first"),
            ("few", "error", "one score per validation pair"),
            ("silence", "error", "each epoch tells its validation scores"),
            ("twice", "error", "called once an epoch"),
            ("again", "error", "'joint' was trained before"),
            ("stage", "error", "unknown stage of training 'third'"),
        ],
    )
    def test_its_mistakes_are_reported(self, cell, sin, status, reason):
        record = run_cell(cell(sin=sin), LANE).record
        assert record.status.value == status and reason in record.reason

    def test_it_ends_at_its_timeout(self, cell, tmp_path):
        record = run_cell(cell(sin="endless"), LANE, tmp_path, timeout_s=0.5).record
        assert record.status.value == "timeout" and "--timeout allows (0.5 s)" in record.reason


class TestPlan:
    def test_a_setting_that_it_does_not_read_is_caught(self, load):
        one, other = {"name": "one", "mine": {"unread": 2.0}}, {"name": "other", "mine": {"unread": 3.0}}
        ablation = load(one, other)
        with pytest.raises(KnockoutError, match="never reaches the model"):
            refuse_silent_arms(ablation.arms, ablation.budget)
        read = load({"name": "one", "mine": {"lr": 0.1}}, {"name": "other", "mine": {"lr": 0.01}})
        refuse_silent_arms(read.arms, read.budget)

    @pytest.mark.slow
    def test_cost_and_memory_are_measured(self, load, tmp_path):
        planned = make_plan(
            load(
                controls=["noise"], reference={"mine": {}}, design={"arms": [{"mine": {"lr": 0.1}}], "kind": "explicit"}
            )
        )
        assert [cell.arm.role for cell in planned.cells] == ["reference", "arm", "control"]
        cost = estimate(planned, Ledger(tmp_path))
        assert cost.unknown == 0 and cost.at_most > 0
        assert probe_peak(planned.cells, "cpu") > 0  # in a process of its own, which loads the plug-in first


class TestStudyFile:
    @pytest.mark.parametrize(
        ("baseline", "names"),
        [
            ("mine", ["mine"]),
            ({"mine": {"width": 4}}, ["mine(width=4)"]),
            ({"name": "ours", "mine": {"width": 4}}, ["ours"]),
            ({"mine": None, "controls": ["noise"]}, ["mine", "mine (noise)"]),
        ],
        ids=str,
    )
    def test_it_is_a_baseline_like_any_other(self, load, baseline, names):
        study = load(baselines=[baseline], design={"kind": "explicit", "arms": [{"gnn": "none"}]})
        assert [arm.name for arm in study.arms[2:]] == names
        assert all(arm.learns for arm in study.arms[2:])

    def test_two_scorers_of_one_arm_are_refused(self, load):
        with pytest.raises(KnockoutError, match=r"an arm has one scorer.*mine, command"):
            load({"name": "own", "mine": {}, "command": "x {scores}"})
        with pytest.raises(KnockoutError, match="settings are a mapping"):
            load({"name": "own", "mine": 3})

    def test_a_plug_in_that_is_not_there_is_named_with_its_line(self, load):
        with pytest.raises(KnockoutError, match="there is no") as refused:
            load(plugins=["own_models.py"])
        assert "own_model.py" in refused.value.message and "tiny.yaml, line" in refused.value.where

    def test_its_settings_are_searched_in_their_declared_ranges_and_tuned(self, load, tmp_path):
        search = {"trials": 2, "fixed": ["negatives"]}
        searched = load(reference={"mine": {}}, search=search, design=None)
        assert [p.name for p in searched.space.parameters] == ["scorer.mine.lr"]
        given = {**search, "fixed": [], "vary": {"scorer": [{"mine": {"width": [2, 8], "lr": [1e-3, 1e-2]}}]}}
        varied = load(reference={"mine": {}}, search=given, design=None)
        assert [p.name for p in varied.space.parameters] == ["scorer.mine.lr", "scorer.mine.width"]
        tuned = load(design={"kind": "explicit", "arms": [{"mine": {}}], "tune": {"trials": 2, "fixed": ["negatives"]}})
        searches = {arm.name: search for arm, search in open_tuning(tuned, tmp_path)}
        assert [p.name for p in searches["scorer=mine"].space.parameters] == ["scorer.mine.lr"]

    def test_its_code_is_part_of_the_cells_identity(self, cell, tmp_path, monkeypatch):
        planned_cell = cell()
        read = code.read_source

        def digest_with(text: str) -> str:
            code.clear_cache()
            monkeypatch.setattr(
                code, "read_source", lambda path: text.encode() if path.stem == "own_model" else read(path)
            )
            return planned_cell.code_digest

        assert digest_with(MODEL) == digest_with(MODEL.replace('"""A model of one\'s own."""', '"""Other words."""'))
        assert digest_with(MODEL) != digest_with(MODEL.replace("0.1 * np.random", "0.2 * np.random"))


class TestContract(LearnerContract):
    level_name = "mine"
    settings: ClassVar = {"pretrained": True}

    @pytest.fixture(autouse=True)
    def loaded(self, load: Callable[..., Study]) -> None:
        load()
