"""Graph attention whose ranking of neighbours depends on the gene that attends."""

from __future__ import annotations

from torch import nn
from torch_geometric.nn import GATv2Conv

from components.core.registry import register
from components.gnn.gat import GAT


@register("gnn", "gatv2")
class GATv2(GAT):
    """Lets each gene choose anew which neighbours to attend to: the ranking may differ from gene to gene.

    ``[genes, in_width]`` and ``[2, edges]`` to one ``[genes, heads * width_l]`` (or ``[genes, width_l]``) per layer.

    Source: Brody et al. 2022 eq 7; heads and activation as in scUniGP appendix C.
    """

    class Settings(GAT.Settings):
        """Settings of dynamic graph attention: those of GAT."""

    settings: Settings

    def layer(self, in_width: int, width: int) -> nn.Module:
        """Return a layer whose attention is computed after the non-linearity."""
        s = self.settings
        return GATv2Conv(in_width, width, heads=s.heads, concat=s.concat, add_self_loops=s.self_loops)
