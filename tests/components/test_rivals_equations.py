"""The systems of GP-DHT's figure 2, part by part, against slow loops written from their public code."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from component_cases import BUDGET, attending, fit, make_dataset, make_model, make_parts, make_split, same_state, small
from torch.nn import functional as F

from components.bucketing.buckets import uniform
from components.bucketing.factorised import Factorisation, FactorisedBucketing, z_scores
from components.bucketing.relations import NeighbourSum
from components.core import registry
from components.core.budget import Budget
from components.core.errors import KnockoutError
from components.core.metrics import METRICS
from components.core.streams import Streams
from components.model import training_graph
from study.train.fit import predict

LEVELS = 4


def counts(genes: int = 6, cells: int = 9) -> np.ndarray:
    x = np.random.default_rng(1).gamma(1.0, 2.0, (genes, cells))
    x[x < 0.7] = 0.0
    x[4] = 0.0  # a gene that no cell expresses
    return x.astype(np.float32)


def relations(x: np.ndarray) -> dict[tuple[int, int], int]:
    """Return the level of every positive value, by scalar loops: population sd over a gene's positive cells."""
    levels = {}
    for gene, row in enumerate(x):
        logs = [np.log(float(v)) for v in row if v > 0]
        if not logs:
            continue
        mean = sum(logs) / len(logs)
        sd = (sum((v - mean) ** 2 for v in logs) / len(logs)) ** 0.5
        low, high = max(mean - 2 * sd, min(logs)), min(mean + 2 * sd, max(logs))
        for cell, value in enumerate(row):
            if value > 0:
                step = np.floor((np.log(float(value)) - low) / ((high - low) / LEVELS))
                levels[gene, cell] = int(np.clip(step, 0, LEVELS - 1)) + 1
    return levels


def factorisation(message: str, x: np.ndarray) -> Factorisation:
    settings = FactorisedBucketing.Settings(message=message, levels=LEVELS, dim=6, width=5, heads=2, temperature=0.25)
    torch.manual_seed(0)
    return Factorisation(settings, x).double()


def received(side: torch.nn.Module, edges: list[tuple[int, int, int]], message: str, n: tuple[int, int]) -> np.ndarray:
    """Embed targets one by one: edges are (source, target, level), n is (sources, targets)."""
    tables, dim = side.source.detach().numpy(), side.source.shape[2]
    degree = [np.array([sum(e[end] == k for e in edges) for k in range(size)]) for end, size in enumerate(n)]
    out = np.zeros((n[1], LEVELS, dim))
    for target in range(n[1]):
        ci = max(degree[1][target], 1) ** -0.5
        for level in range(LEVELS):
            sent = [tables[level, s] * degree[0][s] ** -0.5 for s, t, r in edges if t == target and r == level + 1]
            if message == "sum":
                out[target, level] = np.sum(sent, axis=0) * ci if sent else 0.0
                continue
            own = side.target.detach().numpy()[level, target] * ci
            parts = [part / np.sqrt((part**2).sum()) for part in np.split(own, 2)]
            gate = np.exp(np.abs(np.concatenate(parts) ** 2) / 0.25)
            largest = np.max([np.maximum(v, 0.0) for v in sent], axis=0) if sent else 0.0
            out[target, level] = largest * gate / gate.sum()
    weight, bias = side.join.weight.detach().numpy(), side.join.bias.detach().numpy()
    return np.maximum(out.reshape(n[1], -1), 0.0) @ weight.T + bias


