"""The contract of every level of every factor."""

from __future__ import annotations

import pytest
import torch
from component_cases import all_levels

from components.core import registry
from knockout.testing import LevelContract


@pytest.mark.parametrize(("factor", "level"), all_levels())
class TestEveryLevel(LevelContract):
    pass


@pytest.mark.parametrize("name", registry.FACTORS)
def test_level_that_stands_for_absence_exists(name):
    assert registry.FACTORS[name].absent in registry.levels(name)


def test_only_the_split_belongs_to_the_exam():
    assert [f.name for f in registry.FACTORS.values() if f.exam] == ["split"]


def test_a_suite_sets_torchs_stream_only_where_it_is_given_a_seed():
    """Else a level that draws from it, and not from the stream that it is given, would draw the same twice."""
    suite = LevelContract()
    after = []
    for construct in (
        lambda: None,
        lambda: suite.make("optimizer", "adam"),
        lambda: suite.make("gnn", "none", 4, seed=3),
    ):
        torch.manual_seed(1)
        construct()
        after.append(torch.rand(1))
    assert torch.equal(after[0], after[1]) and not torch.equal(after[0], after[2])
