"""What the parts of a model owe that end it: fusions, contrastive losses, optimisers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from components.core.dataset import Dataset
from components.core.exam import Split
from components.model import training_graph
from knockout.testing.cases import (
    GRAPH_WIDTHS,
    PAIR_WIDTH,
    assert_gradients_reach_all,
    make_model,
    make_parts,
    same_state,
)
from knockout.testing.genes import normal
from knockout.testing.level import Suite

LABELS = torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0, 0.0])


class FusionContract(Suite):
    """What a fusion owes: a logit per pair that the graph reaches."""

    def build(self, level: str, seed: int = 0, layers: int = len(GRAPH_WIDTHS)) -> Any:
        """Construct the level with initial weights of a seed, for so many layers of the graph."""
        return self.make("fusion", level, PAIR_WIDTH, GRAPH_WIDTHS[:layers], seed=seed)

    def inputs(self) -> tuple[Tensor, list[Tensor], list[Tensor], Tensor]:
        """Return pair encodings, the layers of both genes, and the expert score."""
        n = len(LABELS)
        tf, target = ([normal(n, w, seed=seed) for w in GRAPH_WIDTHS] for seed in (2, 3))
        return normal(n, PAIR_WIDTH), tf, target, normal(n, seed=1)

    def test_gives_one_logit_per_pair(self, level: str) -> None:
        assert self.build(level)(*self.inputs()).shape == (len(LABELS),)

    def test_needs_no_embeddings_where_it_reads_none(self, level: str) -> None:
        part = self.build(level).eval()
        if part.reads_layers:
            pytest.skip("it reads graph embeddings of both genes")
        z, tf, target, score = self.inputs()
        assert torch.equal(part(z, (), (), score), part(z, tf, target, score))

    def test_encoder_input_is_as_wide_as_announced(self, level: str) -> None:
        part, genes = self.build(level), 5
        layers = [torch.zeros(genes, w) for w in GRAPH_WIDTHS]
        features = torch.zeros(genes, 11)
        assert part.encoder_input(features, layers).shape == (genes, part.encoder_width(11, GRAPH_WIDTHS))

    def test_same_seed_gives_the_same_bits(self, level: str) -> None:
        one, two = self.build(level, 3).eval(), self.build(level, 3).eval()
        assert same_state(one, two)
        assert torch.equal(one(*self.inputs()), two(*self.inputs()))

    def test_gradients_reach_every_weight(self, level: str) -> None:
        part = self.build(level)
        if not any(True for _ in part.parameters()):
            pytest.skip("it has no weights: the graph decides alone")
        target = normal(len(LABELS), seed=1)
        assert_gradients_reach_all(part, (part(*self.inputs()) - target).square().sum())

    def test_graph_reaches_the_logit(self, level: str, dataset: Dataset, split: Split) -> None:
        model = make_model(dataset, make_parts(fusion=(level, self.settings))).eval()
        positives, pairs = torch.from_numpy(split.train), torch.from_numpy(split.test)
        full = model.score(model.encode(training_graph(positives)), pairs)[0]
        half = model.score(model.encode(training_graph(positives[::2])), pairs)[0]
        assert not torch.allclose(full, half)

    def test_one_layer_of_graph_is_enough(self, level: str) -> None:
        part = self.build(level, layers=1)
        z, tf, target, score = self.inputs()
        assert part(z, tf[:1], target[:1], score).shape == (len(LABELS),)


class ContrastContract(Suite):
    """What a contrastive loss owes: a finite scalar of any batch, with gradients."""

    def build(self, level: str, seed: int = 0) -> Any:
        """Construct the level with initial weights of a seed."""
        return self.make("contrast", level, PAIR_WIDTH, seed=seed)

    @pytest.fixture
    def z(self) -> Tensor:
        """Return encodings of pairs."""
        return normal(len(LABELS), PAIR_WIDTH).requires_grad_()

    def test_gives_a_finite_scalar(self, level: str, z: Tensor) -> None:
        loss = self.build(level)(z, LABELS)
        assert loss.shape == ()
        assert torch.isfinite(loss)

    def test_same_seed_gives_the_same_bits(self, level: str, z: Tensor) -> None:
        one, two = self.build(level, 3), self.build(level, 3)
        torch.manual_seed(1)
        first = one(z, LABELS)
        torch.manual_seed(1)
        assert torch.equal(first, two(z, LABELS))

    @pytest.mark.parametrize("labels", [torch.ones(6), torch.zeros(6)])
    def test_batch_of_one_class_is_borne(self, level: str, z: Tensor, labels: Tensor) -> None:
        assert torch.isfinite(self.build(level)(z, labels))

    def test_gradients_reach_every_weight_and_the_encodings(self, level: str, z: Tensor) -> None:
        part = self.build(level)
        loss = part(z, LABELS)
        if not loss.requires_grad:
            assert not list(part.parameters())
            return
        loss.backward()
        assert all(w.grad is not None and torch.isfinite(w.grad).all() for w in part.parameters())
        assert z.grad is not None
        assert torch.isfinite(z.grad).all()


class OptimizerContract(Suite):
    """What an optimiser owes: it goes downhill, and leaves alone what has no gradient."""

    @pytest.fixture(params=["joint", "graph"])
    def stage(self, request: pytest.FixtureRequest) -> str:
        """Return the stage of training."""
        return str(request.param)

    def fitter(self, level: str, stage: str, weights: list[nn.Parameter]) -> Any:
        """Return the fitter of weights in a stage."""
        return getattr(self.make("optimizer", level), stage)(weights)

    def test_goes_downhill(self, level: str, stage: str) -> None:
        weight = nn.Parameter(torch.tensor([3.0, -2.0]))
        fitter = self.fitter(level, stage, [weight])
        before = weight.square().sum().item()
        for _ in range(20):
            fitter.step(weight.square().sum())
            fitter.end_epoch()
        assert weight.square().sum().item() < before

    def test_weight_without_gradient_stays(self, level: str, stage: str) -> None:
        used, unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
        fitter = self.fitter(level, stage, [used, unused])
        fitter.step(used.square().sum())
        assert torch.equal(unused, torch.ones(2))
