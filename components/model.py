"""The model of both papers: registered levels assembled into a scorer of TF-target pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from components.core import registry
from components.core.errors import KnockoutError
from components.core.exam import TrainingPairs
from components.core.settings import Settings
from components.core.streams import Streams, seeded
from components.fusion.base import pair_classifier
from components.gnn.base import GraphBranch, GraphEmbedding
from components.pair_encoder.base import LocalContext
from components.pair_encoder.context import CommonNeighbours, Neighbours
from components.passing.graph import Graph, both_ways
from components.passing.graph import training_graph as training_graph


@dataclass(frozen=True)
class Reading:
    """What a model computes of every gene before it sees pairs, once for each view that its loss takes.

    Attributes
    ----------
    graph
        The graph that was read.
    views
        Features ``[genes, width]`` with their embedding, None without a graph branch: plain, then of features that the
        contrast changed.
    """

    graph: Graph
    views: tuple[tuple[Tensor, GraphEmbedding | None], ...]

    def cut(self) -> Reading:
        """Return the same values as leaves: they collect gradients, and hand none on to what computed them."""
        views = []
        for features, embedding in self.views:
            cut = None if embedding is None else GraphEmbedding.of_tensors([_leaf(x) for x in embedding.tensors()])
            views.append((_leaf(features), cut))
        return Reading(self.graph, tuple(views))

    def owed(self, cut: Reading) -> Tensor:
        """Return a scalar of value 0 whose gradient is what the leaves of :meth:`cut` collected."""
        pairs = zip(self._tensors(), cut._tensors(), strict=True)
        terms = [(x * leaf.grad).sum() for x, leaf in pairs if x.requires_grad and leaf.grad is not None]
        total = torch.stack([term.float() for term in terms]).sum() if terms else self.views[0][0].new_zeros(())
        return total - total.detach()

    def _tensors(self) -> list[Tensor]:
        return [x for features, of in self.views for x in (features, *(of.tensors() if of is not None else ()))]


def _leaf(x: Tensor) -> Tensor:
    return x.detach().requires_grad_(x.requires_grad)


@dataclass(frozen=True)
class Parts:
    """Level and settings of each factor of a model."""

    chosen: dict[str, tuple[str, Settings]]

    def build(self, factor: str, *args: Any) -> Any:
        """Construct the level chosen for a factor."""
        name, settings = self.chosen[factor]
        return registry.level(factor, name)(settings, *args)

    def absent(self, factor: str, *args: Any) -> Any:
        """Construct the level that stands for 'without this part', with its default settings."""
        cls: Any = registry.level(factor, registry.factor(factor).absent)
        return cls(cls.Settings(), *args)

    @property
    def embedding_steps(self) -> list[str]:
        """Factors of plug-ins that change embeddings of genes, sorted; without those that are absent."""
        of_plugins = [name for name in sorted(self.chosen) if registry.FACTORS[name].acts == "embeddings"]
        return [name for name in of_plugins if self.chosen[name][0] != registry.FACTORS[name].absent]

    def cls(self, factor: str) -> Any:
        """Return the class of the level chosen for a factor."""
        return registry.level(factor, self.chosen[factor][0])


@dataclass(frozen=True)
class Encoded:
    """What the model computes for every gene, once per pass, before it scores pairs."""

    tokens: tuple[Tensor, Tensor] | None  # every gene as TF and as target; None if none is encoded yet
    graph: GraphEmbedding | None
    neighbours: Neighbours | CommonNeighbours | None = None  # only if the pair encoder reads them
    inputs: Tensor | None = None  # what the pair encoder reads of each gene, where it projects those of a batch alone


def of_both_genes(layers: Sequence[Tensor], pairs: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Return the rows of the TFs and of the targets of pairs ``[pairs, 2]`` in layers ``[genes, width_l]``.

    Both are read at once: the gradient is one sum, not two and theirs.
    """
    genes = pairs.t().flatten()
    ends = [layer.index_select(0, genes).tensor_split(2) for layer in layers]
    return [tf for tf, _ in ends], [target for _, target in ends]


