from __future__ import annotations

import pytest
import torch
from component_cases import PAIR_WIDTH, all_levels, small

from components.core import registry

LEVELS = [level for _, level in all_levels("contrast")]
LABELS = torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0, 0.0])


def build(level: str, seed: int = 0):
    torch.manual_seed(seed)
    return registry.level("contrast", level)(small("contrast", level), PAIR_WIDTH)


@pytest.fixture
def z() -> torch.Tensor:
    return torch.randn(len(LABELS), PAIR_WIDTH, generator=torch.Generator().manual_seed(0), requires_grad=True)


@pytest.mark.parametrize("level", LEVELS)
class TestEveryContrast:
    def test_gives_a_finite_scalar(self, level, z):
        loss = build(level)(z, LABELS)
        assert loss.shape == ()
        assert torch.isfinite(loss)

    def test_same_seed_gives_the_same_bits(self, level, z):
        one, two = build(level, 3), build(level, 3)
        torch.manual_seed(1)
        first = one(z, LABELS)
        torch.manual_seed(1)
        assert torch.equal(first, two(z, LABELS))

    @pytest.mark.parametrize("labels", [torch.ones(6), torch.zeros(6)])
    def test_batch_of_one_class_is_borne(self, level, z, labels):
        assert torch.isfinite(build(level)(z, labels))

    def test_gradients_reach_every_weight_and_the_encodings(self, level, z):
        part = build(level)
        loss = part(z, LABELS)
        if not loss.requires_grad:
            assert not list(part.parameters())
            return
        loss.backward()
        assert all(w.grad is not None and torch.isfinite(w.grad).all() for w in part.parameters())
        assert z.grad is not None
        assert torch.isfinite(z.grad).all()


def test_off_adds_nothing(z):
    assert build("off")(z, LABELS).item() == 0.0