class TestFactorisation:
    def test_levels_are_cut_with_the_population_sd(self):
        x = counts()
        edges = uniform(x, LEVELS, ddof=0)
        assert dict(zip(zip(edges.gene, edges.cell, strict=True), edges.level, strict=True)) == relations(x)

    @pytest.mark.parametrize("message", ["sum", "gated_maximum"])
    def test_embeddings_and_error_are_those_of_loops(self, message: str):
        x = counts()
        part, cut = factorisation(message, x), relations(x)
        to_genes = [(cell, gene, level) for (gene, cell), level in cut.items()]
        to_cells = [(gene, cell, level) for (gene, cell), level in cut.items()]
        genes = received(part.to_genes, to_genes, message, (9, 6))
        cells = received(part.to_cells, to_cells, message, (6, 9))
        for ours, slow in zip(part.embeddings(), (genes, cells), strict=True):
            np.testing.assert_allclose(ours.detach().numpy(), slow, rtol=1e-5, atol=1e-7)
        errors = []
        for gene, cell in cut:
            row = x[gene][x[gene] > 0]
            z = np.clip((x[gene, cell] - row.mean()) / row.std(), -20, 20)
            errors.append((genes[gene] @ cells[cell] - z) ** 2)
        assert part().item() == pytest.approx(np.mean(errors), rel=1e-4)
        means = part.mean_over_cells(torch.from_numpy(cells)).numpy()
        for gene in range(6):
            expressing = cells[x[gene] > 0]
            np.testing.assert_allclose(means[gene], expressing.mean(0) if len(expressing) else 0.0, rtol=1e-6)

    def test_a_far_value_and_a_flat_gene_are_no_target_out_of_bounds(self):
        x = np.ones((2, 1000), dtype=np.float32)
        x[0, 0] = 1e6
        positive, z = z_scores(x, uniform(x, LEVELS, ddof=0))
        assert positive.all() and z[0, 0] == 20.0 and not z[1].any()

    @pytest.mark.parametrize("message", ["sum", "gated_maximum"])
    def test_every_matrix_starts_as_glorots(self, message: str):
        for name, weight in factorisation(message, counts()).named_parameters():
            if weight.dim() > 1:  # [out, in]; a table has one matrix per level
                limit = (6 / sum(weight.shape[-2:])) ** 0.5
                assert 0.7 * limit < weight.abs().max() <= limit, name

    @pytest.mark.parametrize("message", ["sum", "gated_maximum"])
    def test_every_weight_is_fitted(self, message: str):
        part = factorisation(message, counts())
        part().backward()
        assert all(w.grad is not None and w.grad.any() for w in part.parameters())

    def test_gradient_of_the_sum(self):
        edges = uniform(counts(), LEVELS, ddof=0)
        graph = NeighbourSum(edges.cell, edges.gene, edges.level, (LEVELS, 9, 6))
        messages = torch.randn(LEVELS, 9, 3, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(graph, (messages,))

    def test_heads_of_a_gate_must_divide_its_width(self):
        with pytest.raises(KnockoutError, match=r"factorised: heads \(3\) must divide dim \(32\)"):
            registry.parse("bucketing", "factorised", {"dim": 32, "heads": 3})


def factorised(**given):
    return make_parts(bucketing=("factorised", {"levels": 3, **given}), gnn="none")


class TestStageWithoutLabels:
    BUDGET = BUDGET.model_copy(update={"unsupervised_steps": 250})

    def test_lowers_the_error_and_keeps_the_features_of_its_lowest_mean(self, dataset, split):
        trained = fit(dataset, split, factorised(), self.BUDGET)
        losses = trained.curves["unsupervised_loss"]
        assert len(losses) == 3, "steps 100, 200 and 250"
        assert losses[-1] < losses[0]
        assert trained.model.bucketing.genes.any()

    def test_joint_training_and_labels_leave_the_features(self, dataset, split):
        parts, other = factorised(cells=True), make_split(dataset, seed=1)
        one, two = (fit(dataset, exam, parts, BUDGET).model.bucketing for exam in (split, other))
        longer = fit(dataset, split, parts, BUDGET.model_copy(update={"epochs": 6})).model.bucketing
        assert same_state(one, two) and same_state(one, longer)
        assert not any(w.requires_grad for w in one().unbind())

    def test_features_are_what_the_fit_embeds(self, dataset, split):
        parts, budget = factorised(cells=True), BUDGET.model_copy(update={"unsupervised_steps": 1})
        bucketing = fit(dataset, split, parts, budget).model.bucketing
        fitted = bucketing.unfitted()
        bucketing.keep(fitted)
        genes, cells = fitted.embeddings()
        positive = torch.from_numpy(dataset.expression > 0).float()
        expected = torch.cat([genes, positive @ cells / positive.sum(1, keepdim=True)], dim=1)
        torch.testing.assert_close(bucketing(), expected.detach())

    def test_feeds_a_graph_branch_as_well(self, dataset, split):
        parts = make_parts(bucketing=("factorised", {"levels": 3}), gnn="gcn")
        assert {"unsupervised_loss", "graph_loss", "joint_loss"} <= fit(dataset, split, parts).curves.keys()


class TestPooledConvolution:
    def build(self, **given):
        torch.manual_seed(0)
        settings = registry.parse("pair_encoder", "pooled_convolution", {"dim": 32, "width": 8, **given})
        return registry.level("pair_encoder", "pooled_convolution")(settings, 32).eval()

    def test_published_shapes(self):
        part = registry.level("pair_encoder", "pooled_convolution")(
            registry.parse("pair_encoder", "pooled_convolution"), 256
        )
        x, lengths = torch.randn(4, 3, 256), []
        for block in part.blocks:
            x = block(x)
            lengths.append(x.shape[2])
        assert lengths == [127, 63, 31]
        assert part.head[1].in_features == 3 * 221 == 663

    def test_keeps_the_gene_of_the_highest_score_times_it(self):
        part, x = self.build(), torch.randn(9, 32)
        direction = part.pooling.detach()
        scores = [np.tanh(float(row @ direction) / float(direction.norm())) for row in x]
        best = int(np.argmax(scores))
        for token in part.project(x):
            torch.testing.assert_close(token[:, :32], x)
            torch.testing.assert_close(token[:, 32:], (x[best] * scores[best]).expand(9, -1))

    def test_is_three_blocks_one_after_another_along_features(self):
        part, x = self.build(), torch.randn(9, 32)
        for norm in (block[0] for block in part.blocks):
            norm.running_mean.uniform_(-1, 1)
            norm.running_var.uniform_(0.5, 2)
        as_tf, as_target = part.project(x)
        signal = torch.stack([x[2], x[5], as_tf[0, 32:].detach()]).double().numpy()
        blocks = []
        for norm, conv, _, _ in part.blocks:
            weight, bias = conv.weight.detach().double().numpy(), conv.bias.detach().double().numpy()
            mean, sd = norm.running_mean.double().numpy(), np.sqrt(norm.running_var.double().numpy() + norm.eps)
            signal = (signal - mean[:, None]) / sd[:, None]
            convolved = np.zeros((3, signal.shape[1] - 1))
            for channel in range(3):
                for place in range(convolved.shape[1]):
                    window = signal[:, place : place + 2]
                    convolved[channel, place] = max((weight[channel] * window).sum() + bias[channel], 0.0)
            half = convolved.shape[1] // 2
            signal = np.maximum(convolved[:, : 2 * half : 2], convolved[:, 1 : 2 * half : 2])
            blocks.append(signal)
        flat = torch.from_numpy(np.concatenate(blocks, axis=1).ravel()).float()
        torch.testing.assert_close(part(as_tf[[2]], as_target[[5]])[0], part.head(flat[None])[0], rtol=1e-4, atol=1e-5)


def test_gatcl_attends_over_linear_maps_then_over_convolved_features():
    part, x, graph, links = attending("conv_attention")
    genes = len(x)

    def attended(h: np.ndarray, conv: torch.nn.Module, head: int, score) -> np.ndarray:
        away, toward = (getattr(conv, end).detach().numpy()[0, head] for end in ("source", "target"))
        out = np.zeros_like(h)
        for i in range(genes):
            near = [j for j in range(genes) if (i, j) in links]
            if not near:  # -9e15 for every gene: all weigh alike
                out[i] = h.mean(axis=0)
                continue
            weight = np.exp([score(h[i] @ toward + h[j] @ away) for j in near])
            out[i] = sum(w * h[j] for w, j in zip(weight / weight.sum(), near, strict=True))
        out = np.where(out > 0, out, np.expm1(out))
        return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12) + conv.bias.detach().numpy()[head]

    first, second = part.convs
    maps = (x @ first.linear.weight.T).detach().numpy().reshape(genes, 2, 5)
    h = np.mean([attended(maps[:, k], first, k, lambda s: s if s > 0 else 0.2 * s) for k in range(2)], axis=0)
    h = np.where(h > 0, h, np.expm1(h))
    np.testing.assert_allclose(graph.layers[0].detach().numpy(), h, rtol=1e-4, atol=1e-5)
    kernel, bias = second.convolution.weight.detach().numpy()[0, 0], second.convolution.bias.item()
    assert len(kernel) == 3, "5 features leave 3"
    convolved = np.array([[row[k : k + 3] @ kernel + bias for k in range(3)] for row in h])
    last = attended(convolved, second, 0, lambda s: s if s > 0 else np.expm1(s))
    np.testing.assert_allclose(graph.layers[1].detach().numpy(), last, rtol=1e-4, atol=1e-5)
    outer, inner = part.heads[0][0], part.heads[0][3]
    torch.testing.assert_close(graph.as_tf, F.elu(inner(F.elu(outer(graph.layers[1])))))


