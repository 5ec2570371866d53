"""What the levels of a plug-in's factor owe: steps on expression, on embeddings of genes, and on scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from components.core import registry
from components.core.dataset import Dataset
from components.core.exam import Split
from knockout.testing.level import Suite


class _Step(Suite):
    def build(self, factor: str, level: str) -> Any:
        """Construct the level."""
        cls: Any = registry.level(factor, level)
        return cls(self.small(factor, level))


class ExpressionStepContract(_Step):
    """What a step on expression owes: finite values in the same shape, by the stream that it is given."""

    def test_keeps_the_shape_and_stays_finite_though_genes_are_constant(
        self, factor: str, level: str, dataset: Dataset
    ) -> None:
        expression = dataset.expression.copy()
        expression[:3] = 0.0
        changed = np.asarray(self.build(factor, level).transform(expression, np.random.default_rng(0)))
        assert changed.shape == dataset.expression.shape
        assert np.isfinite(changed).all()

    def test_the_same_stream_gives_the_same_bits(self, factor: str, level: str, dataset: Dataset) -> None:
        one, two = (
            self.build(factor, level).transform(dataset.expression.copy(), np.random.default_rng(3)) for _ in range(2)
        )
        assert np.array_equal(one, two)


class EmbeddingStepContract(_Step):
    """What a step on embeddings owes: finite values in the same shape, gradients, and no order of genes."""

    WIDTHS = (8, 3)

    def module(self, factor: str, level: str, width: int) -> nn.Module:
        """Construct a level's module from fixed weights, as it scores."""
        torch.manual_seed(0)
        module: nn.Module = self.build(factor, level).build(width)
        return module.eval()

    def test_keeps_the_shape_and_passes_gradients(self, factor: str, level: str) -> None:
        for width in self.WIDTHS:
            x = torch.randn(12, width, requires_grad=True)
            changed = self.module(factor, level, width)(x)
            assert changed.shape == x.shape
            assert torch.isfinite(changed).all()
            changed.square().sum().backward()
            assert x.grad is not None
            assert torch.isfinite(x.grad).all() and x.grad.any()

    def test_genes_have_no_order(self, factor: str, level: str) -> None:
        x, order = torch.randn(12, 8), torch.randperm(12)
        module = self.module(factor, level, 8)
        torch.testing.assert_close(module(x)[order], module(x[order]))

    def test_the_same_seed_gives_the_same_bits(self, factor: str, level: str) -> None:
        x = torch.randn(12, 8)
        one, two = (self.module(factor, level, 8)(x) for _ in range(2))
        assert torch.equal(one, two)


class ScoreStepContract(_Step):
    """What a step on scores owes: a score per pair that does not depend on the others."""

    def test_the_score_of_a_pair_does_not_depend_on_order_or_on_the_others(
        self, factor: str, level: str, split: Split
    ) -> None:
        step, pairs = self.build(factor, level), split.test
        scores = np.random.default_rng(0).standard_normal(len(pairs))
        changed = np.asarray(step.adjust(scores.copy(), pairs.copy(), split.training))
        assert changed.shape == scores.shape
        assert np.isfinite(changed).all()
        some = np.random.default_rng(1).permutation(len(pairs))[:7]
        np.testing.assert_allclose(step.adjust(scores[some], pairs[some], split.training), changed[some])
