"""scUniGP's equations and Algorithm 1 in plain Python: one gene, head and feature at a time."""

from __future__ import annotations

import math

import torch
from component_cases import small
from torch import nn

from components.core import registry
from components.model import GRNModel, training_graph

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
        attended = slow_attention(tokens, block.self_attn)
        tokens = [slow_layer_norm(plus(tokens[n], attended[n]), block.norm1) for n in (0, 1)]
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