def test_gatcl_refuses_a_layer_wider_than_the_one_before():
    with pytest.raises(KnockoutError, match=r"no layer may be wider than the one before: widths \[32, 64\]"):
        registry.parse("gnn", "conv_attention", {"widths": [32, 64]})


def test_towers_read_either_part_of_the_features_by_a_perceptron_of_its_own():
    torch.manual_seed(0)
    part = registry.level("pair_encoder", "towers")(registry.parse("pair_encoder", "towers", {"dim": 8}), 6).eval()
    x = torch.randn(5, 6)
    gene = torch.cat([part.parts[0](x[:, :3]), part.parts[1](x[:, 3:])], dim=1)
    as_tf, as_target = part.project(x)
    torch.testing.assert_close(as_tf, part.as_tf(gene))
    torch.testing.assert_close(as_target, part.as_target(gene))
    assert [m.out_features for m in part.as_tf if isinstance(m, torch.nn.Linear)] == [16, 8]


def test_towers_drop_by_pair_in_training_and_score_each_gene_once(dataset, split):
    parts = make_parts(bucketing="none", gnn="none", pair_encoder=("towers", {"dim": 8, "dropout": 0.5}))
    model = make_model(dataset, parts)
    pairs = torch.from_numpy(split.train[:1]).expand(64, 2)
    graph = model.graph_of(pairs)
    drawn = []
    model.pair_encoder.as_tf.register_forward_hook(lambda part, given, out: drawn.append(out))
    model.train().views(model.read(graph), pairs)
    assert len(drawn[0]) == 128, "both genes of 64 pairs"
    assert len(drawn[0][:64].unique(dim=0)) > 32, "one gene has a mask for each of its pairs, as in GMFGRN's code"
    model.eval()
    trained = model.views(model.read(graph), pairs)[0][0]
    scored = model.score(model.encode(graph), pairs)[0]
    torch.testing.assert_close(trained, scored)
    assert len(drawn[-1]) == len(dataset.genes), "scoring projects each gene once"


