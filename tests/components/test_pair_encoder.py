from __future__ import annotations

import pytest
import torch
from component_cases import IN_WIDTH, all_levels, small

from components.core import registry
from components.core.errors import KnockoutError
from knockout.testing import PairEncoderContract

LEVELS = [level for _, level in all_levels("pair_encoder")]
GENES = 9
PAIRS = torch.tensor([[0, 5], [5, 0], [3, 8], [3, 3]])


def build(level: str, seed: int = 0, **settings):
    torch.manual_seed(seed)
    return registry.level("pair_encoder", level)(small("pair_encoder", level, **settings), IN_WIDTH)


def encode(part, x: torch.Tensor, pairs: torch.Tensor = PAIRS) -> torch.Tensor:
    as_tf, as_target = part.project(x)
    return part(as_tf[pairs[:, 0]], as_target[pairs[:, 1]])


@pytest.fixture(scope="module")
def x() -> torch.Tensor:
    return torch.randn(GENES, IN_WIDTH, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("level", LEVELS)
class TestEveryPairEncoder(PairEncoderContract):
    pass


def test_transformer_roles_start_as_zeros_and_ones():
    part = build("transformer")
    assert torch.equal(part.roles, torch.stack([torch.zeros(32), torch.ones(32)]))


def test_transformer_reads_both_tokens_of_equation_b(x):
    part = build("transformer").eval()
    tokens = torch.stack([part.linear(x[PAIRS[:, 0]]), part.linear(x[PAIRS[:, 1]]) + 1.0], dim=1)
    torch.testing.assert_close(encode(part, x), part.encoder(tokens).flatten(1))


@pytest.mark.parametrize("level", ["transformer", "gpdht"])
class TestHeads:
    def test_that_do_not_divide_the_width_are_refused_before_anything_is_built(self, level):
        with pytest.raises(KnockoutError) as refused:
            registry.parse("pair_encoder", level, {"dim": 32, "heads": 3}, where="reference")
        assert refused.value.message == f"pair_encoder.{level}: heads (3) must divide dim (32)."
        assert refused.value.where == "reference"

    def test_are_checked_against_the_width_that_is_not_given(self, level):
        with pytest.raises(KnockoutError, match=r"heads \(3\) must divide dim"):
            registry.parse("pair_encoder", level, {"heads": 3})

    def test_that_divide_the_width_are_built(self, level, x):
        assert encode(build(level, dim=33, heads=3), x).shape[0] == len(PAIRS)

    def test_out_of_bounds_are_the_first_to_be_named(self, level):
        with pytest.raises(KnockoutError, match=r"heads: at least 1 is needed, got 0"):
            registry.parse("pair_encoder", level, {"dim": 32, "heads": 0})
