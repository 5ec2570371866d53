from __future__ import annotations

import pytest
import torch
from component_cases import all_levels
from torch import nn

from components.core import registry
from components.core.budget import Budget
from components.core.errors import KnockoutError
from components.core.settings import describe, parse_settings
from components.learning.optimisers import eager
from knockout.testing import OptimizerContract

LEVELS = [level for _, level in all_levels("optimizer")]


@pytest.mark.parametrize("level", LEVELS)
class TestEveryOptimizer(OptimizerContract):
    pass


class TestAdam:
    def test_each_stage_has_its_own_rate(self):
        adam = registry.level("optimizer", "adam")(registry.parse("optimizer", "adam"))
        weight = nn.Parameter(torch.ones(1))
        assert adam.joint([weight]).optimizer.param_groups[0]["lr"] == 5e-6
        assert adam.graph([weight]).optimizer.param_groups[0]["lr"] == 3e-3
        assert adam.joint([weight]).optimizer.param_groups[0]["weight_decay"] == 1e-5

    def test_rate_falls_at_each_step_of_the_schedule(self):
        settings = registry.parse("optimizer", "adam", {"learning_rate": 0.1, "gamma": 0.5, "step_size": 2})
        fitter = registry.level("optimizer", "adam")(settings).joint([nn.Parameter(torch.ones(1))])
        rates = []
        for _ in range(5):
            fitter.optimizer.step()
            fitter.end_epoch()
            rates.append(fitter.optimizer.param_groups[0]["lr"])
        assert rates == pytest.approx([0.1, 0.05, 0.05, 0.025, 0.025])


@pytest.mark.parametrize("name", ["Adam", "RMSprop", "SGD"])
def test_without_the_compilers_wrappers_an_optimiser_takes_the_same_steps(name):
    def steps(kind):
        weight = nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
        optimizer = kind([weight], lr=0.1, weight_decay=0.01)
        for step in range(6):
            if step == 3:  # a training that goes on at its checkpoint
                saved, optimizer = optimizer.state_dict(), kind([weight], lr=0.5)
                optimizer.load_state_dict(saved)
            optimizer.zero_grad(set_to_none=True)
            (weight**2).sum().backward()
            optimizer.step()
            assert weight.grad_fn is None and weight.requires_grad
        return weight.detach()

    plain = getattr(torch.optim, name)
    assert torch.equal(steps(eager(plain)), steps(plain))


class TestBudget:
    def test_defaults_are_the_papers(self):
        budget = Budget()
        assert (budget.epochs, budget.patience, budget.batch_size) == (200, 8, 512)
        assert (budget.graph_epochs, budget.graph_patience, budget.graph_batch_size) == (30, 5, 256)
        assert budget.choose_by == "auroc"

    def test_every_setting_is_explained(self):
        assert all(row["meaning"] for row in describe(Budget))

    @pytest.mark.parametrize("given", [{"epochs": 0}, {"graph_epochs": -1}, {"batch_size": 1}, {"epochs": "3"}])
    def test_impossible_budget_is_refused(self, given):
        with pytest.raises(KnockoutError, match=rf"budget\.{next(iter(given))}"):
            parse_settings(Budget, given, owner="budget")
