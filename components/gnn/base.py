"""Base of graph branches: gene features over the graph of training positives, one embedding per layer.

Sources: scUniGP eqs 4-5 and appendix C; expert heads as in GENELink, Chen & Liu 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from components.core.settings import Settings as BaseSettings
from components.core.settings import setting
from components.core.streams import dropout
from components.passing.graph import Graph, GraphLayer

Width = Annotated[int, Field(ge=1, le=4096)]


@dataclass(frozen=True)
class GraphEmbedding:
    """Embeddings of every gene.

    Attributes
    ----------
    layers
        One ``[genes, width_l]`` embedding per layer, shallow to deep (h of eq 4).
    as_tf, as_target
        ``[genes, dim]``: final embedding in either role; their inner product is the expert score (eq 5).
    """

    layers: tuple[Tensor, ...]
    as_tf: Tensor
    as_target: Tensor

    def expert_score(self, pairs: Tensor) -> Tensor:
        """Return the expert score s_ij of eq 5, a logit: ``[pairs, 2]`` gene indices to ``[pairs]``."""
        return (self.as_tf.index_select(0, pairs[:, 0]) * self.as_target.index_select(0, pairs[:, 1])).sum(dim=1)

    def tensors(self) -> tuple[Tensor, ...]:
        """Return all embeddings, in a fixed order."""
        return (*self.layers, self.as_tf, self.as_target)

    @classmethod
    def of_tensors(cls, tensors: Sequence[Tensor]) -> GraphEmbedding:
        """Return what :meth:`tensors` was taken of."""
        *layers, as_tf, as_target = tensors
        return cls(tuple(layers), as_tf, as_target)


def activated(h: Tensor, name: str) -> Tensor:
    """Apply an activation function by its name; a leaky ReLU has a slope of .2."""
    return F.leaky_relu(h, 0.2) if name == "leaky_relu" else getattr(F, name)(h)


class GraphBranch(nn.Module):
    """Base of every graph branch: ``[genes, in_width]`` and ``[2, edges]`` to a :class:`GraphEmbedding`.

    Subclasses define one layer (:meth:`layer`) and, where it differs from the setting, its width (:meth:`out_width`).
    """

    passes_messages = True  # whether the graph can change an embedding

    class Settings(BaseSettings):
        """Settings common to all graph branches; defaults are scUniGP's."""

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
        direction: Literal["both", "to_target", "to_tf"] = setting(
            "both", "which way messages pass along a training edge: both, from TF to target alone, or from target to TF"
        )
        activation: Literal["relu", "leaky_relu", "elu"] = setting(
            "relu", "function after each layer; a leaky ReLU has a slope of .2"
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
        n_heads = 2 if settings.expert == "roles" else 0
        self.heads = nn.ModuleList(self.head(width) for _ in range(n_heads))

    def layer(self, in_width: int, width: int) -> nn.Module:
        """Return one layer from ``in_width`` to ``width``."""
        raise NotImplementedError

    def head(self, in_width: int) -> nn.Module:
        """Return the expert head of one role, from ``[genes, in_width]``."""
        hidden, out = self.settings.expert_widths
        return nn.Sequential(nn.Linear(in_width, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, out))

    def out_width(self, width: int) -> int:
        """Return the output width of a layer whose setting is ``width``."""
        return width

    def propagate(self, conv: nn.Module, h: Tensor, edges: Any) -> Tensor:
        """Apply one layer to ``[genes, width]`` over edges ``[2, edges]``, or over a graph if all layers read one."""
        return conv(h, edges)

    def activation(self, h: Tensor) -> Tensor:
        """Apply the activation function of a layer."""
        return activated(h, self.settings.activation)

    def forward(self, x: Tensor, edges: Tensor | Graph) -> GraphEmbedding:
        """Embed every gene, ``[genes, in_width]``, over the graph ``[2, edges]``."""
        graph, layers = Graph.of(edges), []
        seen = graph if all(isinstance(conv, GraphLayer) for conv in self.convs) else graph.edges
        h = x
        for conv in self.convs:
            h = self.activation(self.propagate(conv, h, seen))
            layers.append(h)
            h = dropout(h, self.settings.dropout, training=self.training)
        if self.settings.expert == "shared":
            return GraphEmbedding(tuple(layers), layers[-1], layers[-1])
        return GraphEmbedding(tuple(layers), self.heads[0](h), self.heads[1](h))
