"""The global branch left out, and the same branch without a graph."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from components.core.registry import register
from components.core.settings import Settings as BaseSettings
from components.core.settings import setting
from components.gnn.base import GraphBranch


@register("gnn", "none")
class NoGraph(nn.Module):
    """Leaves the global branch out: the pair branch decides alone, and nothing is there to fuse.

    Holds no weights and gives no ``[genes, width]`` embedding.

    Source: scUniGP Table 2, 'w/o GNN embedding'.
    """

    silences = ("fusion",)
    passes_messages = False
    widths: tuple[int, ...] = ()

    class Settings(BaseSettings):
        """Nothing to set."""

    def __init__(self, settings: Settings, in_width: int) -> None:
        super().__init__()
        self.settings = settings


@register("gnn", "mlp")
class PlainMLP(GraphBranch):
    """Gives the global branch its weights but no graph: the control that tells a graph's worth from more parameters.

    ``[genes, in_width]`` to one ``[genes, width_l]`` per layer; edges are ignored.

    Source: knockout (architecture.md, factor 2); same widths and expert score as scUniGP eqs 4-5.
    """

    passes_messages = False

    class Settings(GraphBranch.Settings):
        """Settings of the graph-free branch."""

        hide_batch: Literal[False] = setting(False, "no graph, nothing to hide")

    def layer(self, in_width: int, width: int) -> nn.Module:
        """Return a linear layer."""
        return nn.Linear(in_width, width)

    def propagate(self, conv: nn.Module, h: Tensor, edges: Tensor) -> Tensor:
        """Send each gene ``[genes, width]`` through the layer alone."""
        return conv(h)
