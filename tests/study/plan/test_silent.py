from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from components.core.budget import Budget
from components.core.errors import KnockoutError
from study.plan import fingerprint, silent
from study.plan.silent import behaviour, refuse_silent_arms
from study.study_file.study import Study, load_study


@pytest.fixture(autouse=True)
def _nothing_is_known():
    silent.behaviour.cache.clear()
    fingerprint.first_batch.cache.clear()


@pytest.fixture
def study(study_file: Callable[..., Path]) -> Callable[..., Study]:
    def load(*arms: dict[str, Any], **changes: Any) -> Study:
        return load_study(study_file(**{"design": {"kind": "explicit", "arms": list(arms)}, **changes}))

    return load


def test_a_setting_that_a_plug_in_ignores_is_caught(plugin: Path, study: Callable[..., Study]):
    ablation = study({"contrast": {"silent": {"strength": 1.0}}}, {"contrast": {"silent": {"strength": 2.0}}})
    with pytest.raises(KnockoutError, match="never reaches the model") as refused:
        refuse_silent_arms(ablation.arms, ablation.budget)
    assert "contrast=silent" in refused.value.message and "strength" in refused.value.message


@pytest.mark.parametrize(
    "arm",
    [
        {"optimizer": {"adam": {"gamma": 0.5, "step_size": 1}}},
        {"optimizer": {"adam": {"weight_decay": 0.1}}},
        {"negatives": {"uniform": {"fresh": False}}},
        {"negatives": {"uniform": {"ratio": 1.0}}},
        {"gnn": {"gat": {"hide_batch": False}}},
        {"gnn": {"gat": {"dropout": 0.5}}},
        {"gnn": {"gat": {"expert": "shared"}}},
        {"gnn": {"gat": {"heads": 1}}},
        {"pair_encoder": {"transformer": {"dropout": 0.5}}},
        {"fusion": {"multiscale": {"dropout": 0.5}}},
        {"bucketing": {"none": {"scale": "cell"}}},
        {"scorer": "noise"},
    ],
    ids=lambda arm: str(next(iter(arm.values()))),
)
def test_a_setting_that_acts_is_let_through(study: Callable[..., Study], arm: dict[str, Any]):
    ablation = study(arm, controls=arm == {"gnn": {"gat": {"heads": 1}}})
    refuse_silent_arms(ablation.arms, ablation.budget)


def test_what_the_budget_leaves_out_does_not_distinguish_arms(study: Callable[..., Study]):
    ablation = study({"optimizer": {"adam": {"graph_learning_rate": 0.01}}})
    refuse_silent_arms(ablation.arms, Budget(graph_epochs=1))
    with pytest.raises(KnockoutError, match="graph_learning_rate"):
        refuse_silent_arms(ablation.arms, Budget(graph_epochs=0))


def test_a_schedule_that_starts_after_the_last_epoch_is_caught(study: Callable[..., Study]):
    ablation = study({"optimizer": {"adam": {"gamma": 0.5}}})  # the first step comes after epoch 10
    refuse_silent_arms(ablation.arms, Budget(epochs=11, graph_epochs=10))
    refuse_silent_arms(ablation.arms, Budget(epochs=10, graph_epochs=11))
    with pytest.raises(KnockoutError, match="gamma"):
        refuse_silent_arms(ablation.arms, Budget(epochs=10, graph_epochs=10))


def test_an_arm_that_fails_on_the_probe_is_left_to_its_cells(plugin: Path, study: Callable[..., Study]):
    ablation = study({"contrast": "nan"}, {"contrast": "nan", "gnn": "none"})
    refuse_silent_arms(ablation.arms, ablation.budget)


def test_a_users_mistake_on_the_probe_is_raised(study: Callable[..., Study], monkeypatch: pytest.MonkeyPatch):
    def complain(*_: object) -> None:
        raise KnockoutError("this part wants more genes")

    ablation = study({"gnn": "none"})
    monkeypatch.setattr(silent, "score_fold", complain)
    with pytest.raises(KnockoutError, match="more genes"):
        refuse_silent_arms(ablation.arms, ablation.budget)


def test_behaviour_is_repeatable_and_leaves_global_random_state_alone(study: Callable[..., Study]):
    ablation = study({"gnn": "none"})
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = behaviour(ablation.reference, ablation.budget)
    assert torch.equal(before, torch.get_rng_state())
    torch.rand(3)
    assert behaviour(ablation.reference, ablation.budget) == first
