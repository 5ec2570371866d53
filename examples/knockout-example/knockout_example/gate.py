"""A factor inside the model: what is done to embeddings of genes between graph branch and fusion."""

import torch
from torch import Tensor, nn

from components.core.registry import register
from components.core.settings import setting
from components.steps import EmbeddingStep, register_factor

register_factor("example_gate", "what is done to embeddings of genes before pairs are made of them", "embeddings")


class Gated(nn.Module):
    """Weighs each value of an embedding by a gate that reads all of them: ``[genes, width]``."""

    def __init__(self, width: int, bias: float) -> None:
        super().__init__()
        self.gate = nn.Linear(width, width)
        nn.init.constant_(self.gate.bias, bias)

    def forward(self, h: Tensor) -> Tensor:
        """Return the embeddings, gated."""
        return h * torch.sigmoid(self.gate(h))


@register("example_gate", "sigmoid")
class SigmoidGate(EmbeddingStep):
    """Gates the embeddings of each layer of the graph branch: ``[genes, width]`` to ``[genes, width]``.

    Source: an example, of knockout's own making.
    """

    class Settings(EmbeddingStep.Settings):
        """Settings of the gate."""

        bias: float = setting(1.0, "first value of the gate's bias; high: open", ge=-10.0, le=10.0, search=(0.0, 3.0))

    settings: Settings

    def build(self, width: int) -> nn.Module:
        """Return the gate of one layer."""
        return Gated(width, self.settings.bias)
