"""GENELink and GNNLink, against slow loops written from their public code."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from component_cases import small

from components.core import registry
from components.model import training_graph
from search_spaces.presets import preset


def test_gnnlink_convolves_over_the_targets_of_a_tf_counting_a_gene_itself_twice():
    genes, cells = 6, 9
    rng = np.random.default_rng(0)
    expression = rng.gamma(2.0, size=(genes, cells)).astype(np.float32)
    positives = np.array([[0, 1], [0, 2], [1, 3], [4, 0]])  # gene 5 stands alone
    bucketing = registry.level("bucketing", "none")(
        small("bucketing", "none", scale="unit"), torch.from_numpy(expression)
    )
    choices = preset("gnnlink").arm("gnnlink").choices
    torch.manual_seed(0)
    part = registry.level("gnn", "gcn")(choices["gnn"].settings, cells).eval()
    features = bucketing()
    graph = part(features, training_graph(torch.from_numpy(positives), direction="to_tf"))
    x = np.array([(row - row.mean()) / row.std() for row in expression.astype(np.float64)])
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    np.testing.assert_allclose(features, x, atol=1e-6)
    adjacency = 2 * np.eye(genes)
    for tf, target in positives:
        adjacency[tf, target] = 1.0
    degree = adjacency.sum(axis=1)
    for conv, ours in zip(part.convs, graph.layers, strict=True):
        mapped = x @ conv.lin.weight.detach().numpy().T
        x = np.array(
            [
                sum(adjacency[i, j] / np.sqrt(degree[i] * degree[j]) * mapped[j] for j in range(genes))
                for i in range(genes)
            ]
        )
        x = np.where(x > 0, x, 0.2 * x)
        np.testing.assert_allclose(ours.detach().numpy(), x, rtol=1e-4, atol=1e-6)
    assert graph.as_tf is graph.as_target, "the score has no direction"


def test_a_squared_loss_takes_logits_below_zero_as_zero():
    optimizer = registry.level("optimizer", "adam")(registry.parse("optimizer", "adam", {"loss": "squared"}))
    loss = optimizer.joint([torch.nn.Parameter(torch.zeros(1))]).loss
    logits, labels = torch.tensor([-3.0, 0.5, 2.0, -1.0]), torch.tensor([0.0, 1.0, 1.0, 1.0])
    assert loss(logits, labels).item() == pytest.approx(((0 + 0.25 + 1 + 1) / 4) ** 0.5)
