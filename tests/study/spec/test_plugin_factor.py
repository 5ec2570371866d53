"""A whole factor of a plug-in: it varies, counts in digests and tables, and leaves what does not name it as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from components import plugins
from components.core import registry
from components.core.errors import KnockoutError
from components.core.streams import Streams
from components.steps import register_factor
from reports.table import blocks as table_blocks
from reports.table.blocks import arm_levels
from reports.table.table import load
from study.plan.plan import make_plan
from study.plan.silent import refuse_silent_arms
from study.spec import code
from study.spec.datasets import load_dataset
from study.spec.machine import Lane
from study.store.table import write_table
from study.study_file.study import Study, load_study
from study.train.cell import run_cell
from study.train.exams import make_split
from study.train.learner import view_of
from study.train.score import assemble_arm
from study.train.stages.shared import shared_stages

LANE = Lane("cpu", 1)
STEPS = '''
import numpy as np

from components.core.registry import register
from components.core.settings import setting
from components.scorer import ExpressionLearner
from torch import nn
from components.steps import EmbeddingStep, ExpressionStep, ScoreStep, register_factor

register_factor("normalise", "what is done to expression before a model sees it", "expression")
register_factor("calibrate", "what is done to scores", "scores")
register_factor("refine", "what is done to embeddings", "embeddings")


@register("refine", "linear")
class Linear(EmbeddingStep):
    """Maps embeddings ``[genes, width]`` linearly."""

    def build(self, width):
        return nn.Linear(width, width)


@register("refine", "narrow")
class Narrow(EmbeddingStep):
    """Loses a column of ``[genes, width]``."""

    def build(self, width):
        return nn.Linear(width, width - 1)


@register("normalise", "ranks")
class Ranks(ExpressionStep):
    """Replaces values by their ranks within a cell ``[genes, cells]``."""

    class Settings(ExpressionStep.Settings):
        """Settings of the ranks."""

        power: float = setting(1.0, "exponent", ge=0.1, le=3.0, search=(0.5, 2.0))

    def transform(self, expression, rng):
        return (expression.argsort(axis=0).argsort(axis=0) / len(expression)) ** self.settings.power


@register("normalise", "idle")
class Idle(ExpressionStep):
    """Does nothing to ``[genes, cells]``."""

    def transform(self, expression, rng):
        return expression


@register("normalise", "short")
class Short(ExpressionStep):
    """Loses a gene of ``[genes, cells]``."""

    def transform(self, expression, rng):
        return expression[1:]


@register("calibrate", "by_tf")
class ByTF(ScoreStep):
    """Takes what tells TFs of many targets apart off scores ``[pairs]``."""

    def adjust(self, scores, pairs, training):
        degree = np.bincount(training.train[:, 0], minlength=training.n_genes)
        return scores - 0.1 * degree[pairs[:, 0]]


@register("scorer", "looks")
class Looks(ExpressionLearner):
    """Scores ``[pairs]`` by mean expression."""

    def fit(self, view, context):
        self.means = view.expression.mean(axis=1)

    def score(self, pairs):
        return self.means[pairs[:, 0]] * self.means[pairs[:, 1]]
'''


@pytest.fixture
def load_steps(study_file: Callable[..., Path], tmp_path: Path) -> Iterator[Callable[..., Study]]:
    """Load a study with the factors, which are forgotten after the test."""
    (tmp_path / "own_steps.py").write_text(STEPS)
    registry.levels("scorer")
    scorers, columns = dict(registry._LEVELS["scorer"]), list(table_blocks.FACTORS)

    def make(**changes: Any) -> Study:
        given = {"plugins": ["own_steps.py"], "controls": ["degree"], "repeats": 1}
        return load_study(study_file(**{**given, **changes}))

    yield make
    registry._LEVELS["scorer"] = scorers
    table_blocks.FACTORS[:] = columns
    for name in ("normalise", "calibrate", "refine", "smooth"):
        registry.FACTORS.pop(name, None)
        registry._LEVELS.pop(name, None)
    plugins._LOADED.pop("own_steps", None)
    plugins.sys.modules.pop("own_steps", None)
    code.clear_cache()


def explicit(*arms: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "explicit", "arms": list(arms)}


def test_what_does_not_name_it_stays_the_cell_that_it_was(load_steps):
    before = [cell.digest for cell in make_plan(load_steps(plugins=[], baselines=["pcc"])).cells]
    cells = make_plan(load_steps(baselines=["pcc"])).cells
    assert [cell.digest for cell in cells] == before
    assert cells[0].row.levels["normalise"] == "none"


def test_it_acts_on_what_is_trained_and_on_no_rule_or_known_method(load_steps):
    plain, ranked = load_steps(baselines=["pcc"]), load_steps(baselines=["pcc"], reference={"normalise": "ranks"})
    same = [one.digest == other.digest for one, other in zip(plain.arms, ranked.arms, strict=True)]
    assert [arm.role for arm in plain.arms] == ["reference", "arm", "baseline", "control"]
    assert same == [False, False, True, True]


def test_it_varies_in_a_design_and_is_in_the_report(load_steps, tmp_path):
    factors = {"normalise": ["none", {"ranks": {"power": 2.0}}], "calibrate": ["none", "by_tf"]}
    study = load_steps(design={"kind": "full_factorial", "factors": factors})
    assert len(study.arms) == 4 + 1
    refuse_silent_arms(study.arms, study.budget)
    planned = make_plan(study)
    results = {cell.digest: run_cell(cell, LANE) for cell in planned.cells}
    assert all(result.record.ok for result in results.values())
    scores = [tuple(result.predictions["score"]) for result in results.values()]
    assert len(set(scores)) == 5
    (tmp_path / "out").mkdir()
    path = write_table(planned.record.rows, {key: result.record for key, result in results.items()}, tmp_path / "out")
    levels = arm_levels(load(path).frame)
    assert set(levels["normalise"]) == {"none", "ranks"} and set(levels["calibrate"]) == {"none", "by_tf"}


class TestInsideTheModel:
    def test_it_is_trained_with_the_model_and_leaves_the_other_weights_as_they_are(self, load_steps):
        study = load_steps(design=explicit({"refine": "linear"}))
        refuse_silent_arms(study.arms, study.budget)
        dataset = load_dataset(study.datasets[0], study.root)
        split, streams = make_split(dataset, study.splits[0], 0), Streams(dataset.digest, 0)
        plain, refined = (assemble_arm(arm, dataset, split, streams, "cpu").model for arm in study.arms[:2])
        own = {name for name, _ in refined.named_parameters()} - {name for name, _ in plain.named_parameters()}
        assert own == {
            f"steps.refine.{k}.{what}" for k in range(len(refined.gnn.widths)) for what in ("weight", "bias")
        }
        assert all(torch.equal(value, refined.state_dict()[name]) for name, value in plain.state_dict().items())
        loss = refined.score(refined.encode(torch.tensor([[0], [1]])), torch.tensor([[0, 2], [3, 4]]))[0].sum()
        loss.backward()
        assert all(refined.get_parameter(name).grad.any() for name in own)
        results = [run_cell(cell, LANE).record for cell in make_plan(study).cells[:2]]
        assert all(record.ok for record in results), [record.reason for record in results]
        assert results[1].parameters > results[0].parameters
        assert results[0].scores != results[1].scores

    def test_it_does_not_act_where_nothing_reads_embeddings(self, load_steps):
        arms = [{"name": "a", "gnn": "none"}, {"name": "b", "fusion": "expert"}, {"name": "c", "looks": {}}]
        plain = load_steps(reference={"gnn": "gat"}, design=explicit(*arms)).arms[1:4]
        refined = load_steps(reference={"gnn": "gat", "refine": "linear"}, design=explicit(*arms)).arms[1:4]
        for one, other in zip(plain, refined, strict=True):
            assert one.canonical == other.canonical
        assert all(arm.levels()["refine"] == "-" for arm in refined)

    def test_the_graph_stage_is_shared_for_it_is_not_read_there(self, load_steps, tmp_path):
        study = load_steps(design=explicit({"refine": "linear"}))
        one, other = (
            shared_stages(arm, "data", study.splits[0], 0, 0, study.budget, "cpu", tmp_path).graph
            for arm in study.arms[:2]
        )
        assert one == other

    def test_another_shape_fails_its_cell_with_both_shapes(self, load_steps):
        cells = make_plan(load_steps(design=explicit({"refine": "narrow"}))).cells
        record = next(run_cell(cell, LANE).record for cell in cells if cell.arm.name == "refine=narrow")
        assert not record.ok and "refine returns embeddings [genes, width]" in record.reason


def test_leaving_it_out_is_its_absence(load_steps):
    design = {"kind": "leave_one_out", "factors": {"normalise": None}}
    study = load_steps(reference={"normalise": "ranks"}, design=design)
    assert [arm.name for arm in study.arms[:2]] == ["full model", "normalise=none"]
    assert "normalise" not in study.arms[1].canonical


def test_a_level_that_does_nothing_is_caught(load_steps):
    study = load_steps(design=explicit({"normalise": "idle"}))
    with pytest.raises(KnockoutError, match="never reaches the model"):
        refuse_silent_arms(study.arms, study.budget)


def test_a_level_of_the_wrong_shape_is_refused_before_anything_is_trained(load_steps):
    study = load_steps(design=explicit({"normalise": "short"}))
    with pytest.raises(KnockoutError, match=r"normalise=short returns expression \[genes, cells\]"):
        make_plan(study)


def test_arms_that_are_shown_other_expression_share_no_stage(load_steps, tmp_path):
    study = load_steps(design=explicit({"normalise": "ranks"}, {"calibrate": "by_tf"}))
    paths = [
        shared_stages(arm, "data", study.splits[0], 0, 0, study.budget, "cpu", tmp_path).graph for arm in study.arms[:3]
    ]
    assert paths[0] == paths[2] != paths[1]


def test_a_model_of_ones_own_is_shown_it(load_steps):
    study = load_steps(reference={"looks": {}}, design=explicit({"normalise": "ranks"}))
    dataset = load_dataset(study.datasets[0], study.root)
    split, streams = make_split(dataset, study.splits[0], 0), Streams(dataset.digest, 0)
    plain, ranked = (view_of(arm, dataset, split, streams).expression for arm in study.arms[:2])
    np.testing.assert_array_equal(plain, dataset.expression)
    assert ranked.max() < 1 and ranked.dtype == np.float32


def test_it_is_searched_with_its_settings(load_steps, study_file, tmp_path):
    search = {"trials": 2, "vary": {"normalise": True}, "fixed": []}
    path = study_file(plugins=["own_steps.py"], search=search)
    content = {key: value for key, value in yaml.safe_load(path.read_text()).items() if key != "design"}
    path.write_text(yaml.safe_dump(content))
    names = [parameter.name for parameter in load_study(path).space.parameters]
    assert names == ["normalise", "normalise.ranks.power"]


@pytest.mark.parametrize(
    ("name", "reason"), [("Smooth", "small letters"), ("dataset", "table's columns"), ("gnn", "'gnn' is taken")]
)
def test_a_name_that_it_cannot_have_is_refused(name, reason):
    with pytest.raises(KnockoutError, match=reason):
        register_factor(name, "smooths", "expression")
