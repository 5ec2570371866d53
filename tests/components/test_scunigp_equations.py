"""Every formula of scUniGP (eqs 4-8, a, b, Algorithm 1) against plain loops on four genes, three cells, three edges."""

from __future__ import annotations

import math
from copy import deepcopy

import numpy as np
import pytest
import torch
from component_cases import dataset_of, fit, make_parts, small
from torch import nn

from components.core import registry
from components.core.budget import Budget
from components.core.exam import Split
from components.core.streams import Streams
from components.gnn import GraphEmbedding
from components.model import GRNModel, assemble, training_graph
from study.train.fit import predict

Row = list[float]
Rows = list[Row]

X: Rows = [[1.0, 2.0, 3.0], [0.0, 2.0, 4.0], [3.0, 1.0, 2.0], [2.0, 2.0, 5.0]]  # gene by cell
EDGES = [(0, 1), (0, 2), (1, 3)]  # 2 - 0 - 1 - 3 without directions: degrees 2, 2, 1, 1
BOTH_WAYS = [(0, 1), (1, 0), (0, 2)]  # 2 - 0 - 1, and gene 3 alone
NEGATIVES = [(1, 0), (1, 2), (2, 3)]
PAIRS = [(0, 1), (1, 0), (0, 3), (2, 2)]
FUSIONS = ["early", "late", "multiscale"]


def dot(a: Row, b: Row) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def plus(a: Row, b: Row) -> Row:
    return [x + y for x, y in zip(a, b, strict=True)]


def linear(x: Row, part: nn.Module) -> Row:
    return plus([dot(w, x) for w in part.weight.tolist()], part.bias.tolist())


def leaky(x: float, slope: float = 0.2) -> float:
    return x if x > 0 else slope * x


def gelu(x: float) -> float:
    return x * 0.5 * (1 + math.erf(x / math.sqrt(2)))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def softmax(energies: Row) -> Row:
    total = sum(math.exp(e) for e in energies)
    return [math.exp(e) / total for e in energies]


def graph_of(edges: list[tuple[int, int]]) -> torch.Tensor:
    return training_graph(torch.tensor(edges))


def neighbours(i: int, edges: list[tuple[int, int]], self_loops: bool) -> list[int]:
    """N(i) of eq a: undirected, each neighbour once (appendix C)."""
    return [j for j in range(4) if (i, j) in edges or (j, i) in edges or (self_loops and i == j)]


