"""A graph branch of one's own."""

from torch import nn
from torch_geometric.nn import SGConv

from components.core.registry import register
from components.core.settings import setting
from components.gnn import GraphBranch


@register("gnn", "example_sgc")
class SimplifiedConvolution(GraphBranch):
    """Averages features over some steps of the graph at once: ``[genes, in_width]`` to ``[genes, width_l]`` per layer.

    Source: Wu et al. 2019 (SGC).
    """

    class Settings(GraphBranch.Settings):
        """Settings of the branch."""

        steps: int = setting(2, "steps over the graph in a layer", ge=1, le=10, search=(1, 4))

    settings: Settings

    def layer(self, in_width: int, width: int) -> nn.Module:
        """Return one layer."""
        return SGConv(in_width, width, K=self.settings.steps)
