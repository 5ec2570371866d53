"""Every formula of scUniGP (eqs 4-8, a, b, Algorithm 1) against plain loops on four genes, three cells, three edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from component_cases import small
from scunigp_reference import (
    BOTH_WAYS,
    EDGES,
    PAIRS,
    X,
    branch,
    dot,
    gelu,
    graph_of,
    linear,
    neighbours,
    plus,
    shaken,
    slow_attention,
    slow_classifier,
    slow_expert,
    slow_graph,
    slow_multiscale,
    slow_pair,
    weigh,
)
from torch import nn

from components.core import registry
from components.gnn import GraphEmbedding


class TestGlobalBranch:
    """Eqs 4 and a."""

    @pytest.mark.parametrize("edges", [EDGES, BOTH_WAYS], ids=["path", "both ways"])
    def test_4_graph_links_training_positives_without_direction_or_self_loop(self, edges):
        links = sorted((i, j) for i, j in graph_of(edges).t().tolist())
        assert links == [(i, j) for i in range(4) for j in neighbours(i, edges, self_loops=False)]

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
        # a gene sends x with a weight in proportion to exp(x): 1, 2, 3, 4
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
        embeddings = part(torch.tensor(X).double(), graph_of(edges)).layers
        expected = slow_graph(part, X, edges)
        assert len(embeddings) == len(expected) == len(part.settings.widths)
        for ours, slow in zip(embeddings, expected, strict=True):
            np.testing.assert_allclose(ours.tolist(), slow, rtol=1e-9, atol=1e-12)

    @pytest.mark.parametrize(("join", "own"), [("mean", lambda v: sum(v) / len(v)), ("sum", sum), ("max", max)])
    def test_a_sage_joins_neighbours_by_mean_sum_or_maximum(self, join, own):
        part, h = branch("sage", aggregation=join), X
        for conv, embedding in zip(part.convs, part(torch.tensor(X).double(), graph_of(EDGES)).layers, strict=True):
            out = []
            for i in range(4):
                near = [h[j] for j in neighbours(i, EDGES, self_loops=False)]
                joined = [own([row[d] for row in near]) for d in range(len(h[i]))]
                neighbour_part, own_part = (
                    linear(joined, conv.lin_l),
                    [dot(w, h[i]) for w in conv.lin_r.weight.tolist()],
                )
                out.append([max(value, 0.0) for value in plus(neighbour_part, own_part)])
            h = out
            np.testing.assert_allclose(embedding.tolist(), h, rtol=1e-9, atol=1e-12)

    @pytest.mark.parametrize(("self_loops", "reached"), [(False, ({1}, {0, 3})), (True, ({1, 3}, {0, 1, 3}))])
    def test_4_layer_l_reads_genes_l_edges_away(self, self_loops, reached):
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
        scores = part(torch.tensor(X).double(), graph_of(EDGES)).expert_score(torch.tensor(PAIRS))
        np.testing.assert_allclose(scores.tolist(), [slow_expert(part, last, i, j) for i, j in PAIRS], rtol=1e-9)

    @pytest.mark.parametrize("expert", ["shared", "roles"])
    def test_5_reads_the_two_genes_of_the_pair_in_the_last_layer(self, expert):
        graph = branch("gat", expert=expert)(torch.tensor(X).double(), graph_of(EDGES))
        score = graph.expert_score(torch.tensor([[0, 3]])).sum()
        gradient = torch.autograd.grad(score, graph.layers[-1])[0]
        assert gradient.any(dim=1).tolist() == [True, False, False, True]

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
            encodings = part(as_tf[pairs[:, 0]], as_target[pairs[:, 1]])
        np.testing.assert_allclose(encodings.tolist(), [slow_pair(part, X[i], X[j]) for i, j in PAIRS], rtol=1e-8)

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
        encodings = part(as_tf[pairs[:, 0]], as_target[pairs[:, 1]]).tolist()
        for row, (i, j) in zip(encodings, PAIRS, strict=True):
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
        outputs = []
        for step in part.steps:
            step.register_forward_hook(lambda _, args, out: outputs.append(out))
        part(z, tf, target, score)
        gradients = [torch.autograd.grad(out.sum(), score, allow_unused=True, retain_graph=True)[0] for out in outputs]
        assert gradients[:-1] == [None, None]
        assert gradients[-1].all()

    def test_7_step_l_depends_on_layers_up_to_l(self):
        part, (z, tf, target, score) = fusion("multiscale", 5, (4, 3, 2)), random_pairs((4, 3, 2))
        outputs = []
        for step in part.steps:
            step.register_forward_hook(lambda _, args, out: outputs.append(out))
        inputs = [h.requires_grad_() for pair in zip(tf, target, strict=True) for h in pair]
        part(z, tf, target, score)
        for level, out in enumerate(outputs, start=1):
            gradients = torch.autograd.grad(out.sum(), inputs, allow_unused=True, retain_graph=True)
            assert [g is not None and bool(g.any()) for g in gradients] == [True] * 2 * level + [False] * 2 * (
                3 - level
            )


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
        joined = part.encoder_input(torch.tensor(features), [torch.tensor(first), torch.tensor(second)])
        assert joined.tolist() == [features[k] + first[k] + second[k] for k in range(4)]
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
