"""The cheap tier of the silent-arm check: what it distinguishes, and what it leaves to a training."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from components import plugins
from components.core import registry
from components.core.errors import KnockoutError
from study.plan import fingerprint, silent
from study.plan.silent import refuse_silent_arms
from study.spec import code
from study.study_file.study import Study, load_study

LEVELS = '''
import torch
from torch import nn
from components.bucketing.profile import NoBucketing
from components.contrast import Contrast
from components.core.registry import register
from components.core.settings import setting
from components.fusion import Multiscale
from components.gnn.gat import GAT
from components.negatives import Uniform
from components.optimizer import Adam
from components.pair_encoder.transformer import TransformerPairEncoder
from components.scorer.assembled import Assembled
from components.scorer.rules import Degree


def deaf(factor, base):
    """Register a level with a setting that never reaches the model."""
    namespace = {"__annotations__": {"unread": int}, "unread": setting(1, "read by nobody"), "__doc__": "Settings."}
    Settings = type("Settings", (base.Settings,), {**namespace, "__module__": __name__})
    register(factor, "deaf")(type("Deaf", (base,), {"Settings": Settings, "__doc__": "Deaf.", "__module__": __name__}))


deaf("scorer", Assembled)
deaf("bucketing", NoBucketing)
deaf("gnn", GAT)
deaf("pair_encoder", TransformerPairEncoder)
deaf("fusion", Multiscale)
deaf("negatives", Uniform)
deaf("optimizer", Adam)


@register("contrast", "deaf")
class DeafContrast(Contrast):
    """Has weights of its own that act on nothing: unused ones, and some that are multiplied by zero."""

    class Settings(Contrast.Settings):
        """Settings."""

        unread: int = setting(1, "width of what is not used", ge=1)

    def __init__(self, settings, width):
        super().__init__(settings, width)
        self.unused = nn.Linear(width, settings.unread)
        self.nulled = nn.Linear(width, settings.unread)

    def forward(self, z, labels):
        return 0.0 * self.nulled(z).sum()


@register("contrast", "late")
class Late(Contrast):
    """Begins after some batches."""

    class Settings(Contrast.Settings):
        """Settings."""

        begin: int = setting(1000, "batches before it acts", ge=0)

    def __init__(self, settings, width):
        super().__init__(settings, width)
        self.head = nn.Linear(width, 1)
        self.seen = 0

    def forward(self, z, labels):
        self.seen += 1
        return self.head(z).pow(2).mean() if self.seen > self.settings.begin else z.new_zeros(())


@register("optimizer", "clipped")
class Clipped(Adam):
    """Keeps rates within a ceiling that a schedule may never reach."""

    class Settings(Adam.Settings):
        """Settings."""

        ceiling: float = setting(1.0, "highest rate")

    def _fitter(self, parameters, rate):
        return super()._fitter(parameters, min(rate, self.settings.ceiling))
'''
FACTORS = ("scorer", "bucketing", "gnn", "pair_encoder", "fusion", "contrast", "negatives", "optimizer")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Restore the registry and the cache of tried arms after a test."""
    for name in registry.FACTORS:
        registry.levels(name)
    before = {name: dict(levels) for name, levels in registry._LEVELS.items()}, dict(plugins._LOADED)
    silent.behaviour.cache.clear()
    fingerprint.first_batch.cache.clear()
    yield
    for name, levels in before[0].items():
        registry._LEVELS[name].clear()
        registry._LEVELS[name].update(levels)
    plugins._LOADED.clear()
    plugins._LOADED.update(before[1])
    plugins.sys.modules.pop("deaf_levels", None)
    code.clear_cache()


