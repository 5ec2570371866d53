"""Every formula of GP-DHT (eqs 1-23) against a slow, obvious reference on graphs small enough to count by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from component_cases import BUDGET, fit, make_model, make_parts, small
from torch.nn import functional as F

from components.bucketing.buckets import Edges, bounds, cumulative, log_positive, quantile, uniform
from components.bucketing.relations import GeneCellLayer, Neighbours, both_ways
from components.contrast.off import NoContrast
from components.contrast.supcon import supcon_loss
from components.core import registry

E = math.e
# one gene, five cells: ln gives 0, 1, 2, 4 and a zero; mean 1.75, sd 1.708 (n - 1), so [L, U] = [0, 4]
ONE = np.array([[1.0, E, E**2, E**4, 0.0]])


def count_matrix(seed: int = 0, genes: int = 6, cells: int = 9) -> np.ndarray:
    return np.random.default_rng(seed).poisson(1.5, (genes, cells)).astype(np.float64)


def as_rows(edges: Edges) -> list[tuple[int, int, int]]:
    return sorted(zip(edges.gene.tolist(), edges.cell.tolist(), edges.level.tolist(), strict=True))


class TestBuckets:
    """Eqs 1-10."""

    def test_1_and_4_logarithm_of_what_is_above_zero(self):
        np.testing.assert_allclose(log_positive(ONE), [[0, 1, 2, 4, np.nan]])
        np.testing.assert_array_equal(log_positive(np.array([[-1.0, 0.0, 3.0]]), "none"), [[np.nan, np.nan, 3.0]])

    def test_2_and_5_range_by_hand(self):
        values = [0, 1, 2, 4]
        mean = sum(values) / 4
        sd = math.sqrt(sum((v - mean) ** 2 for v in values) / 3)
        low, high = bounds(log_positive(ONE))
        assert low.item() == pytest.approx(max(mean - 2 * sd, 0)) == 0.0
        assert high.item() == pytest.approx(min(mean + 2 * sd, 4)) == 4.0

    def test_2_and_5_outlier_is_cut_at_two_deviations(self):
        values = np.array([[1.0] * 9 + [11.0]])
        low, high = bounds(values)
        assert low.item() == 1.0
        assert high.item() == pytest.approx(2.0 + 2 * math.sqrt((9 * 1 + 81) / 9))

    def test_6_and_7_levels_and_positions_by_hand(self):
        edges = uniform(ONE, 4)  # w = 1
        assert as_rows(edges) == [(0, 0, 1), (0, 1, 2), (0, 2, 3), (0, 3, 4)]
        np.testing.assert_allclose(edges.position, [0, 1, 2, 4], atol=1e-12)

    def test_3_and_6_against_the_formula_cell_by_cell(self):
        x, levels = np.random.default_rng(1).lognormal(0, 1, (5, 40)), 5
        x[x < 0.5] = 0.0
        x[:, 0] = 60.0  # beyond mu + 2 sd
        buckets = {(i, j): k for i, j, k in as_rows(uniform(x, levels))}
        clipped = 0
        for i, row in enumerate(x):
            logs = np.log(row[row > 0])
            low = max(logs.mean() - 2 * logs.std(ddof=1), logs.min())
            high = min(logs.mean() + 2 * logs.std(ddof=1), logs.max())
            width = (high - low) / levels
            for j, value in enumerate(row):
                if value == 0:
                    assert (i, j) not in buckets
                    continue
                expected = min(levels - 1, max(0, math.floor((math.log(value) - low) / width))) + 1
                assert buckets[i, j] == expected
                if math.log(value) > high:
                    clipped += 1
                    assert buckets[i, j] == levels  # eq 3
        assert clipped >= 5

    def test_uniform_has_2m_edges_with_their_reverse(self):
        x = count_matrix()
        assert 2 * len(uniform(x, 4)) == 2 * np.count_nonzero(x)

    def test_8_to_10_cumulative_repeats_an_edge_up_to_its_level(self):
        x = count_matrix()
        own = uniform(x, 4)
        expected = [(g, c, k) for g, c, top in as_rows(own) for k in range(1, top + 1)]
        repeated = cumulative(x, 4)
        assert as_rows(repeated) == sorted(expected)
        assert np.count_nonzero(x) < len(repeated) <= 4 * np.count_nonzero(x)
        position = {(g, c): r for g, c, r in zip(own.gene, own.cell, own.position, strict=True)}
        assert all(position[g, c] == r for g, c, r in zip(repeated.gene, repeated.cell, repeated.position, strict=True))

    def test_quantile_levels_hold_equally_many_cells(self):
        x = np.random.default_rng(0).lognormal(0, 1, (3, 21))
        x[:, 0] = 0.0
        edges = quantile(x, 4)
        for gene in range(3):
            assert np.bincount(edges.level[edges.gene == gene])[1:].tolist() == [5, 5, 5, 5]
            mine = edges.gene == gene
            order = np.argsort(x[gene, edges.cell[mine]])
            assert (np.diff(edges.level[mine][order]) >= 0).all()

    def test_quantile_keeps_ties_on_one_level(self):
        edges = quantile(np.array([[1.0, 1.0, 1.0, 1.0, 1.0, 5.0]]), 3)
        assert edges.level.tolist() == [2, 2, 2, 2, 2, 3]

    @pytest.mark.parametrize("cut", [uniform, cumulative, quantile])
    def test_degenerate_genes_raise_no_error(self, cut):
        odd = np.array([[0.0, 0.0, 0.0], [0.0, 7.0, 0.0], [3.3, 3.3, 3.3], [-1.0, -2.0, 1.0]])
        edges = cut(odd, 3)
        assert set(edges.gene.tolist()) == {1, 2, 3}
        assert np.isfinite(edges.position).all()
        assert edges.level.min() >= 1
        assert edges.level.max() <= 3
        assert (3, 0) not in set(zip(edges.gene.tolist(), edges.cell.tolist(), strict=True))  # below zero: as zero


def encode(level: str, x: np.ndarray, **settings):
    torch.manual_seed(0)
    given = small("bucketing", level, **{"dim": 5, "heads": 1, "width": 4, "levels": 3, **settings})
    return registry.level("bucketing", level)(given, torch.from_numpy(x)).double().eval()


def updated(part, edges: list[tuple[int, int, int, float]], sources, targets, **how) -> np.ndarray:
    """Eqs 11-14 for one kind of target, one node, relation and feature at a time."""
    w_r, w_k = part.source.detach().numpy(), part.target.detach().numpy()
    levels, _, dim = w_r.shape
    rows = []
    for v in range(len(targets)):
        joined: list[float] = []
        for r in range(levels):
            own = targets[v] @ w_k[r]  # eq 11
            messages = [(sources[u] @ w_r[r]) * weight for u, t, k, weight in edges if t == v and k == r + 1]
            message = [max(h[d] for h in messages) if messages else 0.0 for d in range(dim)]
            other = own if how.get("similarity", "target") == "target" else np.array(message)
            norms = max(np.linalg.norm(own), 1e-12), max(np.linalg.norm(other), 1e-12)
            response = [abs(own[d] / norms[0] * other[d] / norms[1]) / part.temperature for d in range(dim)]
            total = sum(math.exp(q) for q in response)
            alpha = [math.exp(q) / total * (dim if how.get("gain", True) else 1) for q in response]  # eq 12
            joined += [max(message[d] * alpha[d], 0.0) for d in range(dim)]  # eq 13
        rows.append(part.join.weight.detach().numpy() @ np.array(joined) + part.join.bias.detach().numpy())  # eq 14
    return np.array(rows)


def listed(edges: Edges, levels: int, *, weighted: bool, reverse: bool) -> list[tuple[int, int, int, float]]:
    columns = (edges.gene, edges.cell) if reverse else (edges.cell, edges.gene)
    weight = edges.position / levels if weighted else np.ones(len(edges))
    return list(zip(*columns, edges.level, np.float32(weight).astype(float), strict=True))


class TestEncoder:
    """Eqs 11-14."""

    @pytest.mark.parametrize("level", ["uniform", "cumulative", "quantile"])
    @pytest.mark.parametrize("edge_weight", ["none", "position"])
    @pytest.mark.parametrize("how", [{}, {"similarity": "message"}, {"unit_gain": False}], ids=str)
    def test_11_to_14_gene_by_gene(self, level, edge_weight, how):
        x = count_matrix()
        x[4] = 0.0
        part = encode(level, x, edge_weight=edge_weight, **how)
        if part.into_genes.weights is not None:
            part.into_genes.weights = part.into_genes.weights.double()
        cut = {"uniform": uniform, "cumulative": cumulative, "quantile": quantile}[level](x, 3)
        edges = listed(cut, 3, weighted=edge_weight == "position", reverse=False)
        genes, cells = part.genes.detach().numpy(), part.cells.detach().numpy()
        how = {"similarity": how.get("similarity", "target"), "gain": how.get("unit_gain", True)}
        expected = updated(part.layers[0].to_genes, edges, cells, genes, **how)
        np.testing.assert_allclose(part().detach().numpy(), expected, rtol=1e-5, atol=1e-7)

    def test_genes_and_cells_are_both_updated(self):
        x = count_matrix()
        cut = uniform(x, 3)
        settings = registry.parse("bucketing", "uniform", {"levels": 3, "dim": 4, "width": 6})
        torch.manual_seed(0)
        layer = GeneCellLayer(settings, 5, cells=True).double()
        genes, cells = torch.randn(6, 5).double(), torch.randn(9, 5).double()
        embeddings = layer(genes, cells, *both_ways(cut, 3, (6, 9), weighted=False))
        into_genes = listed(cut, 3, weighted=False, reverse=False)
        into_cells = listed(cut, 3, weighted=False, reverse=True)
        expected = (
            updated(layer.to_genes, into_genes, cells.numpy(), genes.numpy()),
            updated(layer.to_cells, into_cells, genes.numpy(), cells.numpy()),
        )
        for ours, slow in zip(embeddings, expected, strict=True):
            np.testing.assert_allclose(ours.detach().numpy(), slow, rtol=1e-6, atol=1e-9)

    def test_second_layer_reads_updated_genes_and_cells(self):
        part = encode_two_layers()
        genes, cells = part.layers[0](part.genes, part.cells, part.into_genes, part.into_cells)
        torch.testing.assert_close(part(), part.layers[1](genes, cells, part.into_genes, None)[0])
        part().square().sum().backward()
        assert all(w.grad is not None and w.grad.any() for w in part.parameters())

    def test_attention_sums_to_one_over_features_and_sharpens_as_it_cools(self):
        part = encode("uniform", count_matrix()).layers[0].to_genes
        own = torch.randn(3, 6, 5).double()
        part.temperature = 1.0
        warm = part.attention(own, own)
        part.temperature = 0.01
        torch.testing.assert_close(warm.sum(-1), torch.ones(3, 6).double())
        assert (part.attention(own, own).amax(-1) > warm.amax(-1)).all()

    @pytest.mark.parametrize("weighted", [False, True])
    def test_gradient_of_the_maximum(self, weighted):
        graph, _ = both_ways(uniform(count_matrix(), 3), 3, (6, 9), weighted=weighted)
        if graph.weights is not None:
            graph.weights = graph.weights.double()
        messages = torch.randn(3, 9, 4, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(graph, (messages,))

    def test_groups_do_not_change_the_maximum(self, monkeypatch):
        cut = cumulative(count_matrix(3, 30, 40), 4)
        messages = torch.randn(4, 40, 3)
        whole = both_ways(cut, 4, (30, 40), weighted=False)[0](messages)
        monkeypatch.setattr("components.bucketing.relations.GROUP", 16)
        pieces = both_ways(cut, 4, (30, 40), weighted=False)[0]
        assert len(pieces.shapes) > 20
        assert torch.equal(pieces(messages), whole)

    def test_graph_without_edges_gives_zeros(self):
        none = np.empty(0, dtype=np.int64)
        assert not Neighbours(none, none, none, None, (2, 3, 4))(torch.randn(2, 3, 5)).any()


def encode_two_layers():
    torch.manual_seed(0)
    given = registry.parse("bucketing", "uniform", {"dim": 5, "width": 4, "levels": 3, "layers": 2})
    return registry.level("bucketing", "uniform")(given, torch.from_numpy(count_matrix()))


def pair_encoder(**settings):
    torch.manual_seed(0)
    return registry.level("pair_encoder", "gpdht")(small("pair_encoder", "gpdht", **settings), 6).double().eval()


def layer_norm(x: np.ndarray, norm) -> np.ndarray:
    """Eq 19, with the square root that its print lacks."""
    spread = np.sqrt(x.var(-1, keepdims=True) + norm.eps)
    return norm.weight.detach().numpy() * (x - x.mean(-1, keepdims=True)) / spread + norm.bias.detach().numpy()


def gelu(x: np.ndarray) -> np.ndarray:
    return np.vectorize(lambda v: v * 0.5 * (1 + math.erf(v / math.sqrt(2))))(x)


def linear(x: np.ndarray, part) -> np.ndarray:
    return x @ part.weight.detach().numpy().T + part.bias.detach().numpy()


class TestPairEncoder:
    """Eqs 17-20."""

    def test_17_to_20_pair_by_pair(self):
        part = pair_encoder(layers=3, heads=2, dim=8, width=4)
        x = torch.randn(5, 6, generator=torch.Generator().manual_seed(1)).double()
        as_tf, as_target = part.project(x)
        encodings = part(as_tf[[0, 3]], as_target[[1, 2]]).detach().numpy()
        for row, (i, j) in enumerate([(0, 1), (3, 2)]):
            tokens = linear(x[[i, j]].numpy(), part.token)
            for block in part.encoder.layers:
                w, b = (getattr(block.self_attn, f"in_proj_{n}").detach().numpy() for n in ("weight", "bias"))
                heads = []
                for head in range(2):
                    q, k, v = (
                        (tokens @ w[p * 8 : p * 8 + 8].T + b[p * 8 : p * 8 + 8])[:, head * 4 : head * 4 + 4]
                        for p in range(3)
                    )
                    share = np.exp(q @ k.T / math.sqrt(4))
                    heads.append(share / share.sum(1, keepdims=True) @ v)  # eq 17
                tokens = layer_norm(tokens + linear(np.hstack(heads), block.self_attn.out_proj), block.norm1)
                ffn = linear(gelu(linear(tokens, block.linear1)), block.linear2)  # eq 18
                tokens = layer_norm(tokens + ffn, block.norm2)  # eq 19
            expected = layer_norm(gelu(linear(tokens.ravel(), part.out[0])), part.out[2])  # eq 20
            np.testing.assert_allclose(encodings[row], expected, rtol=1e-6, atol=1e-8)

    def test_defaults_are_the_papers(self):
        settings = registry.parse("pair_encoder", "gpdht")
        assert (settings.layers, settings.width) == (3, 256)


def brute_force(h: np.ndarray, labels: list[int], tau: float, anchors: str = "all") -> float:
    """Eq 21 by a double loop, averaged over partners of an anchor, then over anchors."""

    def sim(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))

    per_anchor = []
    for i in range(len(h)):
        if anchors == "edges" and not labels[i]:
            continue
        below = sum(math.exp(sim(h[i], h[k]) / tau) for k in range(len(h)) if k != i)
        partners = [j for j in range(len(h)) if j != i and labels[j] == labels[i]]
        losses = [-math.log(math.exp(sim(h[i], h[j]) / tau) / below) for j in partners]
        if losses:
            per_anchor.append(sum(losses) / len(losses))
    return sum(per_anchor) / len(per_anchor) if per_anchor else 0.0


def supcon(width: int = 6, **settings):
    torch.manual_seed(0)
    return registry.level("contrast", "supcon")(small("contrast", "supcon", **settings), width)


class TestSupCon:
    """Eqs 15, 16 and 21-23."""

    @pytest.mark.parametrize("anchors", ["all", "edges"])
    @pytest.mark.parametrize("labels", [[1, 0, 1, 0, 1, 0, 0], [1, 0, 0, 0, 0, 0, 0], [1, 1, 1, 0, 1, 1, 1]], ids=str)
    def test_21_against_a_double_loop(self, labels, anchors):
        h = torch.randn(7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        loss = supcon_loss(h, torch.tensor(labels, dtype=torch.float64), 0.3, anchors)
        assert loss.item() == pytest.approx(brute_force(h.numpy(), labels, 0.3, anchors), abs=1e-12)

    def test_21_by_hand(self):
        h = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]])
        # cosines: 1 within the class, 0 across; tau = 1. The third pair has no partner.
        expected = -math.log(E / (E + 1))
        assert supcon_loss(h, torch.tensor([1.0, 1.0, 0.0]), 1.0).item() == pytest.approx(expected, rel=1e-6)

    def test_21_is_stable_where_it_is_steepest(self):
        h = torch.randn(64, 5, generator=torch.Generator().manual_seed(1)) * 1e4
        h[3] = 0.0
        h.requires_grad_()
        loss = supcon_loss(h, (torch.arange(64) % 2).float(), 0.01)
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(h.grad).all()

    @pytest.mark.parametrize("labels", [torch.ones(6), torch.zeros(6)])
    def test_one_class_contributes_zero(self, labels):
        assert supcon()(torch.randn(6, 6), labels).item() == 0.0

    def test_16_and_22_head_views_and_weight(self):
        part = supcon(weight=0.3, noise=0.5, temperature=0.2).double()
        z, labels = torch.randn(6, 6).double(), torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0, 0.0])
        torch.manual_seed(5)
        loss = part(z, labels).item()
        torch.manual_seed(5)
        noisy = z + 0.5 * z.std(0, unbiased=False) * torch.randn_like(z)
        losses = [brute_force(part.head(v).detach().numpy(), [1, 0, 1, 0, 1, 0], 0.2) for v in (z, noisy)]
        assert loss == pytest.approx(0.3 * sum(losses) / 2, rel=1e-9)

    def test_no_noise_outside_training(self):
        part = supcon(noise=0.5).eval()
        z, labels = torch.randn(6, 6), torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0, 0.0])
        assert torch.equal(part(z, labels), part(z, labels))

    def test_23_weights(self):
        part = supcon()
        assert (part.bce_weight, part.settings.weight) == (0.6, 0.4)
        assert NoContrast(NoContrast.Settings(), 3).bce_weight == 1.0

    def test_22_and_23_reach_the_loss_of_a_batch(self, dataset, split):
        parts = make_parts(gnn="none", contrast=("supcon", {"noise": 0.0}), pair_encoder=("gpdht", {"dropout": 0.0}))
        model = make_model(dataset, parts)
        seen = []
        model.contrast.register_forward_hook(lambda part, args, out: seen.append((args, out)))
        cross_entropies: list[float] = []
        original = F.binary_cross_entropy_with_logits

        def note(*args, **kwargs):
            value = original(*args, **kwargs)
            cross_entropies.append(value.item())
            return value

        budget = BUDGET.model_copy(update={"epochs": 1, "batch_size": 100_000})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("components.optimizer.F.binary_cross_entropy_with_logits", note)
            trained = fit(dataset, split, parts, budget, model=model)
        assert len(seen) == len(cross_entropies) == 1
        expected = 0.6 * cross_entropies[0] + seen[0][1].item()
        assert trained.curves["joint_loss"] == [pytest.approx(expected, rel=1e-6)]
