from __future__ import annotations

import numpy as np
import pytest
import torch
from component_cases import IN_WIDTH, all_levels, small

from components.core import registry
from components.model import training_graph
from components.passing.graph import Graph
from knockout.testing import GraphBranchContract

LEVELS = [level for _, level in all_levels("gnn") if registry.level("gnn", level)(small("gnn", level), 3).widths]
GENES = 12
POSITIVES = torch.tensor([[0, 1], [1, 0], [0, 2], [3, 4], [4, 5], [6, 7], [0, 8], [8, 9], [9, 10], [3, 0]])
PAIRS = torch.tensor([[0, 5], [5, 0], [3, 11], [2, 2]])


def build(level: str, seed: int = 0, **settings):
    torch.manual_seed(seed)
    return registry.level("gnn", level)(small("gnn", level, **settings), IN_WIDTH)


@pytest.fixture(scope="module")
def x() -> torch.Tensor:
    return torch.randn(GENES, IN_WIDTH, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("level", LEVELS)
class TestEveryGraphBranch(GraphBranchContract):
    pass


def test_shared_expert_score_is_equation_5_to_the_letter(x):
    graph = build("gcn", expert="shared").eval()(x, training_graph(POSITIVES))
    last = graph.layers[-1]
    torch.testing.assert_close(graph.expert_score(PAIRS), (last[PAIRS[:, 0]] * last[PAIRS[:, 1]]).sum(1))
    torch.testing.assert_close(graph.expert_score(PAIRS), graph.expert_score(PAIRS.flip(1)))


def test_roles_make_the_expert_score_directed(x):
    graph = build("gcn", expert="roles").eval()(x, training_graph(POSITIVES))
    assert not torch.allclose(graph.expert_score(PAIRS[:1]), graph.expert_score(PAIRS[1:2]))


def adjacency() -> np.ndarray:
    links = np.zeros((GENES, GENES))
    for i, j in POSITIVES.tolist():
        links[i, j] = links[j, i] = 1.0
    return links


@pytest.mark.parametrize("self_loops", [True, False])
def test_gcn_is_kipf_and_welling_equation_2(x, self_loops):
    part = build("gcn", self_loops=self_loops).eval()
    links = adjacency() + self_loops * np.eye(GENES)
    degree = links.sum(1)
    h = x.numpy().astype(float)
    for conv, layer in zip(part.convs, part(x, training_graph(POSITIVES)).layers, strict=True):
        weight, bias = conv.lin.weight.detach().numpy(), conv.bias.detach().numpy()
        out = np.zeros((GENES, len(bias)))
        for i in range(GENES):
            for j in range(GENES):
                if links[i, j]:
                    out[i] += weight @ h[j] / np.sqrt(degree[i] * degree[j])
        h = np.maximum(out + bias, 0.0)
        np.testing.assert_allclose(layer.detach().numpy(), h, rtol=1e-4, atol=1e-5)


def test_gat_is_a_weighted_mean_by_attention(x):
    part = build("gat", self_loops=True).eval()
    links = (adjacency() + np.eye(GENES)).astype(bool)
    conv, layer = part.convs[0], part(x, training_graph(POSITIVES)).layers[0]
    heads, width = conv.heads, conv.out_channels
    assert layer.shape[1] == heads * width
    projected = (x @ conv.lin.weight.T).detach().numpy().reshape(GENES, heads, width)
    source = (projected * conv.att_src.detach().numpy()).sum(-1)
    sink = (projected * conv.att_dst.detach().numpy()).sum(-1)
    for i in range(GENES):
        neighbours = np.flatnonzero(links[i])
        energy = source[neighbours] + sink[i]
        weight = np.exp(np.where(energy > 0, energy, 0.2 * energy))
        mean = ((weight / weight.sum(0))[:, :, None] * projected[neighbours]).sum(0).ravel()
        out = mean + conv.bias.detach().numpy()
        np.testing.assert_allclose(layer[i].detach().numpy(), np.where(out > 0, out, 0.2 * out), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("aggregation", "join"), [("mean", np.mean), ("sum", np.sum), ("max", np.max)])
def test_sage_adds_the_joined_neighbours(x, aggregation, join):
    part = build("sage", aggregation=aggregation).eval()
    conv, layer = part.convs[0], part(x, training_graph(POSITIVES)).layers[0].detach().numpy()
    own, other = conv.lin_r.weight.detach().numpy(), conv.lin_l.weight.detach().numpy()
    for i, links in enumerate(adjacency()):
        joined = join(x.numpy()[links > 0], axis=0) if links.any() else np.zeros(IN_WIDTH)
        expected = np.maximum(own @ x.numpy()[i] + other @ joined + conv.lin_l.bias.detach().numpy(), 0.0)
        np.testing.assert_allclose(layer[i], expected, rtol=1e-3, atol=1e-5)


def shown_edges(hidden: torch.Tensor) -> list[list[int]]:
    return Graph.of_positives(POSITIVES, "both").hiding(hidden).edges.t().tolist()


class TestTrainingGraph:
    def test_is_undirected_without_repetition(self):
        links = {tuple(e) for e in training_graph(POSITIVES).t().tolist()}
        assert links == {(i, j) for i, j in POSITIVES.tolist()} | {(j, i) for i, j in POSITIVES.tolist()}
        assert training_graph(POSITIVES).shape == (2, len(links))

    def test_hidden_positive_is_gone_in_both_directions(self):
        hidden = torch.zeros(len(POSITIVES), dtype=torch.bool)
        hidden[2] = True  # 0 -> 2
        links = shown_edges(hidden)
        assert [0, 2] not in links
        assert [2, 0] not in links

    def test_visible_reverse_keeps_two_genes_linked(self):
        hidden = torch.zeros(len(POSITIVES), dtype=torch.bool)
        hidden[0] = True  # 0 -> 1, while 1 -> 0 is shown
        assert [0, 1] in shown_edges(hidden)
        hidden[1] = True
        assert [0, 1] not in shown_edges(hidden)