def test_the_decoder_reads_tokens_and_what_the_encoder_makes_of_them():
    torch.manual_seed(0)
    settings = registry.parse("pair_encoder", "encoder_decoder", {"dim": 8, "heads": 2, "width": 6})
    part = registry.level("pair_encoder", "encoder_decoder")(settings, 8).eval()
    x = torch.randn(5, 8)
    as_tf, as_target = part.project(x)
    assert torch.equal(as_tf, x) and torch.equal(as_target, x), "features as wide as a token are tokens"
    pair = torch.stack([x[1], x[3]])[None]
    memory = part.encoder(pair)
    attended = part.decoder.norm1(pair + part.decoder.self_attn(pair, pair, pair)[0])
    attended = part.decoder.norm2(attended + part.decoder.multihead_attn(attended, memory, memory)[0])
    hidden = part.decoder.linear2(F.relu(part.decoder.linear1(attended)))
    decoded = part.decoder.norm3(attended + hidden)
    expected = part.head(decoded.flatten(1))
    torch.testing.assert_close(part(x[[1]], x[[3]]), expected, rtol=1e-4, atol=1e-5)
    assert part.encoder.layers[0].linear1.out_features == 64, "feed-forward 8 times as wide"


class TestDirectedGraph:
    def test_messages_pass_from_tf_to_target_alone(self, dataset, split):
        model = make_model(dataset, make_parts(gnn=("sage", {"direction": "to_target", "widths": (6,)}))).eval()
        graph = model.graph_of(torch.from_numpy(split.train))
        assert {tuple(e) for e in graph.edges.t().tolist()} == {tuple(e) for e in split.train.tolist()}
        x, edges = (
            torch.randn(4, dataset.expression.shape[1]),
            training_graph(torch.tensor([[0, 1]]), direction="to_target"),
        )
        plain = model.gnn(x, edges).layers[0]
        for gene, moves in ((0, [True, True, False, False]), (1, [False, True, False, False])):
            other = x.clone()
            other[gene] += 1.0
            assert (model.gnn(other, edges).layers[0] != plain).any(1).tolist() == moves

    def test_local_context_still_sees_both_ends(self, dataset, split):
        encoder = ("transformer", {"context": 3})
        plain, directed = (
            make_model(dataset, make_parts(gnn=("gcn", {"direction": d}), pair_encoder=encoder))
            for d in ("both", "to_tf")
        )
        positives = torch.from_numpy(split.train)
        ours, theirs = (m.encode(m.graph_of(positives)).neighbours.keys for m in (plain, directed))
        assert torch.equal(ours, theirs)

    def test_unit_rows_come_before_the_activation(self):
        torch.manual_seed(0)
        settings = small("gnn", "sage", normalize=True, widths=(6,))
        part, x = registry.level("gnn", "sage")(settings, 5).eval(), torch.randn(3, 5)
        conv, edges = part.convs[0], torch.tensor([[0], [1]])
        out = conv.lin_r(x)
        out[1] += x[0] @ conv.lin_l.weight.T
        out = out + conv.lin_l.bias
        torch.testing.assert_close(part(x, edges).layers[0], F.relu(out / out.norm(dim=1, keepdim=True)))