def shaken(part: nn.Module, seed: int = 0) -> nn.Module:
    """Move every weight and statistic off the value it starts with, so that none of them is idle."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in part.parameters():
            weight.add_(0.3 * torch.randn(weight.shape, generator=g))
        for name, statistic in part.named_buffers():
            if name.endswith("running_mean"):
                statistic.copy_(torch.randn(statistic.shape, generator=g))
            if name.endswith("running_var"):
                statistic.copy_(0.5 + torch.rand(statistic.shape, generator=g))
    return part.double().eval()


def branch(level: str, in_width: int = 3, **settings):
    torch.manual_seed(0)
    given = small("gnn", level, **{"widths": (3, 2), "expert_widths": (4, 3)} | settings)
    return shaken(registry.level("gnn", level)(given, in_width))


def weigh(part: nn.Module, **values: float) -> None:
    """Set each weight whose name ends in a key to one value, all others to zero."""
    with torch.no_grad():
        for name, weight in part.named_parameters():
            weight.fill_(next((v for k, v in values.items() if name.endswith(k)), 0.0))


# The slow references: one gene, head and feature at a time.


def gcn_layer(conv: nn.Module, h: Rows, edges: list[tuple[int, int]], self_loops: bool) -> Rows:
    """Eq a with AGG a sum, weighted by the symmetrically normalised adjacency; ReLU."""
    degree = [len(neighbours(i, edges, self_loops)) for i in range(4)]
    weight, bias = conv.lin.weight.tolist(), conv.bias.tolist()
    out = []
    for i in range(4):
        row = list(bias)
        for j in neighbours(i, edges, self_loops):
            share = 1 / math.sqrt(degree[i] * degree[j])
            row = plus(row, [share * dot(w, h[j]) for w in weight])
        out.append([max(r, 0.0) for r in row])
    return out


def gat_layer(conv: nn.Module, h: Rows, edges: list[tuple[int, int]], self_loops: bool) -> Rows:
    """Eq a with AGG an attention: alpha_ij = softmax_j LeakyReLU(a_source W h_j + a_target W h_i); LeakyReLU."""
    width, weight, bias = conv.out_channels, conv.lin.weight.tolist(), conv.bias.tolist()
    out = []
    for i in range(4):
        heads: Rows = []
        for head in range(conv.heads):
            w = weight[head * width : (head + 1) * width]
            a_source, a_target = conv.att_src.tolist()[0][head], conv.att_dst.tolist()[0][head]
            sent = [[dot(row, h[j]) for row in w] for j in range(4)]
            near = neighbours(i, edges, self_loops)
            alpha = softmax([leaky(dot(a_source, sent[j]) + dot(a_target, sent[i])) for j in near])
            heads.append([sum(a * sent[j][d] for a, j in zip(alpha, near, strict=True)) for d in range(width)])
        if conv.concat:
            joined = [value for head in heads for value in head]
        else:
            joined = [sum(head[d] for head in heads) / len(heads) for d in range(width)]
        out.append([leaky(value) for value in plus(joined, bias)])
    return out


def slow_graph(part, x: Rows, edges: list[tuple[int, int]]) -> list[Rows]:
    """h of eq 4: [layer][gene][feature]."""
    one = {"GCN": gcn_layer, "GAT": gat_layer}[type(part).__name__]
    layers, h = [], x
    for conv in part.convs:
        h = one(conv, h, edges, part.settings.self_loops)
        layers.append(h)
    return layers


def slow_expert(part, last: Rows, i: int, j: int) -> float:
    """s_ij of eq 5."""
    if part.settings.expert == "shared":
        return dot(last[i], last[j])
    ends = []
    for gene, head in ((i, part.heads[0]), (j, part.heads[1])):
        ends.append(linear([leaky(v) for v in linear(last[gene], head[0])], head[2]))
    return dot(*ends)


def slow_layer_norm(x: Row, norm: nn.Module) -> Row:
    mean = sum(x) / len(x)
    spread = math.sqrt(sum((v - mean) ** 2 for v in x) / len(x) + norm.eps)
    return [w * (v - mean) / spread + b for v, w, b in zip(x, norm.weight.tolist(), norm.bias.tolist(), strict=True)]


def slow_attention(tokens: Rows, attention: nn.Module) -> Rows:
    """Multi-head self-attention over the tokens of one pair."""
    dim, heads = len(tokens[0]), attention.num_heads
    size = dim // heads
    weight, bias = attention.in_proj_weight.tolist(), attention.in_proj_bias.tolist()
    q, k, v = (
        [plus([dot(w, t) for w in weight[p * dim : (p + 1) * dim]], bias[p * dim : (p + 1) * dim]) for t in tokens]
        for p in range(3)
    )
    out = []
    for query in q:
        joined: Row = []
        for head in range(heads):
            own = slice(head * size, (head + 1) * size)
            share = softmax([dot(query[own], key[own]) / math.sqrt(size) for key in k])
            joined += plus([share[0] * value for value in v[0][own]], [share[1] * value for value in v[1][own]])
        out.append(linear(joined, attention.out_proj))
    return out


def slow_pair(part, x_i: Row, x_j: Row) -> Row:
    """z_ij^(0) of eqs 6 and b."""
    p_0, p_1 = part.roles.tolist()
    tokens = [plus(linear(x_i, part.linear), p_0), plus(linear(x_j, part.linear), p_1)]
    for block in part.encoder.layers:
        heard = slow_attention(tokens, block.self_attn)
        tokens = [slow_layer_norm(plus(tokens[n], heard[n]), block.norm1) for n in (0, 1)]
        fed = [linear([gelu(v) for v in linear(t, block.linear1)], block.linear2) for t in tokens]
        tokens = [slow_layer_norm(plus(tokens[n], fed[n]), block.norm2) for n in (0, 1)]
    return tokens[0] + tokens[1]


def slow_block(rows: Rows, part: nn.Sequential) -> Rows:
    """Linear map, batch normalisation and PReLU: over the batch in training, over what was seen afterwards."""
    affine, norm, prelu = part[0], part[1], part[2]
    rows = [linear(row, affine) for row in rows]
    out = [[0.0] * len(rows[0]) for _ in rows]
    for d in range(len(rows[0])):
        mean, var = norm.running_mean[d].item(), norm.running_var[d].item()
        if norm.training:
            mean = sum(row[d] for row in rows) / len(rows)
            var = sum((row[d] - mean) ** 2 for row in rows) / len(rows)
        for n, row in enumerate(rows):
            value = (row[d] - mean) / math.sqrt(var + norm.eps) * norm.weight[d].item() + norm.bias[d].item()
            out[n][d] = leaky(value, prelu.weight.item())
    return out


def slow_classifier(rows: Rows, part) -> Row:
    """Three layers with a residual connection (appendix C), without the sigmoid."""
    first = slow_block(rows, part.entry)
    second = slow_block(first, part.middle)
    return [linear(plus(first[n], second[n]), part.exit)[0] for n in range(len(rows))]


def slow_multiscale(part, z: Rows, tf: list[Rows], target: list[Rows], score: Row) -> Row:
    """Algorithm 1, lines 11-18, for a batch of pairs: ``tf[l][pair]`` is h_i of layer l + 1."""
    deepest = len(part.steps)
    for level in range(1, deepest + 1):
        joined = []
        for n in range(len(z)):
            if level == deepest:
                joined.append(z[n] + tf[level - 1][n] + target[level - 1][n] + [score[n]])  # line 13
            else:
                joined.append(z[n] + tf[level - 1][n] + target[level - 1][n])  # line 15
        fused = slow_block(joined, part.steps[level - 1])
        if level > 1:  # ours: residual from the second step on
            fused = [plus(fused[n], z[n]) for n in range(len(z))]
        z = fused
    return slow_classifier(z, part.classifier)


def standardised(x: Rows) -> Rows:
    out = []
    for row in x:
        mean = sum(row) / len(row)
        spread = math.sqrt(sum((v - mean) ** 2 for v in row) / len(row))
        out.append([(v - mean) / spread for v in row])
    return out


def algorithm_1(model: GRNModel, fusion: str, pairs: list[tuple[int, int]]) -> Row:
    """From expression to one logit per pair, for each of the three fusions."""
    e = standardised(X)  # e_k = X_{:,k}
    h = slow_graph(model.gnn, e, EDGES)  # line 3
    s = [slow_expert(model.gnn, h[-1], i, j) for i, j in pairs]  # lines 4-7
    read = [e[k] + [v for layer in h for v in layer[k]] for k in range(4)] if fusion == "early" else e
    z = [slow_pair(model.pair_encoder, read[i], read[j]) for i, j in pairs]  # line 10
    part = model.fusion
    if fusion == "multiscale":
        tf, target = ([[layer[pair[end]] for pair in pairs] for layer in h] for end in (0, 1))
        return slow_multiscale(part, z, tf, target, s)
    alone = slow_classifier(z, part.classifier)
    if fusion == "early":
        return alone
    w = part.weights.tolist()
    return [w[0] * alone[n] + w[1] * s[n] for n in range(len(pairs))]


def loss_of(logits: Row, labels: list[int]) -> float:
    """Eq 8 with the minus sign that its print lacks: a sum over pairs."""
    total = 0.0
    for logit, y in zip(logits, labels, strict=True):
        total -= y * math.log(sigmoid(logit)) + (1 - y) * math.log(1 - sigmoid(logit))
    return total


class TestGlobalBranch:
    """Eqs 4 and a."""

    @pytest.mark.parametrize("edges", [EDGES, BOTH_WAYS], ids=["path", "both ways"])
    def test_4_graph_links_training_positives_without_direction_or_self_loop(self, edges):
        found = sorted((i, j) for i, j in graph_of(edges).t().tolist())
        assert found == [(i, j) for i in range(4) for j in neighbours(i, edges, self_loops=False)]

    def test_4_gcn_by_hand(self):
        x = torch.tensor([[1.0], [2.0], [4.0], [8.0]]).double()
        part = branch("gcn", 1, widths=(1,), self_loops=False)
        weigh(part, **{"lin.weight": 1.0})
        root = math.sqrt(2)  # degrees 2, 2, 1, 1
        expected = [[2 / 2 + 4 / root], [1 / 2 + 8 / root], [1 / root], [2 / root]]
        np.testing.assert_allclose(part(x, graph_of(EDGES)).layers[0].tolist(), expected)

    def test_4_gcn_with_self_loops_by_hand(self):
        x = torch.tensor([[1.0], [2.0], [4.0], [8.0]]).double()
        part = branch("gcn", 1, widths=(1,), self_loops=True)
        weigh(part, **{"lin.weight": 1.0})
        root = math.sqrt(6)  # degrees 3, 3, 2, 2
        expected = [[1 / 3 + 2 / 3 + 4 / root], [2 / 3 + 1 / 3 + 8 / root], [4 / 2 + 1 / root], [8 / 2 + 2 / root]]
        np.testing.assert_allclose(part(x, graph_of(EDGES)).layers[0].tolist(), expected)

    def test_4_gat_by_hand(self):
        # a gene sends x and is heard in proportion to exp(x): 1, 2, 3, 4
        x = torch.tensor([[0.0], [math.log(2)], [math.log(3)], [math.log(4)]]).double()
        part = branch("gat", 1, widths=(1,), heads=1, self_loops=False)
        weigh(part, **{"lin.weight": 1.0, "att_src": 1.0})
        expected = [[(2 * math.log(2) + 3 * math.log(3)) / 5], [4 * math.log(4) / 5], [0.0], [math.log(2)]]
        np.testing.assert_allclose(part(x, graph_of(EDGES)).layers[0].tolist(), expected, atol=1e-12)

    def test_4_gat_with_self_loops_by_hand(self):
        x = torch.tensor([[0.0], [math.log(2)], [math.log(3)], [math.log(4)]]).double()
        part = branch("gat", 1, widths=(1,), heads=1, self_loops=True)
        weigh(part, **{"lin.weight": 1.0, "att_src": 1.0})
        two, three, four = 2 * math.log(2), 3 * math.log(3), 4 * math.log(4)
        expected = [[(two + three) / 6], [(two + four) / 7], [three / 4], [(four + two) / 6]]
        np.testing.assert_allclose(part(x, graph_of(EDGES)).layers[0].tolist(), expected)

    @pytest.mark.parametrize("edges", [EDGES, BOTH_WAYS], ids=["path", "both ways"])
    @pytest.mark.parametrize("self_loops", [False, True])
    @pytest.mark.parametrize(
        ("level", "how"),
        [("gcn", {}), ("gat", {"heads": 3}), ("gat", {"heads": 3, "concat": False}), ("gcn", {"widths": (5, 4, 3)})],
        ids=str,
    )
    def test_4_and_a_layer_by_layer(self, level, how, self_loops, edges):
        part = branch(level, self_loops=self_loops, **how)
        found = part(torch.tensor(X).double(), graph_of(edges)).layers
        expected = slow_graph(part, X, edges)
        assert len(found) == len(expected) == len(part.settings.widths)
        for ours, slow in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours.tolist(), slow, rtol=1e-9, atol=1e-12)

    @pytest.mark.parametrize(("join", "own"), [("mean", lambda v: sum(v) / len(v)), ("sum", sum), ("max", max)])
    def test_a_sage_joins_neighbours_by_mean_sum_or_maximum(self, join, own):
        part, h = branch("sage", aggregation=join), X
        for conv, found in zip(part.convs, part(torch.tensor(X).double(), graph_of(EDGES)).layers, strict=True):
            out = []
            for i in range(4):
                near = [h[j] for j in neighbours(i, EDGES, self_loops=False)]
                joined = [own([row[d] for row in near]) for d in range(len(h[i]))]
                heard, kept = linear(joined, conv.lin_l), [dot(w, h[i]) for w in conv.lin_r.weight.tolist()]
                out.append([max(value, 0.0) for value in plus(heard, kept)])
            h = out
            np.testing.assert_allclose(found.tolist(), h, rtol=1e-9, atol=1e-12)

    @pytest.mark.parametrize(("self_loops", "reached"), [(False, ({1}, {0, 3})), (True, ({1, 3}, {0, 1, 3}))])
    def test_4_layer_l_hears_genes_l_edges_away(self, self_loops, reached):
        part = branch("gcn", 3, widths=(16, 16), self_loops=self_loops)
        other = [*X[:3], [7.0, 0.0, 1.0]]  # gene 3 sits at the end of the path 2 - 0 - 1 - 3
        pairs = zip(*(part(torch.tensor(x).double(), graph_of(EDGES)).layers for x in (X, other)), strict=True)
        for (before, after), genes in zip(pairs, reached, strict=True):
            assert set((before != after).any(dim=1).nonzero().ravel().tolist()) == genes

    def test_4_dropout_acts_between_layers_and_not_on_what_fusion_reads(self):
        part, x, edges = branch("gat", widths=(16, 16), dropout=0.5), torch.tensor(X).double(), graph_of(EDGES)
        calm, noisy = part.eval()(x, edges).layers, part.train()(x, edges).layers
        assert torch.equal(calm[0], noisy[0])
        assert not torch.allclose(calm[1], noisy[1])
        assert noisy[1].all()


class TestExpertScore:
    """Eq 5."""

    def test_5_by_hand(self):
        h = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]])
        score = GraphEmbedding((h,), h, 10 * h).expert_score(torch.tensor(PAIRS))
        assert score.tolist() == [10 * (1 * 3 + 2 * 4), 10 * (3 * 1 + 4 * 2), 10 * (1 * 7 + 2 * 8), 10 * (25 + 36)]

    @pytest.mark.parametrize("level", ["gcn", "gat"])
    @pytest.mark.parametrize("expert", ["shared", "roles"])
    def test_5_product_of_final_embeddings_feature_by_feature(self, level, expert):
        part = branch(level, expert=expert, self_loops=False)
        last = slow_graph(part, X, EDGES)[-1]
        found = part(torch.tensor(X).double(), graph_of(EDGES)).expert_score(torch.tensor(PAIRS))
        np.testing.assert_allclose(found.tolist(), [slow_expert(part, last, i, j) for i, j in PAIRS], rtol=1e-9)

    @pytest.mark.parametrize("expert", ["shared", "roles"])
    def test_5_reads_the_two_genes_of_the_pair_in_the_last_layer(self, expert):
        graph = branch("gat", expert=expert)(torch.tensor(X).double(), graph_of(EDGES))
        score = graph.expert_score(torch.tensor([[0, 3]])).sum()
        told = torch.autograd.grad(score, graph.layers[-1])[0]
        assert told.any(dim=1).tolist() == [True, False, False, True]

    @pytest.mark.parametrize(("expert", "directed"), [("shared", False), ("roles", True)])
    def test_5_to_the_letter_has_no_direction_and_by_role_it_has(self, expert, directed):
        graph = branch("gat", expert=expert)(torch.tensor(X).double(), graph_of(EDGES))
        forth, back = graph.expert_score(torch.tensor([[0, 1], [1, 0]])).tolist()
        assert (abs(forth - back) > 1e-6) == directed


def pair_encoder(level: str = "transformer", **settings):
    torch.manual_seed(0)
    given = small("pair_encoder", level, **{"dim": 8} | settings)
    return shaken(registry.level("pair_encoder", level)(given, 3))


class TestPairwiseBranch:
    """Eqs 6 and b."""

    @pytest.mark.parametrize("gradients", [True, False], ids=["training's path", "prediction's path"])
    @pytest.mark.parametrize("layers", [1, 4])
    def test_6_and_b_pair_by_pair(self, layers, gradients):
        part = pair_encoder(layers=layers, heads=2, hidden=1.5)
        pairs = torch.tensor(PAIRS)
        with torch.set_grad_enabled(gradients):
            as_tf, as_target = part.project(torch.tensor(X).double())
            found = part(as_tf[pairs[:, 0]], as_target[pairs[:, 1]])
        np.testing.assert_allclose(found.tolist(), [slow_pair(part, X[i], X[j]) for i, j in PAIRS], rtol=1e-8)

    def test_b_attention_without_questions_is_a_plain_mean_by_hand(self):
        part = pair_encoder(heads=2)
        attention = part.encoder.layers[0].self_attn
        with torch.no_grad():
            attention.in_proj_weight.copy_(torch.cat([torch.zeros(16, 8), torch.eye(8)]))
            attention.in_proj_bias.zero_()
            attention.out_proj.weight.copy_(torch.eye(8))
            attention.out_proj.bias.zero_()
        tokens = [[float(d) for d in range(8)], [10.0 * d for d in range(8)]]
        assert slow_attention(tokens, attention) == [pytest.approx([5.5 * d for d in range(8)])] * 2
        given = torch.tensor([tokens]).double()
        np.testing.assert_allclose(attention(given, given, given)[0][0].tolist(), [[5.5 * d for d in range(8)]] * 2)

    def test_b_tf_gets_the_role_of_zeros_and_target_that_of_ones(self):
        torch.manual_seed(0)
        part = registry.level("pair_encoder", "transformer")(small("pair_encoder", "transformer", dim=8), 3).double()
        as_tf, as_target = part.project(torch.tensor(X).double())
        for k in range(4):
            token = linear(X[k], part.linear)
            np.testing.assert_allclose(as_tf[k].tolist(), token)
            np.testing.assert_allclose(as_target[k].tolist(), [v + 1 for v in token])

    def test_6_perceptrons_pair_by_pair(self):
        part = pair_encoder("mlp", layers=2)
        as_tf, as_target = part.project(torch.tensor(X).double())
        pairs = torch.tensor(PAIRS)
        found = part(as_tf[pairs[:, 0]], as_target[pairs[:, 1]]).tolist()
        for row, (i, j) in zip(found, PAIRS, strict=True):
            tf, target = linear(X[i], part.as_tf), linear(X[j], part.as_target)
            z = tf + target + [a * b for a, b in zip(tf, target, strict=True)]
            for layer in (part.body[0], part.body[3]):
                z = [gelu(v) for v in linear(z, layer)]
            np.testing.assert_allclose(row, z, rtol=1e-8)


def fusion(level: str, pair_width: int, widths: tuple[int, ...]):
    torch.manual_seed(0)
    return shaken(registry.level("fusion", level)(small("fusion", level, dropout=0.0), pair_width, widths))


def transparent(level: str, widths: tuple[int, ...]):
    """Return a fusion of width 1 in which every linear map is a plain sum and nothing is normalised or bent."""
    cls = registry.level("fusion", level)
    part = cls(cls.Settings.model_construct(width=1, dropout=0.0), 1, widths).double().eval()
    with torch.no_grad():
        for module in part.modules():
            if isinstance(module, nn.Linear):
                module.weight.fill_(1.0)
                module.bias.zero_()
            if isinstance(module, nn.BatchNorm1d):
                module.eps = 0.0
            if isinstance(module, nn.PReLU):
                module.weight.fill_(1.0)
    return part


def column(value: float) -> torch.Tensor:
    return torch.tensor([[value]]).double()


# one digit for each thing that may be read: z^(0), h_i^(1), h_j^(1), h_i^(2), h_j^(2), s_ij
ONE_PAIR = (
    column(1.0),
    [column(20.0), column(4_000.0)],
    [column(300.0), column(50_000.0)],
    torch.tensor([600_000.0]).double(),
)


class TestMultiscaleFusion:
    """Eq 7; Algorithm 1, lines 11-17."""

    def test_7_each_step_by_hand(self):
        part = transparent("multiscale", (1, 1))
        given = []
        for step in (*part.steps, part.classifier):
            step.register_forward_hook(lambda _, args, out: given.append((args[0].ravel().tolist(), out.item())))
        logit = part(*ONE_PAIR)
        z_1 = 1.0 + 20.0 + 300.0
        step_2 = z_1 + 4_000.0 + 50_000.0 + 600_000.0
        z_2 = step_2 + z_1  # the residual is ours
        assert given == [
            ([1.0, 20.0, 300.0], z_1),
            ([z_1, 4_000.0, 50_000.0, 600_000.0], step_2),
            ([z_2], 2 * z_2),  # appendix C: the classifier's own residual, a + a
        ]
        assert logit.item() == 2 * z_2

    def test_7_one_layer_takes_embeddings_and_expert_score_in_its_only_step(self):
        z, tf, target, score = ONE_PAIR
        logit = transparent("multiscale", (1,))(z, tf[:1], target[:1], score)
        assert logit.item() == 2 * (1.0 + 20.0 + 300.0 + 600_000.0)

    @pytest.mark.parametrize("training", [False, True], ids=["prediction", "training"])
    @pytest.mark.parametrize("widths", [(3,), (3, 2), (4, 3, 2)], ids=str)
    def test_7_and_algorithm_1_pair_by_pair(self, widths, training):
        part, (z, tf, target, score) = fusion("multiscale", 5, widths).train(training), random_pairs(widths)
        slow = slow_multiscale(part, z.tolist(), [h.tolist() for h in tf], [h.tolist() for h in target], score.tolist())
        np.testing.assert_allclose(part(z, tf, target, score).tolist(), slow, rtol=1e-8)

    def test_7_indicator_keeps_the_expert_score_out_of_all_steps_but_the_last(self):
        part, (z, tf, target, score) = fusion("multiscale", 5, (4, 3, 2)), random_pairs((4, 3, 2))
        score.requires_grad_()
        seen = []
        for step in part.steps:
            step.register_forward_hook(lambda _, args, out: seen.append(out))
        part(z, tf, target, score)
        told = [torch.autograd.grad(out.sum(), score, allow_unused=True, retain_graph=True)[0] for out in seen]
        assert told[:-1] == [None, None]
        assert told[-1].all()

    def test_7_step_l_depends_on_layers_up_to_l(self):
        part, (z, tf, target, score) = fusion("multiscale", 5, (4, 3, 2)), random_pairs((4, 3, 2))
        seen = []
        for step in part.steps:
            step.register_forward_hook(lambda _, args, out: seen.append(out))
        inputs = [h.requires_grad_() for pair in zip(tf, target, strict=True) for h in pair]
        part(z, tf, target, score)
        for level, out in enumerate(seen, start=1):
            told = torch.autograd.grad(out.sum(), inputs, allow_unused=True, retain_graph=True)
            assert [g is not None and bool(g.any()) for g in told] == [True] * 2 * level + [False] * 2 * (3 - level)


def random_pairs(widths: tuple[int, ...], pairs: int = 6):
    g = torch.Generator().manual_seed(1)
    z, score = torch.randn(pairs, 5, generator=g).double(), torch.randn(pairs, generator=g).double()
    tf, target = ([torch.randn(pairs, w, generator=g).double() for w in widths] for _ in range(2))
    return z, tf, target, score


class TestEarlyAndLateFusion:
    """Section 4.3, Q3."""

    def test_early_lays_features_and_layers_of_a_gene_side_by_side(self):
        features, first, second = ([[float(w * 10 + k)] * w for k in range(4)] for w in (3, 2, 1))
        part = fusion("early", 5, (2, 1))
        found = part.encoder_input(torch.tensor(features), [torch.tensor(first), torch.tensor(second)])
        assert found.tolist() == [features[k] + first[k] + second[k] for k in range(4)]
        assert part.encoder_width(3, (2, 1)) == 6

    def test_early_reads_neither_layers_nor_expert_score_after_the_encoder(self):
        assert transparent("early", (1, 1))(*ONE_PAIR).item() == 2 * 1.0  # the classifier's residual, a + a

    def test_late_adds_two_weighted_decisions_by_hand(self):
        part = transparent("late", (1, 1))
        assert part(*ONE_PAIR).item() == 0.5 * 2 * 1.0 + 0.5 * 600_000.0
        with torch.no_grad():
            part.weights.copy_(torch.tensor([3.0, 0.25]))
        assert part(*ONE_PAIR).item() == 3.0 * 2 * 1.0 + 0.25 * 600_000.0

    @pytest.mark.parametrize("level", ["late", "multiscale"])
    def test_encoder_reads_features_alone(self, level):
        features = torch.tensor(X)
        part = fusion(level, 5, (2, 1))
        assert part.encoder_input(features, [torch.zeros(4, 2), torch.zeros(4, 1)]) is features
        assert part.encoder_width(3, (2, 1)) == 3

    @pytest.mark.parametrize("training", [False, True], ids=["prediction", "training"])
    @pytest.mark.parametrize("level", ["early", "late"])
    def test_decision_pair_by_pair(self, level, training):
        part, (z, tf, target, score) = fusion(level, 5, (3, 2)).train(training), random_pairs((3, 2))
        slow = slow_classifier(z.tolist(), part.classifier)
        if level == "late":
            w = part.weights.tolist()
            slow = [w[0] * slow[n] + w[1] * score[n].item() for n in range(len(slow))]
        np.testing.assert_allclose(part(z, tf, target, score).tolist(), slow, rtol=1e-8)


def toy_parts(level: str = "multiscale", gnn: str = "gat", expert: str = "shared", **others):
    graph = {"widths": (4, 3), "expert_widths": (4, 3), "expert": expert, "dropout": 0.0, "self_loops": False}
    return make_parts(
        gnn=(gnn, graph),
        pair_encoder=("transformer", {"dim": 8, "layers": 2, "dropout": 0.0}),
        fusion=(level, {"dropout": 0.0}),
        negatives="all",
        **others,
    )


def toy_model(parts) -> GRNModel:
    return assemble(parts, torch.tensor(X, dtype=torch.float64), Streams("toy", 0))


TOY = dataset_of(np.array(EDGES), np.arange(3), 4, np.array(X))
EXAM = Split(
    n_genes=4,
    train=np.array(EDGES),
    validation=np.array([(2, 0), (0, 3)]),
    validation_labels=np.array([1, 0]),
    test=np.array(PAIRS),
    test_labels=np.array([1, 0, 0, 0]),
    pool=np.array(NEGATIVES),
)
LABELS = [1] * len(EDGES) + [0] * len(NEGATIVES)
ONCE = Budget(epochs=1, batch_size=8, graph_epochs=1, graph_batch_size=8)


class Watched:
    """An optimiser that notes which weights each stage is given, and the model when it is."""

    def __init__(self, optimizer, model: GRNModel) -> None:
        self.optimizer, self.model, self.stages = optimizer, model, []

    def note(self, stage: str, parameters):
        parameters = list(parameters)
        self.stages.append((stage, {id(p) for p in parameters}, deepcopy(self.model)))
        return getattr(self.optimizer, stage)(parameters)

    def graph(self, parameters):
        return self.note("graph", parameters)

    def joint(self, parameters):
        return self.note("joint", parameters)


class TestPredictionAndObjective:
    """Eq 8; Algorithm 1 as a whole; 4.2, 'training proceeds in two stages'."""

    @pytest.mark.parametrize("expert", ["shared", "roles"])
    @pytest.mark.parametrize("gnn", ["gcn", "gat"])
    @pytest.mark.parametrize("level", FUSIONS)
    def test_algorithm_1_from_expression_to_logit(self, level, gnn, expert):
        model = shaken(toy_model(toy_parts(level, gnn, expert)))
        logits, _ = model.score(model.encode(graph_of(EDGES)), torch.tensor(PAIRS))
        np.testing.assert_allclose(logits.tolist(), algorithm_1(model, level, PAIRS), rtol=1e-7)

    def test_8_without_a_graph_the_classifier_reads_the_encoded_pair_alone(self):
        model = shaken(toy_model(make_parts(gnn="none", pair_encoder=("transformer", {"dim": 8, "layers": 2}))))
        logits, _ = model.score(model.encode(graph_of(EDGES)), torch.tensor(PAIRS))
        e = standardised(X)
        z = [slow_pair(model.pair_encoder, e[i], e[j]) for i, j in PAIRS]
        np.testing.assert_allclose(logits.tolist(), slow_classifier(z, model.fusion.classifier), rtol=1e-7)

    @pytest.mark.parametrize("level", FUSIONS)
    def test_8_scores_are_logits_over_the_training_graph(self, level):
        trained = fit(TOY, EXAM, toy_parts(level), ONCE)
        scores = predict(trained, EXAM.test)
        slow = algorithm_1(trained.model.eval(), level, PAIRS)
        np.testing.assert_allclose([sigmoid(s) for s in scores], [sigmoid(s) for s in slow], rtol=1e-4)

    def test_8_by_hand(self):
        # probabilities 3/4, 1/2 and 1/5
        logits = [math.log(3.0), 0.0, math.log(0.25)]
        assert loss_of(logits, [1, 1, 0]) == pytest.approx(-math.log(3 / 4) - math.log(1 / 2) - math.log(4 / 5))
        assert loss_of(logits, [0, 0, 1]) == pytest.approx(-math.log(1 / 4) - math.log(1 / 2) - math.log(1 / 5))

    @pytest.mark.parametrize("level", FUSIONS)
    def test_8_joint_loss_is_the_mean_cross_entropy_of_the_logits(self, level):
        parts = toy_parts(level)
        model = toy_model(parts).float()
        before = deepcopy(model).train()
        curves = fit(TOY, EXAM, parts, ONCE.model_copy(update={"graph_epochs": 0}), model=model).curves.values
        slow = loss_of(algorithm_1(before, level, EDGES + NEGATIVES), LABELS)
        assert curves["joint_loss"][0] * len(LABELS) == pytest.approx(slow, rel=1e-4)

    @pytest.mark.parametrize("expert", ["shared", "roles"])
    def test_8_graph_stage_fits_the_expert_score_alone(self, expert):
        parts = toy_parts(expert=expert)
        model = toy_model(parts).float()
        before = deepcopy(model)
        curves = fit(TOY, EXAM, parts, ONCE, model=model).curves.values
        last = slow_graph(before.gnn, standardised(X), EDGES)[-1]
        slow = loss_of([slow_expert(before.gnn, last, i, j) for i, j in EDGES + NEGATIVES], LABELS)
        assert curves["graph_loss"][0] * len(LABELS) == pytest.approx(slow, rel=1e-4)

    def test_two_stages_fit_the_graph_first_and_then_everything(self):
        parts = toy_parts(expert="roles")
        model = toy_model(parts).float()
        start, watched = deepcopy(model), Watched(parts.build("optimizer"), model)
        fit(TOY, EXAM, parts, ONCE, model=model, optimizer=watched)
        assert [stage for stage, *_ in watched.stages] == ["graph", "joint"]
        (_, first, _), (_, second, between) = watched.stages
        assert first == {id(p) for p in model.gnn.parameters()}
        assert second == {id(p) for p in model.parameters()}
        for one, other, parts_moved in ((start, between, {"gnn"}), (between, model, {"gnn", "pair_encoder", "fusion"})):
            pairs = zip(one.named_parameters(), other.parameters(), strict=True)
            moved = {name.split(".")[0] for (name, a), b in pairs if not torch.equal(a, b)}
            assert moved == parts_moved

    def test_joint_stage_goes_on_from_the_graph_that_was_pretrained(self):
        parts = toy_parts()
        model = toy_model(parts).float()
        watched = Watched(parts.build("optimizer"), model)
        curves = fit(TOY, EXAM, parts, ONCE, model=model, optimizer=watched).curves.values
        between = watched.stages[1][2].train()
        slow = loss_of(algorithm_1(between, "multiscale", EDGES + NEGATIVES), LABELS)
        assert curves["joint_loss"][0] * len(LABELS) == pytest.approx(slow, rel=1e-4)
