from __future__ import annotations

import pytest
import torch
from component_cases import PAIR_WIDTH, all_levels, small

from components.core import registry
from knockout.testing import ContrastContract

LEVELS = [level for _, level in all_levels("contrast")]
LABELS = torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0, 0.0])


def build(level: str, seed: int = 0):
    torch.manual_seed(seed)
    return registry.level("contrast", level)(small("contrast", level), PAIR_WIDTH)


@pytest.fixture
def z() -> torch.Tensor:
    return torch.randn(len(LABELS), PAIR_WIDTH, generator=torch.Generator().manual_seed(0), requires_grad=True)


@pytest.mark.parametrize("level", LEVELS)
class TestEveryContrast(ContrastContract):
    pass


def test_off_adds_nothing(z):
    assert build("off")(z, LABELS).item() == 0.0
