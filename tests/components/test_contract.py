"""What every level of every factor owes, whatever it does."""

from __future__ import annotations

import pytest
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
