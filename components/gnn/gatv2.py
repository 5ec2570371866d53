"""Graph attention in which the ranking of neighbours depends on the attending gene."""

from __future__ import annotations

from torch_geometric.nn import GATv2Conv

from components.core.registry import register
from components.gnn.gat import GAT


@register("gnn", "gatv2")
class GATv2(GAT):
    """Takes a mean of each gene's neighbours, weighted by attention computed after the non-linearity.

    ``[genes, in_width]`` and ``[2, edges]`` to one ``[genes, heads * width_l]`` (or ``[genes, width_l]``) per layer.
    The ranking of neighbours may differ from gene to gene, which it cannot in GAT.

    Source: Brody et al. 2022 eq 7; heads and activation as in scUniGP appendix C.
    """

    conv = GATv2Conv