class TestLossAndSchedule:
    def test_double_sigmoid_takes_a_probability_for_a_logit(self):
        logits, labels = torch.tensor([2.0, -1.0]), torch.tensor([1.0, 0.0])
        expected = []
        for x, y in zip(logits.tolist(), labels.tolist(), strict=True):
            p = 1 / (1 + np.exp(-1 / (1 + np.exp(-x))))
            expected.append(-(y * np.log(p) + (1 - y) * np.log(1 - p)))
        adam = registry.level("optimizer", "adam")(registry.parse("optimizer", "adam", {"loss": "double_sigmoid"}))
        fitter = adam.joint([torch.nn.Parameter(torch.ones(1))])
        assert fitter.loss(logits, labels).item() == pytest.approx(np.mean(expected))

    def test_both_stages_take_the_loss(self, dataset, split):
        parts = make_parts(optimizer=("adam", {"loss": "double_sigmoid"}))
        curves = fit(dataset, split, parts).curves
        low = np.log(1 + np.exp(-1))  # where a sigmoid of 1 is taken for the logit of an edge
        assert min(curves["graph_loss"] + curves["joint_loss"]) > low

    def test_rate_falls_with_every_batch(self, dataset, split):
        given = {"gamma": 0.5, "step_size": 2, "step_by": "batch", "learning_rate": 0.1}
        adam = registry.level("optimizer", "adam")(registry.parse("optimizer", "adam", given))
        weight = torch.nn.Parameter(torch.ones(1))
        fitter, rates = adam.joint([weight]), []
        for _ in range(4):
            fitter.step(weight.square().sum())
            rates.append(fitter.optimizer.param_groups[0]["lr"])
        fitter.end_epoch()
        assert rates == pytest.approx([0.1, 0.05, 0.05, 0.025])
        assert fitter.optimizer.param_groups[0]["lr"] == pytest.approx(0.025)

    def test_last_epoch_is_picked_where_it_is_asked_for(self, dataset, split, monkeypatch):
        values = iter([0.9, 0.8, 0.7, 0.9, 0.8, 0.7])
        monkeypatch.setitem(METRICS, "auroc", lambda *_: next(values))
        parts = make_parts(gnn="none")
        last, best = (fit(dataset, split, parts, BUDGET.model_copy(update={"keep": k})) for k in ("last", "best"))
        assert (last.best_epoch, best.best_epoch) == (3, 1)
        assert not same_state(last.model, best.model)
        whole = Budget(**{**BUDGET.model_dump(), "epochs": 1})
        values = iter([0.9])
        assert same_state(fit(dataset, split, parts, whole).model, best.model)


