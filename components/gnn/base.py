"""The global branch: reads gene features over the graph of TRAINING positives, one embedding per layer.

Sources: scUniGP (eqs 4-5, a; appendix C); GCN, Kipf & Welling 2017; GAT, Velickovic et al. 2018; GraphSAGE, Hamilton
et al. 2017; expert heads as in GENELink, Chen & Liu 2022.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.nn import GATConv, GCNConv, SAGEConv

from components.core.registry import register
from components.core.settings import Settings as BaseSettings
from components.core.settings import setting

__all__ = ["GAT", "GCN", "SAGE", "GraphBranch", "GraphEmbedding", "NoGraph", "PlainMLP"]


Width = Annotated[int, Field(ge=1, le=4096)]


@dataclass(frozen=True)
class GraphEmbedding:
    """What the global branch says of every gene.

    Attributes
    ----------
    layers
        One ``[genes, width_l]`` embedding per layer, shallow to deep (h of eq 4).
    as_tf, as_target
        ``[genes, dim]``: the final embedding in either role; their product is the expert score (eq 5).
    """

    layers: tuple[Tensor, ...]
    as_tf: Tensor
    as_target: Tensor

    def expert_score(self, pairs: Tensor) -> Tensor:
        """Return s_ij of eq 5 for ``[pairs, 2]`` gene indices: ``[pairs]``, a logit."""
        return (self.as_tf[pairs[:, 0]] * self.as_target[pairs[:, 1]]).sum(dim=1)


class GraphBranch(nn.Module):
    """Base of every global branch: ``[genes, in_width]`` and ``[2, edges]`` to a :class:`GraphEmbedding`.

    Subclasses say what one layer is (:meth:`layer`) and how wide it comes out.
    """

    passes_messages = True

    class Settings(BaseSettings):
        """What every global branch can be asked; defaults are the paper's."""

        widths: Annotated[tuple[Width, ...], Field(min_length=1)] = setting(
            (128, 64),
            "width of each layer; one level of multi-scale fusion per layer",
            search=((128, 64), (64, 32), (128, 64, 32)),
        )
        expert: Literal["roles", "shared"] = setting(
            "roles",
            "final embedding: one head per role, 32 then 16 wide (appendix C), or one shared (eq 5 to the letter)",
        )
        expert_widths: tuple[Width, Width] = setting((32, 16), "widths of the expert heads (appendix C)")
        dropout: float = setting(0.01, "share of activations dropped between layers", ge=0.0, le=0.9, search=(0.0, 0.5))
        hide_batch: bool = setting(
            False,
            "leave a batch's own positives out of the graph while they are predicted, as test edges are",
            search=(False, True),
        )

    def __init__(self, settings: Settings, in_width: int) -> None:
        super().__init__()
        self.settings = settings
        self.widths: tuple[int, ...] = ()
        self.convs = nn.ModuleList()
        width = in_width
        for size in settings.widths:
            self.convs.append(self.layer(width, size))
            width = self.out_width(size)
            self.widths += (width,)
        self.heads = nn.ModuleList(_head(width, settings.expert_widths) for _ in range(self._n_heads()))

    def layer(self, in_width: int, width: int) -> nn.Module:
        """Return one message-passing layer."""
        raise NotImplementedError

    def out_width(self, width: int) -> int:
        """Return how wide a layer of this ``width`` setting comes out."""
        return width

    def propagate(self, conv: nn.Module, h: Tensor, edges: Tensor) -> Tensor:
        """Send ``[genes, width]`` through one layer."""
        return conv(h, edges)

    def activation(self, h: Tensor) -> Tensor:
        """Apply the non-linearity of this kind of layer."""
        return F.relu(h)

    def forward(self, x: Tensor, edges: Tensor) -> GraphEmbedding:
        """Embed every gene, ``[genes, in_width]``, over the visible graph ``[2, edges]``."""
        layers = []
        h = x
        for conv in self.convs:
            h = self.activation(self.propagate(conv, h, edges))
            layers.append(h)
            h = F.dropout(h, self.settings.dropout, self.training)
        if self.settings.expert == "shared":
            return GraphEmbedding(tuple(layers), layers[-1], layers[-1])
        return GraphEmbedding(tuple(layers), self.heads[0](h), self.heads[1](h))

    def _n_heads(self) -> int:
        return 2 if self.settings.expert == "roles" else 0


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


@register("gnn", "gcn")
class GCN(GraphBranch):
    """Averages each gene with its neighbours, weighted by symmetric degree normalisation.

    ``[genes, in_width]`` and ``[2, edges]`` to one ``[genes, width_l]`` per layer.

    Source: scUniGP appendix C ('for GCN, symmetric normalization with ReLU'); Kipf & Welling 2017 eq 2.
    """

    class Settings(GraphBranch.Settings):
        """Settings of the graph convolution."""

        self_loops: bool = setting(True, "let a gene keep its own features (Kipf & Welling's renormalisation)")

    settings: Settings

    def layer(self, in_width: int, width: int) -> nn.Module:
        """Return a graph convolution."""
        return GCNConv(in_width, width, add_self_loops=self.settings.self_loops)


@register("gnn", "gat")
class GAT(GraphBranch):
    """Lets each gene attend to its neighbours and take a weighted mean of them.

    ``[genes, in_width]`` and ``[2, edges]`` to one ``[genes, heads * width_l]`` (or ``[genes, width_l]``) per layer.

    Source: scUniGP appendix C ('3 attention heads per layer with LeakyReLU activation and concatenation');
    Velickovic et al. 2018 eqs 1-5.
    """

    class Settings(GraphBranch.Settings):
        """Settings of graph attention."""

        heads: int = setting(3, "attention heads", ge=1, le=16, search=(1, 8))
        concat: bool = setting(True, "concatenate the heads, each as wide as the layer, instead of averaging them")
        self_loops: bool = setting(True, "let a gene attend to itself")

    settings: Settings

    def layer(self, in_width: int, width: int) -> nn.Module:
        """Return an attention layer."""
        s = self.settings
        return GATConv(in_width, width, heads=s.heads, concat=s.concat, add_self_loops=s.self_loops)

    def out_width(self, width: int) -> int:
        """Return the width after the heads are joined."""
        return width * self.settings.heads if self.settings.concat else width

    def activation(self, h: Tensor) -> Tensor:
        """Apply LeakyReLU, as the paper does for GAT."""
        return F.leaky_relu(h, 0.2)


@register("gnn", "sage")
class SAGE(GraphBranch):
    """Adds to each gene's own transform that of its neighbours' mean (or sum, or maximum).

    ``[genes, in_width]`` and ``[2, edges]`` to one ``[genes, width_l]`` per layer.

    Source: Hamilton et al. 2017 (GraphSAGE) algorithm 1, named in scUniGP 3.2.
    """

    class Settings(GraphBranch.Settings):
        """Settings of GraphSAGE."""

        aggregation: Literal["mean", "sum", "max"] = setting(
            "mean", "how neighbours are joined; a sum keeps the degree", search=("mean", "sum", "max")
        )

    settings: Settings

    def layer(self, in_width: int, width: int) -> nn.Module:
        """Return a GraphSAGE layer."""
        return SAGEConv(in_width, width, aggr=self.settings.aggregation)


def _head(in_width: int, widths: tuple[int, int]) -> nn.Sequential:
    hidden, out = widths
    return nn.Sequential(nn.Linear(in_width, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, out))