class GRNModel(nn.Module):
    """Scores TF-target pairs from expression ``[genes, cells]`` and the visible graph ``[2, edges]``.

    Eqs 4-8 of scUniGP, with every part swappable. Call :meth:`encode` once per pass, then :meth:`score` on pairs. The
    initial weights of each part are drawn from a stream of its own, so that swapping one part leaves those of the
    others, where their shape is the same, as they are.

    Parameters
    ----------
    parts
        Level and settings of each factor.
    expression
        ``[genes, cells]``.
    streams
        Random streams of the repeat.
    genes, training
        Names, and the training part of the exam, for parts that ask for them.
    """

    def __init__(
        self,
        parts: Parts,
        expression: Tensor,
        streams: Streams,
        genes: tuple[str, ...] = (),
        training: TrainingPairs | None = None,
    ) -> None:
        super().__init__()
        inputs = (training, expression, streams.numpy("negatives", "pair_features"))
        self.pair_features = parts.build("pair_features", *inputs)
        named = (genes, streams.numpy("noise", "features")) if parts.cls("bucketing").named else ()
        with seeded(streams.seed("init", "bucketing")):
            self.bucketing = parts.build("bucketing", expression, *named)
        with seeded(streams.seed("init", "gnn")):
            self.gnn = parts.build("gnn", self.bucketing.width)
        self.fused = bool(self.gnn.widths)
        self.steps = nn.ModuleDict()  # of each factor of a plug-in one module per layer of the graph branch
        for name in parts.embedding_steps if self.fused else ():
            with seeded(streams.seed("init", name)):
                step = parts.build(name)
                self.steps[name] = nn.ModuleList([step.build(width) for width in self.gnn.widths])
        self.paired = not self.fused or parts.cls("fusion").reads_pairs
        in_width, pair_width = self.bucketing.width, 1  # s_ij is the encoding where no pair is encoded
        if self.fused:
            in_width = parts.cls("fusion").encoder_width(in_width, self.gnn.widths)
        with seeded(streams.seed("init", "pair_encoder")):
            if self.paired:
                self.pair_encoder = parts.build("pair_encoder", in_width)
                pair_width = self.pair_encoder.width
        self.extra = self.pair_features.width if self.paired else 0  # features of a pair beside its encoding
        with seeded(streams.seed("init", "fusion")):
            if self.fused:
                self.fusion = parts.build("fusion", pair_width + self.extra, self.gnn.widths)
            else:
                self.fusion = pair_classifier(pair_width + self.extra, classified=self.pair_encoder.classified)
        with seeded(streams.seed("init", "contrast")):
            build = parts.build if self.paired else parts.absent
            self.contrast = build("contrast", pair_width)

    @property
    def hides_batch(self) -> bool:
        """Whether training leaves a batch's own positives out of the graph while it predicts them."""
        return self.fused and bool(self.gnn.settings.hide_batch)

    @property
    def direction(self) -> str:
        """Which way messages pass: ``both``, ``to_target`` or ``to_tf``."""
        return str(self.gnn.settings.direction) if self.fused else "both"

    def graph_of(self, positives: Tensor) -> Graph:
        """Return the graph of training positives ``[positives, 2]`` that messages pass over."""
        return Graph.of_positives(positives, self.direction)

    def read_training(self, positives: Tensor) -> None:
        """Compute what is told of training pairs, where that is something: before the first batch, and not in it."""
        if self.extra and len(positives):
            self.pair_features(positives[:1])

    def embed_graph(self, edges: Tensor | Graph) -> GraphEmbedding | None:
        """Embed every gene by the graph branch alone, for pre-training; None without a graph branch."""
        return self._embed(self.bucketing(), Graph.of(edges)) if self.fused else None

    def encode(self, edges: Tensor | Graph) -> Encoded:
        """Compute features, graph embedding over ``[2, edges]`` and tokens of every gene."""
        features, graph = self.bucketing(), Graph.of(edges)
        return self._encode(features, graph, self._graph_branch(features, graph))

    def read(self, edges: Tensor | Graph) -> Reading:
        """Compute features and graph embedding of every gene for training, once for each view that the loss takes."""
        features, graph = self.bucketing(), Graph.of(edges)
        seen = (features, *self.contrast.augmented(features))
        return Reading(graph, tuple((view, self._graph_branch(view, graph)) for view in seen))

    def views(self, reading: Reading, pairs: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return logits and encodings of ``[pairs, 2]`` for training, from each view of a reading of the graph."""
        return [
            self.score(self._encode(features, reading.graph, embedding, len(pairs)), pairs)
            for features, embedding in reading.views
        ]

    def score(self, encoded: Encoded, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits ``[pairs]`` and pair encodings ``[pairs, width]`` of ``[pairs, 2]`` gene indices."""
        graph = encoded.graph
        if graph is None:
            z = self._encode_pairs(encoded, pairs)
            return self.fusion(self._told(z, pairs)), z
        score = graph.expert_score(pairs)
        z = self._encode_pairs(encoded, pairs) if self.paired else score.unsqueeze(1)
        layers = graph.layers if getattr(self.fusion, "reads_layers", True) else ()
        return self.fusion(self._told(z, pairs), *of_both_genes(layers, pairs), score), z

    def _told(self, z: Tensor, pairs: Tensor) -> Tensor:
        """Return encodings ``[pairs, width]`` with what is told of each pair appended."""
        if not self.extra:
            return z
        return torch.cat([z, self.pair_features(pairs).to(z.dtype)], dim=1)

    def _embed(self, features: Tensor, graph: Graph) -> GraphEmbedding:
        # a branch with a pass of its own may know of no mask
        masked = getattr(type(self.gnn), "forward", None) is GraphBranch.forward
        embedding: GraphEmbedding = self.gnn(features, graph if masked else graph.edges)
        return embedding

    def _graph_branch(self, features: Tensor, graph: Graph) -> GraphEmbedding | None:
        return self._stepped(self._embed(features, graph)) if self.fused else None

    def _encode(
        self, features: Tensor, graph: Graph, embedding: GraphEmbedding | None, pairs: int | None = None
    ) -> Encoded:
        if not self.paired:
            return Encoded(None, embedding)
        inputs = features if embedding is None else self.fusion.encoder_input(features, embedding.layers)
        few = pairs is not None and 2 * pairs < len(inputs) and self.pair_encoder.by_gene
        if pairs is not None and (few or self.pair_encoder.dropped_by_pair) and not self.pair_encoder.context:
            return Encoded(None, embedding, inputs=inputs)
        neighbours = None
        if self.pair_encoder.context or self.pair_encoder.common:
            edges = graph.edges if self.direction == "both" else both_ways(graph.edges)
            kind = Neighbours if self.pair_encoder.context else CommonNeighbours
            neighbours = kind(edges, len(features))
        return Encoded(self.pair_encoder.project(inputs), embedding, neighbours)

    def _stepped(self, embedding: GraphEmbedding) -> GraphEmbedding:
        """Return the embeddings as the steps of plug-ins leave them; the graph branch's own score stays."""
        for name, modules in self.steps.items():
            layers = tuple(module(h) for module, h in zip(modules, embedding.layers, strict=True))  # type: ignore[call-overload]
            for before, after in zip(embedding.layers, layers, strict=True):
                if after.shape != before.shape:
                    raise KnockoutError(
                        f"{name} returns embeddings [genes, width] of the shape that it is given, "
                        f"{list(before.shape)}: {list(after.shape)}."
                    )
            embedding = replace(embedding, layers=layers)
        return embedding

    def _encode_pairs(self, encoded: Encoded, pairs: Tensor) -> Tensor:
        if encoded.inputs is not None:
            as_tf, as_target = self.pair_encoder.project(encoded.inputs.index_select(0, pairs.t().flatten()))
            return self.pair_encoder(as_tf[: len(pairs)], as_target[len(pairs) :])
        assert encoded.tokens is not None  # no pair is encoded where the graph decides alone
        as_tf, as_target = encoded.tokens
        tf, target = as_tf.index_select(0, pairs[:, 0]), as_target.index_select(0, pairs[:, 1])
        if encoded.neighbours is None:
            return self.pair_encoder(tf, target)
        if isinstance(encoded.neighbours, CommonNeighbours):
            return self.pair_encoder(tf, target, encoded.neighbours.total(as_target, pairs))
        near = encoded.neighbours.of(pairs, self.pair_encoder.context, draw=self.training)
        return self.pair_encoder(tf, target, LocalContext(as_tf[near.tf], as_target[near.target], near.absent))
