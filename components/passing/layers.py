"""What layers over a sorted graph share."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from components.passing.graph import Graph

SHORTEST = 1e-12  # length that a row is divided by at least


class GraphLayer(nn.Module):
    """Base of layers that read a :class:`Graph` as it is, hidden edges behind a mask: ``[genes, width]`` to the same.

    Any other layer is given the edges that are shown, ``[2, edges]``.
    """

    def forward(self, x: Tensor, graph: Graph) -> Tensor:
        """Return embeddings ``[genes, width]`` of features ``[genes, in_width]``."""
        raise NotImplementedError


class GlorotLinear(nn.Linear):
    """A linear map with Xavier's uniform weights; its bias, where it has one, starts as torch's own."""

    def reset_parameters(self) -> None:
        """Draw the weights."""
        glorot(self.weight)
        if self.bias is not None:
            bound = 1.0 / math.sqrt(self.in_features)
            nn.init.uniform_(self.bias, -bound, bound)


def unit_rows(x: Tensor) -> Tensor:
    """Return rows ``[..., width]`` scaled to length 1, as ``torch.nn.functional.normalize`` does in more passes."""
    scaled: Tensor = _UnitRows.apply(x)
    return scaled


class _UnitRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        inverse = 1 / length.clamp_min(SHORTEST)
        unit = x * inverse
        ctx.save_for_backward(unit, inverse, length > SHORTEST)
        return unit

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        unit, inverse, moves = ctx.saved_tensors
        along = torch.linalg.vecdot(grads[0], unit).unsqueeze(-1) * moves  # a row of zeros is divided by a constant
        return torch.addcmul(grads[0], unit, along, value=-1).mul_(inverse)


def draw_again(*maps: nn.Linear) -> None:
    """Draw weights once more, as torch_geometric does: the same seed gives the same weights as its layers have."""
    for one in maps:
        one.reset_parameters()


def glorot(weight: Tensor) -> Tensor:
    """Draw Xavier's uniform weights ``[..., out, in]``."""
    bound = math.sqrt(6.0 / (weight.shape[-2] + weight.shape[-1]))
    return nn.init.uniform_(weight, -bound, bound)
