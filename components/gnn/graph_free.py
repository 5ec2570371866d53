"""Levels without a graph: no graph branch at all, and the same branch without message passing."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from components.core.registry import register
from components.core.settings import Settings as BaseSettings
from components.core.settings import setting
from components.gnn.base import GraphBranch


@register("gnn", "none")
class NoGraph(nn.Module):
    """Leaves the graph branch out: the pair branch decides alone, and there is nothing to fuse.

    It has no weights and no ``[genes, width]`` embedding.

    Source: scUniGP Table 2, 'w/o GNN embedding'.
    """

    silences = ("fusion",)
    passes_messages = False
    widths: tuple[int, ...] = ()

    class Settings(BaseSettings):
        """No settings."""

    def __init__(self, settings: Settings, in_width: int) -> None:
        super().__init__()
        self.settings = settings


@register("gnn", "mlp")
class PlainMLP(GraphBranch):
    """Applies linear layers to each gene alone: the control that separates a graph's worth from its parameters'.

    ``[genes, in_width]`` to one ``[genes, width_l]`` per layer; edges are ignored.

    Source: knockout; widths and expert score as in scUniGP eqs 4-5.
    """

    passes_messages = False

    class Settings(GraphBranch.Settings):
        """Settings common to all graph branches; there are no edges to hide."""

        hide_batch: Literal[False] = setting(False, "no graph, nothing to hide")
        direction: Literal["both"] = setting("both", "no graph, no direction")

    def layer(self, in_width: int, width: int) -> nn.Module:
        """Return a linear layer."""
        return nn.Linear(in_width, width)

    def propagate(self, conv: nn.Module, h: Tensor, edges: Tensor) -> Tensor:
        """Apply the layer to each gene ``[genes, width]`` alone."""
        return conv(h)
