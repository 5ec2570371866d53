from __future__ import annotations

import pytest
import torch
from component_cases import (
    GRAPH_WIDTHS,
    PAIR_WIDTH,
    all_levels,
    make_model,
    make_parts,
    same_state,
    small,
)

from components.core import registry
from components.fusion import Fusion
from components.fusion.base import PReLU, pair_classifier
from components.fusion.late import Late
from components.model import of_both_genes, training_graph
from knockout.testing import FusionContract

LEVELS = [level for _, level in all_levels("fusion")]
PAIRS = 6


def build(level: str, seed: int = 0, **settings) -> Fusion:
    torch.manual_seed(seed)
    return registry.level("fusion", level)(small("fusion", level, **settings), PAIR_WIDTH, GRAPH_WIDTHS)


def inputs(seed: int = 0):
    g = torch.Generator().manual_seed(seed)
    z, score = torch.randn(PAIRS, PAIR_WIDTH, generator=g), torch.randn(PAIRS, generator=g)
    tf, target = ([torch.randn(PAIRS, w, generator=g) for w in GRAPH_WIDTHS] for _ in range(2))
    return z, tf, target, score


@pytest.mark.parametrize("level", LEVELS)
class TestEveryFusion(FusionContract):
    pass


@pytest.mark.parametrize("level", LEVELS)
def test_a_model_looks_embeddings_of_both_genes_up_where_its_fusion_reads_them(level, dataset, monkeypatch):
    model = make_model(dataset, make_parts(fusion=level)).eval()
    given = []
    monkeypatch.setattr("components.model.of_both_genes", lambda layers, pairs: given.append(len(layers)) or ((), ()))
    monkeypatch.setattr(model.fusion, "forward", lambda *inputs: inputs[-1])
    pairs = torch.tensor([[0, 1], [2, 3]])
    model.score(model.encode(pairs.t()), pairs)
    assert given == [len(model.gnn.widths) if level == "multiscale" else 0]


def test_a_forward_of_ones_own_reads_embeddings_whatever_it_inherits():
    class Wider(Late):
        pass

    class Own(Late):
        def forward(self, z, tf, target, score):
            return super().forward(z, tf, target, score) + (tf[-1] * target[-1]).sum(dim=1)

    class Blind(Late):
        reads_layers = False

        def forward(self, z, tf, target, score):
            return score

    class Products:
        def forward(self, z, tf, target, score):
            return (tf[-1] * target[-1]).sum(dim=1)

    class Mixed(Products, Late):
        pass

    class Behind(Late, Products):
        pass

    assert [cls.reads_layers for cls in (Late, Wider, Own, Blind)] == [False, False, True, False]
    assert [cls.reads_layers for cls in (Mixed, Behind)] == [True, False]


def test_a_fusion_that_does_not_say_whether_it_reads_embeddings_is_given_them(dataset):
    class Bare(torch.nn.Module):
        def encoder_input(self, features, layers):
            return features

        def forward(self, z, tf, target, score):
            return (tf[-1] * target[-1]).sum(dim=1)

    model, pairs = make_model(dataset, make_parts(fusion="late")).eval(), torch.tensor([[0, 1], [2, 3]])
    model.fusion = Bare()
    assert model.score(model.encode(pairs.t()), pairs)[0].shape == (2,)


class TestEarly:
    def test_lays_features_and_all_layers_side_by_side(self):
        features, layers = torch.randn(5, 11), [torch.randn(5, w) for w in GRAPH_WIDTHS]
        assert torch.equal(build("early").encoder_input(features, layers), torch.cat([features, *layers], dim=1))

    def test_decides_on_the_fused_encoding_alone(self):
        part = build("early").eval()
        z, tf, target, score = inputs()
        assert torch.equal(part(z, tf, target, score), part.classifier(z))


class TestLate:
    def test_starts_as_the_mean_of_both_decisions(self):
        part = build("late").eval()
        z, tf, target, score = inputs()
        torch.testing.assert_close(part(z, tf, target, score), (part.classifier(z) + score) / 2)

    def test_leaves_the_embeddings_of_single_layers_out(self):
        part = build("late").eval()
        z, tf, target, score = inputs()
        _, other_tf, other_target, _ = inputs(9)
        assert torch.equal(part(z, tf, target, score), part(z, other_tf, other_target, score))