NO_DROPOUT = {"gnn": "none", "pair_encoder": ("mlp", {"dropout": 0.0})}


class TestNoiseOnTheInput:
    def test_views_are_plain_and_noisy(self, dataset, split):
        supcon = ("supcon", {"noise": 0.3, "noise_on": "input", "bce_weight": 0.6})
        model = make_model(dataset, make_parts(contrast=supcon, **NO_DROPOUT)).eval()
        positives = torch.from_numpy(split.train)
        features = model.bucketing()
        torch.manual_seed(5)
        views = model.views(model.read(model.graph_of(positives)), positives[:6])
        torch.manual_seed(5)
        noisy = features + 0.3 * features.std(0, unbiased=False) * torch.randn_like(features)
        assert len(views) == 2
        for (logits, _), inputs in zip(views, (features, noisy), strict=True):
            as_tf, as_target = model.pair_encoder.project(inputs)
            z = model.pair_encoder(as_tf[positives[:6, 0]], as_target[positives[:6, 1]])
            torch.testing.assert_close(logits, model.fusion(z))

    def test_both_losses_are_means_over_both_views(self, dataset, split, monkeypatch):
        parts = make_parts(contrast=("supcon", {"noise": 0.3, "noise_on": "input"}), **NO_DROPOUT)
        model, contrasts, entropies = make_model(dataset, parts), [], []
        model.contrast.register_forward_hook(lambda part, args, out: contrasts.append(out.item()))
        original = F.binary_cross_entropy_with_logits

        def note(*given):
            entropies.append(original(*given))
            return entropies[-1]

        monkeypatch.setattr("components.optimizer.F.binary_cross_entropy_with_logits", note)
        trained = fit(dataset, split, parts, BUDGET.model_copy(update={"epochs": 1, "batch_size": 10**6}), model=model)
        assert len(contrasts) == len(entropies) == 2 and contrasts[0] != contrasts[1]
        expected = np.mean([0.6 * entropy.item() + loss for entropy, loss in zip(entropies, contrasts, strict=True)])
        assert trained.curves["joint_loss"] == [pytest.approx(expected, rel=1e-5)]

    def test_scores_and_validation_are_without_noise(self, dataset, split):
        supcon = ("supcon", {"noise": 0.3, "noise_on": "input"})
        trained = fit(dataset, split, make_parts(contrast=supcon, **NO_DROPOUT))
        np.testing.assert_array_equal(predict(trained, split.test), predict(trained, split.test))

    def test_the_encoding_gets_no_second_noise(self, dataset):
        supcon = registry.level("contrast", "supcon")
        part = supcon(small("contrast", "supcon", noise=0.5, noise_on="input"), 6).train()
        z, labels = torch.randn(6, 6), torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0, 0.0])
        assert torch.equal(part(z, labels), part(z, labels))


def test_stage_draws_from_data_set_and_repeat_alone():
    dataset = make_dataset(3)
    assert Streams(dataset.digest, 0).seed("init", "unsupervised") != Streams(dataset.digest, 1).seed(
        "init", "unsupervised"
    )
