from __future__ import annotations

import numpy as np
import pytest
import torch
from component_cases import all_levels, assert_gradients_reach_all, bucketing_arguments, same_state, small

from components.core import registry

LEVELS = [level for _, level in all_levels("bucketing")]


def build(level: str, expression: np.ndarray, seed: int = 0, order=None, **settings):
    torch.manual_seed(seed)
    cls = registry.level("bucketing", level)
    return cls(small("bucketing", level, **settings), *bucketing_arguments(cls, expression, order))


@pytest.mark.parametrize("level", LEVELS)
class TestEveryBucketing:
    def test_gives_one_finite_vector_per_gene(self, level, dataset):
        part = build(level, dataset.expression)
        features = part()
        assert features.shape == (dataset.n_genes, part.width)
        assert torch.isfinite(features).all()

    def test_gene_without_variation_stays_finite(self, level, dataset):
        silent = dataset.expression.copy()
        silent[:3] = 0.0
        assert torch.isfinite(build(level, silent)()).all()

    def test_same_seed_gives_the_same_bits(self, level, dataset):
        one, two = build(level, dataset.expression, 3).eval(), build(level, dataset.expression, 3).eval()
        assert same_state(one, two)
        assert torch.equal(one(), two())

    def test_permuting_genes_permutes_features(self, level, dataset):
        order = np.random.default_rng(0).permutation(dataset.n_genes)
        plain, permuted = (
            build(level, dataset.expression).eval(),
            build(level, dataset.expression[order], order=order).eval(),
        )
        with torch.no_grad():
            for name in plain.per_gene:  # a gene takes the weights along that it is known by
                getattr(permuted, name).copy_(getattr(plain, name)[order])
        expected = plain()[torch.from_numpy(order)]
        torch.testing.assert_close(permuted(), expected[:, order] if plain.over_genes else expected)

    def test_gradients_reach_every_weight(self, level, dataset):
        part = build(level, dataset.expression)
        if not list(part.parameters()):
            assert not part().requires_grad
            return
        assert_gradients_reach_all(part, part().square().sum())

    def test_expression_is_left_as_it_was(self, level, dataset):
        before = dataset.expression.copy()
        build(level, dataset.expression)()
        np.testing.assert_array_equal(dataset.expression, before)


@pytest.mark.parametrize(("scale", "axis"), [("gene", 1), ("cell", 0)])
def test_profile_is_standardised_over_the_named_axis(scale, axis, dataset):
    features = build("none", dataset.expression, scale=scale)().numpy()
    np.testing.assert_allclose(features.mean(axis), 0.0, atol=1e-5)
    np.testing.assert_allclose(features.std(axis), 1.0, rtol=1e-4)


def test_profile_may_be_left_as_it_is(dataset):
    np.testing.assert_array_equal(build("none", dataset.expression, scale="none")().numpy(), dataset.expression)