class TestExpert:
    def test_the_expert_score_is_the_logit(self):
        z, tf, target, score = inputs()
        assert torch.equal(build("expert")(z, tf, target, score), score)

    def test_no_pair_is_encoded_and_no_contrast_acts(self, dataset, split):
        parts = make_parts(fusion="expert", contrast="supcon")
        model = make_model(dataset, parts)
        assert {name.split(".")[0] for name, _ in model.named_parameters()} == {"gnn"}
        logits, z = model.score(
            model.encode(training_graph(torch.from_numpy(split.train))), torch.from_numpy(split.test)
        )
        assert torch.equal(z.squeeze(1), logits)
        assert model.contrast(z, torch.ones(len(z))) == 0
        assert registry.silenced_by("fusion", "expert") == {"pair_encoder", "pair_features", "contrast"}


class TestMultiscale:
    """Equation 7: layer l of both genes enters at step l, the expert score at the last step alone."""

    def steps_see(self, part, *given):
        step_inputs = []
        hooks = [s.register_forward_pre_hook(lambda _, args: step_inputs.append(args[0].detach())) for s in part.steps]
        part(*given)
        for hook in hooks:
            hook.remove()
        return step_inputs

    def test_each_step_reads_its_layer(self):
        part = build("multiscale").eval()
        z, tf, target, score = inputs()
        step_inputs = self.steps_see(part, z, tf, target, score)
        assert len(step_inputs) == len(GRAPH_WIDTHS)
        assert torch.equal(step_inputs[0], torch.cat([z, tf[0], target[0]], dim=1))
        assert torch.equal(step_inputs[1][:, -10:], torch.cat([tf[1], target[1]], dim=1))
        assert torch.equal(step_inputs[2][:, -9:], torch.cat([tf[2], target[2], score.unsqueeze(1)], dim=1))

    def test_expert_score_enters_at_the_last_step_alone(self):
        part = build("multiscale").eval()
        z, tf, target, score = inputs()
        before, after = (self.steps_see(part, z, tf, target, s) for s in (score, score + 1.0))
        assert all(map(torch.equal, before[:-1], after[:-1]))
        assert torch.equal(before[-1][:, :-1], after[-1][:, :-1])
        assert torch.equal(before[-1][:, -1] + 1.0, after[-1][:, -1])

    def test_step_reads_what_the_step_before_it_gave(self):
        part = build("multiscale").eval()
        z, tf, target, score = inputs()
        step_inputs = self.steps_see(part, z, tf, target, score)
        first = part.steps[0](step_inputs[0])
        assert torch.equal(step_inputs[1][:, : first.shape[1]], first)
        assert torch.equal(step_inputs[2][:, : first.shape[1]], part.steps[1](step_inputs[1]) + first)


class TestWithoutGraph:
    def test_pair_alone_gives_one_logit(self):
        assert pair_classifier(PAIR_WIDTH, classified=False)(torch.randn(PAIRS, PAIR_WIDTH)).shape == (PAIRS,)

    def test_named_fusion_changes_nothing(self, dataset):
        models = [make_model(dataset, make_parts(gnn="none", fusion=level)) for level in LEVELS]
        assert all(same_state(models[0], model) for model in models[1:])
        assert registry.silenced_by("gnn", "none") == {"fusion"}


def test_a_prelu_is_torchs_own():
    torch.manual_seed(0)
    ours, theirs = PReLU(), torch.nn.PReLU()
    x = torch.cat([torch.randn(40, 5), torch.zeros(1, 5)])
    grad = torch.randn_like(x)
    seen = []
    for layer in (ours, theirs):
        torch.nn.init.constant_(layer.weight, 0.3)
        given = x.clone().requires_grad_()
        out = layer(given)
        seen.append((out, *torch.autograd.grad(out, (given, layer.weight), grad)))
    assert torch.equal(seen[0][0], seen[1][0])
    for mine, other in zip(seen[0][1:], seen[1][1:], strict=True):
        torch.testing.assert_close(mine, other)
    assert [*ours.state_dict()] == [*theirs.state_dict()]


def test_both_genes_of_a_pair_are_read():
    layers = [torch.arange(12.0).view(6, 2).requires_grad_(), torch.rand(6, 3)]
    pairs = torch.tensor([[0, 5], [1, 1], [0, 2]])
    for end, read in enumerate(of_both_genes(layers, pairs)):
        assert all(torch.equal(one, layer[pairs[:, end]]) for one, layer in zip(read, layers, strict=True))
    tf, target = of_both_genes(layers, pairs)
    (tf[0].sum() + 2 * target[0].sum()).backward()
    assert layers[0].grad[:, 0].tolist() == [2, 3, 2, 0, 0, 2]