@pytest.fixture
def study(study_file: Callable[..., Path], tmp_path: Path) -> Callable[..., Study]:
    (tmp_path / "deaf_levels.py").write_text(LEVELS)

    def load(*arms: dict[str, Any], **changes: Any) -> Study:
        given = {"plugins": ["deaf_levels.py"], "controls": ["degree"], "repeats": 1}
        design = {"design": {"kind": "explicit", "arms": [{"name": f"arm {i}", **arm} for i, arm in enumerate(arms)]}}
        return load_study(study_file(**given, **design, **changes))

    return load


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the arms that are trained on the probe."""
    names: list[str] = []
    score = silent.score_fold

    def watched(arm: Any, *more: Any) -> Any:
        names.append(arm.name)
        return score(arm, *more)

    monkeypatch.setattr(silent, "score_fold", watched)
    return names


@pytest.mark.parametrize("factor", FACTORS)
def test_a_setting_that_never_reaches_the_model_is_found_in_every_factor(study, trained, factor: str):
    ablation = study({factor: {"deaf": {"unread": 2}}}, {factor: {"deaf": {"unread": 3}}})
    with pytest.raises(KnockoutError, match=r"'arm 0' and 'arm 1'|'full model' and 'arm 0'") as refused:
        refuse_silent_arms(ablation.arms, ablation.budget)
    assert factor in refused.value.message and "never reaches the model" in refused.value.message
    assert "arm 0" in trained  # found by a training, and not by the first batch alone


def test_weights_that_act_on_nothing_do_not_distinguish_arms(study):
    ablation = study({"contrast": {"deaf": {"unread": 2}}}, {"contrast": {"deaf": {"unread": 5}}})
    assert len({fingerprint.first_batch(arm) for arm in ablation.arms[:3]}) == 1
    fits = fingerprint.fittings(ablation.arms[1:3], ablation.budget)
    assert fits[0] == fits[1] != ""


@pytest.mark.parametrize(
    "changes",
    [
        {"learning_rate": 0.002},
        {"graph_learning_rate": 0.002},
        {"weight_decay": 0.1},
        {"loss": "squared"},
        {"gamma": 0.5, "step_size": 1, "step_by": "batch"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_optimisers_are_distinguished_without_a_training(study, trained, changes: dict[str, Any]):
    ablation = study({"optimizer": {"adam": changes}})
    assert refuse_silent_arms(ablation.arms, ablation.budget) == []
    assert trained == ["degree"]  # a rule, which has no first batch


def test_an_optimisers_setting_that_never_acts_is_found(study):
    ablation = study({"optimizer": {"clipped": {"ceiling": 0.5}}}, {"optimizer": {"clipped": {"ceiling": 0.6}}})
    with pytest.raises(KnockoutError, match="ceiling"):
        refuse_silent_arms(ablation.arms, ablation.budget)
    bites = study({"optimizer": {"clipped": {"ceiling": 1e-6}}}, {"optimizer": {"clipped": {"ceiling": 1e-7}}})
    assert refuse_silent_arms(bites.arms, bites.budget) == []


def test_negatives_that_differ_in_a_later_epoch_are_left_to_a_training(study, trained):
    ablation = study({"negatives": {"uniform": {"fresh": False}}})
    assert refuse_silent_arms(ablation.arms, ablation.budget) == []
    assert set(trained) == {"full model", "arm 0", "degree"}


class TestWhatActsLate:
    def test_is_refused_with_the_switch_that_allows_it(self, study):
        ablation = study({"contrast": {"late": {"begin": 1000}}}, {"contrast": {"late": {"begin": 2000}}})
        with pytest.raises(KnockoutError, match="silent_arms: tell"):
            refuse_silent_arms(ablation.arms, ablation.budget)
        acts = study({"contrast": {"late": {"begin": 1}}}, {"contrast": {"late": {"begin": 2}}})
        assert refuse_silent_arms(acts.arms, acts.budget) == []

    def test_is_reported_where_the_study_allows_it(self, study):
        begins = [{"contrast": {"late": {"begin": begin}}} for begin in (1000, 2000)]
        ablation = study(*begins, silent_arms="tell")
        assert ablation.tells_silent_arms
        lines = refuse_silent_arms(ablation.arms, ablation.budget, tell=ablation.tells_silent_arms)
        assert len(lines) == 2  # and both are like the reference, which has no contrast
        assert "'full model' and 'arm 0'" in lines[0] and "begin" in lines[1] and "or never" in lines[1]

    def test_the_switch_has_two_values(self, study_file):
        assert not load_study(study_file()).tells_silent_arms
        with pytest.raises(KnockoutError, match="'refuse' or 'tell'") as refused:
            load_study(study_file(silent_arms="ignore"))
        assert "silent_arms" in refused.value.where

    @pytest.mark.slow
    def test_a_run_reports_it_and_goes_on(self, study, knockout, tmp_path: Path):
        study(*({"contrast": {"late": {"begin": begin}}} for begin in (1000, 2000)), silent_arms="tell")
        completed = knockout("run", tmp_path / "tiny.yaml", "--out", tmp_path / "out", "--lanes", "cpu:1")
        assert completed.code == 0 and "behave alike on the probe" in completed.out


def test_what_was_tried_is_not_tried_again(study, trained):
    ablation = study({"negatives": {"uniform": {"fresh": False}}})
    refuse_silent_arms(ablation.arms, ablation.budget)
    tried = list(trained)
    refuse_silent_arms(ablation.arms, ablation.budget)
    assert trained == tried
