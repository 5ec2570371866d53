"""The fast layer over two tokens equals torch's, and dropout drops its share."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from components.core.streams import Dropout, dropout
from components.pair_encoder.layer import PairLayer


def layers(activation: str, share: float = 0.0) -> tuple[PairLayer, nn.TransformerEncoderLayer]:
    torch.manual_seed(0)
    ours = PairLayer(12, 3, 20, share, activation=activation, batch_first=True).double()
    theirs = nn.TransformerEncoderLayer(12, 3, 20, share, activation=activation, batch_first=True).double()
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


@pytest.mark.parametrize("activation", ["gelu", "relu"])
@pytest.mark.parametrize("tokens", [2, 5])
def test_outputs_and_gradients_are_torchs(activation, tokens):
    ours, theirs = layers(activation)
    x, y = (torch.linspace(-2, 2, 7 * tokens * 12).double().view(7, tokens, 12).sin().requires_grad_() for _ in "ab")
    direction = torch.linspace(-1, 1, x.numel()).double().view_as(x)
    (ours(x) * direction).sum().backward()
    (theirs(y) * direction).sum().backward()
    torch.testing.assert_close(ours(x), theirs(y), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(x.grad, y.grad, rtol=1e-8, atol=1e-10)
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-8, atol=1e-10)


def test_extreme_scores_stay_finite():
    ours, theirs = layers("gelu")
    x = torch.randn(4, 2, 12, dtype=torch.float64) * 1e4
    torch.testing.assert_close(ours(x), theirs(x))


def test_mean_and_spread_under_dropout_are_torchs():
    ours, theirs = layers("gelu", 0.3)
    x = torch.randn(1, 2, 12, dtype=torch.float64).expand(40_000, -1, -1)
    for one, other in ((ours(x).mean(0), theirs(x).mean(0)), (ours(x).std(0), theirs(x).std(0))):
        torch.testing.assert_close(one, other, rtol=0.05, atol=0.03)


@pytest.mark.parametrize("share", [1e-3, 0.01, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dropout_drops_its_share_and_keeps_the_mean(share, dtype):
    torch.manual_seed(1)
    x = torch.ones(1_000_003, dtype=dtype, requires_grad=True)
    out = dropout(x, share, training=True)
    assert out.dtype == dtype
    dropped = (out == 0).double().mean().item()
    assert abs(dropped - share) < 5 * (share * (1 - share) / len(x)) ** 0.5 + 2**-16
    surviving = out.detach()[out != 0]
    assert (surviving == surviving[0]).all()
    torch.testing.assert_close(
        float(surviving[0]), 1 / (1 - share), rtol=1e-2 if dtype == torch.bfloat16 else 2e-4, atol=0
    )
    out.sum().backward()
    assert torch.equal(x.grad, out.detach())


def test_neighbouring_values_are_dropped_on_their_own():
    torch.manual_seed(2)
    dropped = (dropout(torch.ones(400_000), 0.3, training=True) == 0).double().view(-1, 4)
    assert (torch.corrcoef(dropped.t()) - torch.eye(4)).abs().max() < 0.01


def test_scoring_drops_nothing():
    x = torch.randn(5, 3)
    assert torch.equal(Dropout(0.9).eval()(x), x)
    assert torch.equal(dropout(x, 0.0, training=True), F.dropout(x, 0.0))
