"""GENELink, GNNLink and DeepSEM, against slow loops written from their public code."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from component_cases import attending, small
from torch.nn import functional as F

from components.core import registry
from components.core.streams import dropout
from components.gnn.conv_attention import DRAWS
from components.model import training_graph
from components.passing.graph import Graph
from components.scorer.known.deepsem import StructuralVAE
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


def test_gnnlinks_loss_is_squared_and_its_scores_below_zero_are_zero():
    optimizer = registry.level("optimizer", "adam")(registry.parse("optimizer", "adam", {"loss": "squared"}))
    loss = optimizer.joint([torch.nn.Parameter(torch.zeros(1))]).loss
    logits, labels = torch.tensor([-3.0, 0.5, 2.0, -1.0]), torch.tensor([0.0, 1.0, 1.0, 1.0])
    assert loss(logits, labels).item() == pytest.approx(((9 + 0.25 + 1 + 4) / 4) ** 0.5)
    rectified = preset("gnnlink").arm("gnnlink").choices["fusion"].settings
    fusion = registry.level("fusion", "expert")(rectified, 1, (4,))
    assert fusion(logits[:, None], (), (), logits).tolist() == [0.0, 0.5, 2.0, 0.0]


def test_genelink_attends_twice_and_averages_the_heads_of_the_second_layer():
    part, x, graph, links = attending("unit_attention")
    genes = len(x)

    def leaky(values: np.ndarray) -> np.ndarray:
        return np.where(values > 0, values, 0.2 * values)

    def heads(features: np.ndarray, conv: torch.nn.Module, size: int) -> list[np.ndarray]:
        maps = (features @ conv.linear.weight.detach().numpy().T).reshape(genes, 2, size)
        outcome = []
        for k in range(2):
            away, toward = (getattr(conv, end).detach().numpy()[0, k] for end in ("source", "target"))
            score = leaky((maps[:, k] @ toward)[:, None] + (maps[:, k] @ away)[None])
            masked = np.array([[score[i, j] if (i, j) in links else -9e15 for j in range(genes)] for i in range(genes)])
            weight = np.exp(masked - masked.max(axis=1, keepdims=True))
            passed = leaky(weight / weight.sum(axis=1, keepdims=True) @ maps[:, k])
            outcome.append(passed / np.linalg.norm(passed, axis=1, keepdims=True) + conv.bias.detach().numpy()[k])
        return outcome

    first = np.concatenate(heads(x.numpy(), part.convs[0], 5), axis=1)
    first = np.where(first > 0, first, np.expm1(first))
    np.testing.assert_allclose(graph.layers[0].detach().numpy(), first, rtol=1e-4, atol=1e-5)
    second = np.mean(heads(first, part.convs[1], 3), axis=0)
    np.testing.assert_allclose(graph.layers[1].detach().numpy(), second, rtol=1e-4, atol=1e-5)
    outer, inner = part.heads[1][0], part.heads[1][3]
    as_target = F.leaky_relu(inner(F.leaky_relu(outer(graph.layers[1]))))
    torch.testing.assert_close(graph.as_target, as_target)


@pytest.mark.parametrize(("level", "negative"), [("unit_attention", lambda v: 0.2 * v), ("conv_attention", np.expm1)])
def test_weights_of_a_gene_without_neighbours_drop_in_training(level: str, negative, monkeypatch: pytest.MonkeyPatch):
    part, x, _, _ = attending(level)
    conv, graph, drawn = part.convs[0].train(), Graph(torch.tensor([[0, 1], [1, 0]])), []

    def note(*given, **settings):
        drawn.append(dropout(*given, **settings))
        return drawn[-1]

    monkeypatch.setattr("components.gnn.conv_attention.dropout", note)
    heads = conv.by_head(x, graph).detach().numpy()
    maps = conv.linear(x).unflatten(1, (2, -1)).detach().numpy()
    weights, signs = drawn[1].numpy(), drawn[2].numpy() - 1
    assert weights.shape == (2, DRAWS, 7) and signs.shape == (7, DRAWS)
    assert {round(v, 5) for v in weights.ravel().tolist()} == {0.0, round(2 / 7, 5)}, (
        "half drop, the others count twice"
    )
    assert {*signs.ravel().tolist()} == {-1.0, 1.0}
    for gene in range(2, 7):
        for head in range(2):
            added = signs[gene] @ (weights[head] - 1 / 7) / np.sqrt(DRAWS)
            mean = (1 / 7 + added) @ maps[:, head]
            mean = np.where(mean > 0, mean, negative(mean))
            unit = mean / max(np.linalg.norm(mean), 1e-12)
            np.testing.assert_allclose(heads[gene, head], unit + conv.bias.detach().numpy()[head], rtol=1e-4, atol=1e-5)


def test_genes_without_neighbours_have_mean_and_variance_of_weights_of_their_own_and_no_correlation():
    part, x, _, _ = attending("unit_attention")
    conv, genes = part.convs[0].train(), len(x)
    h, nothing, alone = conv.linear(x).unflatten(1, (2, -1)), torch.zeros(genes, 2, 5), torch.ones(genes).bool()
    with torch.no_grad():
        told = torch.stack([conv._with_mean_of_all(nothing.clone(), h, alone) for _ in range(4000)])
        added = told - h.mean(dim=0)
        spread = (h.square().sum(dim=0) / genes**2).sqrt()  # of weights that are 0 or 2 / genes, half of them each
    assert ((added / spread).mean(dim=0).abs() < 0.08).all()
    torch.testing.assert_close((added / spread).square().mean(dim=0), torch.ones(genes, 2, 5), rtol=0, atol=0.12)
    for one, other in [(added[:, 0], added[:, 1]), (added[:, :, 0], added[:, :, 1])]:  # two genes, and two heads
        assert ((one * other).mean(dim=0) / spread.square().mean()).abs().max() < 0.15


def test_deepsems_loss_reads_a_component_of_one_beside_each_value(monkeypatch):
    torch.manual_seed(0)
    vae = StructuralVAE(genes=4, hidden=3).double()
    x, noise = torch.randn(2, 2, 4, dtype=torch.float64)
    monkeypatch.setattr(torch, "randn_like", lambda like: noise)
    with torch.no_grad():
        vae.w.copy_(torch.randn(4, 4) / 5)  # w[target, regulator]; what stands on the diagonal is left out
        for layer in vae.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.bias.normal_()
    through = np.array([[float(i == j) - (vae.w[j, i].item() if i != j else 0.0) for j in range(4)] for i in range(4)])

    def slow(network: torch.nn.Sequential, given: list[float]) -> np.ndarray:
        for i in range(0, len(network), 2):
            given = network[i].weight.detach().numpy() @ given + network[i].bias.detach().numpy()
            given = np.tanh(given) if i + 2 < len(network) else given
        return given

    prior_mean, prior_log_var = (slow(part, [1.0]) @ through for part in (vae.prior_mean, vae.prior_log_var))
    squares, kls = [], []
    for cell in range(2):
        codes = np.array([slow(vae.encoder, [x[cell, gene].item(), 1.0]) for gene in range(4)])
        mean, log_var = codes[:, 0] @ through, codes[:, 1] @ through
        z = mean + np.exp(log_var / 2) * noise[cell].numpy()
        back = z @ np.linalg.inv(through)
        for gene in range(4):
            squares.append((slow(vae.decoder, [back[gene]])[0] - x[cell, gene].item()) ** 2)
            log_q = -0.5 * (log_var[gene] + (z[gene] - mean[gene]) ** 2 / np.exp(log_var[gene]))
            prior = prior_mean[gene], prior_log_var[gene]
            log_p = -0.5 * (prior[1] + (z[gene] - prior[0]) ** 2 / np.exp(prior[1]))
            kls.append(log_q - log_p)
    vae.identity = vae.identity.double()  # no buffer, so that .double() leaves it
    assert vae(x, beta=0.5).item() == pytest.approx(np.mean(squares) + 0.5 * np.mean(kls), rel=1e-6)
