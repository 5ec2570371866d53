"""What the parts of a model owe that read genes: bucketings, graph branches, pair encoders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from components.core import registry
from components.core.dataset import Dataset
from components.model import training_graph
from knockout.testing.cases import (
    IN_WIDTH,
    assert_gradients_reach_all,
    bucketing_arguments,
    same_state,
)
from knockout.testing.level import Suite

GENES = 12
POSITIVES = torch.tensor([[0, 1], [1, 0], [0, 2], [3, 4], [4, 5], [6, 7], [0, 8], [8, 9], [9, 10], [3, 0]])
PAIRS = torch.tensor([[0, 5], [5, 0], [3, 11], [2, 2]])


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Return standard normal numbers of a shape."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class _Features(Suite):
    @pytest.fixture
    def x(self) -> Tensor:
        """Return features of genes."""
        return normal(GENES, IN_WIDTH)


class BucketingContract(Suite):
    """What a bucketing owes: finite features per gene, whatever the order of genes, which leave expression alone."""

    def build(self, level: str, expression: np.ndarray, seed: int = 0, order: Any = None, **settings: Any) -> Any:
        """Construct the level with initial weights of a seed, for genes in their order or another."""
        arguments = bucketing_arguments(registry.level("bucketing", level), expression, order)
        return self.make("bucketing", level, *arguments, seed=seed, **settings)

    def test_gives_one_finite_vector_per_gene(self, level: str, dataset: Dataset) -> None:
        part = self.build(level, dataset.expression)
        features = part()
        assert features.shape == (dataset.n_genes, part.width)
        assert torch.isfinite(features).all()

    def test_gene_without_variation_stays_finite(self, level: str, dataset: Dataset) -> None:
        silent = dataset.expression.copy()
        silent[:3] = 0.0
        assert torch.isfinite(self.build(level, silent)()).all()

    def test_same_seed_gives_the_same_bits(self, level: str, dataset: Dataset) -> None:
        one, two = self.build(level, dataset.expression, 3).eval(), self.build(level, dataset.expression, 3).eval()
        assert same_state(one, two)
        assert torch.equal(one(), two())

    def test_permuting_genes_permutes_features(self, level: str, dataset: Dataset) -> None:
        order = np.random.default_rng(0).permutation(dataset.n_genes)
        plain, permuted = (
            self.build(level, dataset.expression).eval(),
            self.build(level, dataset.expression[order], order=order).eval(),
        )
        with torch.no_grad():
            for name in plain.per_gene:  # a gene takes the weights along that it is known by
                getattr(permuted, name).copy_(getattr(plain, name)[order])
        expected = plain()[torch.from_numpy(order)]
        torch.testing.assert_close(permuted(), expected[:, order] if plain.over_genes else expected)

    def test_gradients_reach_every_weight(self, level: str, dataset: Dataset) -> None:
        part = self.build(level, dataset.expression)
        if not list(part.parameters()):
            assert not part().requires_grad
            return
        assert_gradients_reach_all(part, part().square().sum())

    def test_expression_is_left_as_it_was(self, level: str, dataset: Dataset) -> None:
        before = dataset.expression.copy()
        self.build(level, dataset.expression)()
        np.testing.assert_array_equal(dataset.expression, before)


class GraphBranchContract(_Features):
    """What a graph branch owes: an embedding per layer, whatever the order of genes, along the edges it is shown."""

    @pytest.fixture(params=["roles", "shared"])
    def expert(self, request: pytest.FixtureRequest) -> str:
        """Return how the expert score is made."""
        return str(request.param)

    def build(self, level: str, seed: int = 0, **settings: Any) -> Any:
        """Construct the level with initial weights of a seed."""
        return self.make("gnn", level, IN_WIDTH, seed=seed, **settings)

    def test_gives_one_embedding_per_layer(self, level: str, expert: str, x: Tensor) -> None:
        part = self.build(level, expert=expert)
        graph = part(x, training_graph(POSITIVES))
        assert [h.shape for h in graph.layers] == [(GENES, width) for width in part.widths]
        assert graph.as_tf.shape == graph.as_target.shape
        assert graph.expert_score(PAIRS).shape == (len(PAIRS),)

    def test_same_seed_gives_the_same_bits(self, level: str, expert: str, x: Tensor) -> None:
        one, two = self.build(level, 3, expert=expert).eval(), self.build(level, 3, expert=expert).eval()
        assert same_state(one, two)
        edges = training_graph(POSITIVES)
        assert all(map(torch.equal, one(x, edges).layers, two(x, edges).layers))

    def test_permuting_genes_permutes_embeddings(self, level: str, expert: str, x: Tensor) -> None:
        part = self.build(level, expert=expert).eval()
        order = torch.randperm(GENES, generator=torch.Generator().manual_seed(1))
        place = torch.argsort(order)  # where each gene went
        plain = part(x, training_graph(POSITIVES))
        permuted = part(x[order], training_graph(place[POSITIVES]))
        for before, after in zip((*plain.layers, plain.as_tf), (*permuted.layers, permuted.as_tf), strict=True):
            torch.testing.assert_close(after, before[order])
        torch.testing.assert_close(permuted.expert_score(place[PAIRS]), plain.expert_score(PAIRS))

    def test_gradients_reach_every_weight(self, level: str, expert: str, x: Tensor) -> None:
        part = self.build(level, expert=expert)
        graph = part(x, training_graph(POSITIVES))
        everyone = torch.cartesian_prod(torch.arange(GENES), torch.arange(GENES))  # few pairs leave a ReLU dead
        score = graph.expert_score(everyone).square().sum()
        assert_gradients_reach_all(part, score + sum(h.square().sum() for h in graph.layers))

    def test_edge_acts_only_where_messages_pass(self, level: str, expert: str, x: Tensor) -> None:
        part = self.build(level, expert=expert).eval()
        plain = part(x, training_graph(POSITIVES)).layers[-1]
        more = part(x, training_graph(torch.cat([POSITIVES, torch.tensor([[2, 11]])]))).layers[-1]
        assert torch.equal(plain, more) is not part.passes_messages

    def test_isolated_genes_and_an_empty_graph_are_borne(self, level: str, expert: str, x: Tensor) -> None:
        graph = self.build(level, expert=expert)(x, torch.empty(2, 0, dtype=torch.long))
        assert all(torch.isfinite(h).all() for h in graph.layers)

    def test_expert_score_is_the_product_of_both_roles(self, level: str, expert: str, x: Tensor) -> None:
        graph = self.build(level, expert=expert).eval()(x, training_graph(POSITIVES))
        tf, target = graph.as_tf.detach().numpy(), graph.as_target.detach().numpy()
        expected = [sum(tf[i, d] * target[j, d] for d in range(tf.shape[1])) for i, j in PAIRS.tolist()]
        np.testing.assert_allclose(graph.expert_score(PAIRS).detach().numpy(), expected, rtol=1e-4, atol=1e-6)


class PairEncoderContract(_Features):
    """What a pair encoder owes: an encoding of two genes that tells a pair from its reverse."""

    def build(self, level: str, seed: int = 0, **settings: Any) -> Any:
        """Construct the level with initial weights of a seed."""
        return self.make("pair_encoder", level, IN_WIDTH, seed=seed, **settings)

    def encode(self, part: Any, x: Tensor, pairs: Tensor = PAIRS) -> Tensor:
        """Encode pairs of genes with features ``[genes, width]``."""
        as_tf, as_target = part.project(x)
        encoded: Tensor = part(as_tf[pairs[:, 0]], as_target[pairs[:, 1]])
        return encoded

    def test_shapes_are_as_documented(self, level: str, x: Tensor) -> None:
        part = self.build(level)
        as_tf, as_target = part.project(x)
        assert as_tf.shape == as_target.shape
        assert len(as_tf) == GENES
        assert self.encode(part, x).shape == (len(PAIRS), part.width)

    def test_same_seed_gives_the_same_bits(self, level: str, x: Tensor) -> None:
        one, two = self.build(level, 3).eval(), self.build(level, 3).eval()
        assert same_state(one, two)
        assert torch.equal(self.encode(one, x), self.encode(two, x))

    def test_permuting_genes_permutes_projections(self, level: str, x: Tensor) -> None:
        part = self.build(level).eval()
        order = torch.randperm(GENES, generator=torch.Generator().manual_seed(1))
        for plain, permuted in zip(part.project(x), part.project(x[order]), strict=True):
            torch.testing.assert_close(permuted, plain[order])

    def test_gene_is_projected_alike_among_any_others(self, level: str, x: Tensor) -> None:
        """An encoder that says so may be shown the genes of a batch alone, some of them twice."""
        part, rows = self.build(level), torch.tensor([3, 0, 3, 5])
        if part.by_gene:
            part.train()
            for every, some in zip(part.project(x), part.project(x[rows]), strict=True):
                torch.testing.assert_close(some, every[rows])

    def test_roles_tell_a_pair_from_its_reverse(self, level: str, x: Tensor) -> None:
        encoded = self.encode(self.build(level).eval(), x)
        assert not torch.allclose(encoded[0], encoded[1])

    def test_pair_is_encoded_alike_in_any_batch(self, level: str, x: Tensor) -> None:
        part = self.build(level).eval()
        torch.testing.assert_close(self.encode(part, x, PAIRS[:1]), self.encode(part, x)[:1])

    def test_both_genes_matter(self, level: str, x: Tensor) -> None:
        part = self.build(level).eval()
        for column in (0, 1):
            other = x.clone()
            other[PAIRS[0, column]] += 1.0
            assert not torch.allclose(self.encode(part, other)[0], self.encode(part, x)[0])

    def test_gradients_reach_every_weight(self, level: str, x: Tensor) -> None:
        part = self.build(level)
        direction = torch.randn(part.width, generator=torch.Generator().manual_seed(2))
        assert_gradients_reach_all(part, (self.encode(part, x) @ direction).square().sum())
