"""Graph attention in which the ranking of neighbours depends on the attending gene."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from components.core.registry import register
from components.gnn.gat import GAT, GATLayer, vector
from components.passing.graph import GlorotLinear, draw_again
from components.passing.layout import Layout


class GATv2Layer(GATLayer):
    """Scores a neighbour by the sum of both genes' maps, after the non-linearity: eq 7 of Brody et al. 2022."""

    def _weights(self, in_channels: int) -> None:
        width = self.heads * self.out_channels
        self.lin_l, self.lin_r = (GlorotLinear(in_channels, width) for _ in range(2))
        draw_again(self.lin_l, self.lin_r)
        self.att = vector(self.heads, self.out_channels)

    def _sent_and_scores(self, x: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
        sent = self.lin_l(x)
        both = F.leaky_relu(layout.at_source(sent) + layout.at_target(self.lin_r(x)), 0.2)
        return sent, (both.unflatten(1, (self.heads, -1)) * self.att).sum(dim=2)


@register("gnn", "gatv2")
class GATv2(GAT):
    """Takes a mean of each gene's neighbours, weighted by attention computed after the non-linearity.

    ``[genes, in_width]`` and ``[2, edges]`` to one ``[genes, heads * width_l]`` (or ``[genes, width_l]``) per layer.
    The ranking of neighbours may differ from gene to gene, which it cannot in GAT.

    Source: Brody et al. 2022 eq 7; heads and activation as in scUniGP appendix C.
    """

    conv = GATv2Layer
