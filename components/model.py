"""One model for both papers: assembles registered parts into a scorer of TF-target pairs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from components import registry
from components.fusion import PairOnly
from components.gnn import GraphEmbedding
from components.settings import Settings
from components.streams import Streams

__all__ = ["GRNModel", "Parts", "assemble"]

MODEL_FACTORS = ("bucketing", "gnn", "pair_encoder", "fusion", "contrast")


@dataclass(frozen=True)
class Parts:
    """Level and settings chosen for each factor of the model."""

    chosen: dict[str, tuple[str, Settings]]

    def build(self, factor: str, *args: Any) -> Any:
        """Construct the level chosen for a factor."""
        name, settings = self.chosen[factor]
        return registry.level(factor, name)(settings, *args)

    def cls(self, factor: str) -> Any:
        """Return the class of the level chosen for a factor."""
        return registry.level(factor, self.chosen[factor][0])


@dataclass(frozen=True)
class Encoded:
    """What the model knows of every gene before it looks at a pair: computed once per pass."""

    as_tf: Tensor
    as_target: Tensor
    graph: GraphEmbedding | None


class GRNModel(nn.Module):
    """Scores TF-target pairs from expression ``[genes, cells]`` and the visible graph ``[2, edges]``.

    Eqs 4-8 of scUniGP, with every part swappable. Call :meth:`encode` once per pass, then :meth:`score` on pairs.
    """

    def __init__(self, parts: Parts, expression: Tensor, streams: Streams) -> None:
        super().__init__()
        with _seeded(streams, "bucketing"):
            self.bucketing = parts.build("bucketing", expression)
        with _seeded(streams, "gnn"):
            self.gnn = parts.build("gnn", self.bucketing.width)
        self.fused = bool(self.gnn.widths)
        in_width = self.bucketing.width
        if self.fused:
            in_width = parts.cls("fusion").encoder_width(in_width, self.gnn.widths)
        with _seeded(streams, "pair_encoder"):
            self.pair_encoder = parts.build("pair_encoder", in_width)
        with _seeded(streams, "fusion"):
            if self.fused:
                self.fusion = parts.build("fusion", self.pair_encoder.width, self.gnn.widths)
            else:
                self.fusion = PairOnly(self.pair_encoder.width)
        with _seeded(streams, "contrast"):
            self.contrast = parts.build("contrast", self.pair_encoder.width)

    @property
    def hides_batch(self) -> bool:
        """Whether a batch's own positives are left out of the graph while they are predicted."""
        return self.fused and bool(self.gnn.settings.hide_batch)

    def embed_graph(self, edges: Tensor) -> GraphEmbedding | None:
        """Run the global branch alone over ``[2, edges]``, None without one: pre-training needs no more."""
        return self.gnn(self.bucketing(), edges) if self.fused else None

    def encode(self, edges: Tensor) -> Encoded:
        """Look at every gene once: features, graph over ``[2, edges]``, projection into either role."""
        features = self.bucketing()
        graph = self.gnn(features, edges) if self.fused else None
        inputs = features if graph is None else self.fusion.encoder_input(features, graph.layers)
        as_tf, as_target = self.pair_encoder.project(inputs)
        return Encoded(as_tf, as_target, graph)

    def score(self, encoded: Encoded, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits ``[pairs]`` and pair encodings ``[pairs, width]`` of ``[pairs, 2]`` gene indices."""
        i, j = pairs[:, 0], pairs[:, 1]
        z = self.pair_encoder(encoded.as_tf[i], encoded.as_target[j])
        graph = encoded.graph
        if graph is None:
            return self.fusion(z), z
        tf, target = [h[i] for h in graph.layers], [h[j] for h in graph.layers]
        return self.fusion(z, tf, target, graph.expert_score(pairs)), z


def assemble(parts: Parts, expression: Tensor, streams: Streams) -> GRNModel:
    """Build the model of an arm; each part's initial weights come from a stream of its own.

    So swapping the GNN leaves the initial weights of every other part of the same shape as they were.
    """
    return GRNModel(parts, expression, streams)


@contextmanager
def _seeded(streams: Streams, part: str) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(streams.seed("init", part))
        yield
