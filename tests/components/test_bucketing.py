from __future__ import annotations

import numpy as np
import pytest
import torch
from component_cases import all_levels, bucketing_arguments, small

from components.bucketing import reduced
from components.core import registry
from knockout.testing import BucketingContract

LEVELS = [level for _, level in all_levels("bucketing")]


def build(level: str, expression: np.ndarray, seed: int = 0, order=None, **settings):
    torch.manual_seed(seed)
    cls = registry.level("bucketing", level)
    return cls(small("bucketing", level, **settings), *bucketing_arguments(cls, expression, order))


@pytest.mark.parametrize("level", LEVELS)
class TestEveryBucketing(BucketingContract):
    pass


@pytest.mark.parametrize(("scale", "axis"), [("gene", 1), ("cell", 0)])
def test_profile_is_standardised_over_the_named_axis(scale, axis, dataset):
    features = build("none", dataset.expression, scale=scale)().numpy()
    np.testing.assert_allclose(features.mean(axis), 0.0, atol=1e-5)
    np.testing.assert_allclose(features.std(axis), 1.0, rtol=1e-4)


def test_profile_may_be_left_as_it_is(dataset):
    np.testing.assert_array_equal(build("none", dataset.expression, scale="none")().numpy(), dataset.expression)


class TestPrincipalComponents:
    def test_inner_products_are_correlations_where_all_components_are_kept(self, dataset):
        features = build("pca", dataset.expression, components=2048)().double()
        inner = (features @ features.T).numpy()
        correlations = np.corrcoef(dataset.expression)
        np.testing.assert_allclose(inner / inner[0, 0], correlations, atol=1e-4)

    def test_first_components_are_kept(self, dataset):
        few, all_of_them = (build("pca", dataset.expression, components=n)() for n in (3, 2048))
        assert few.shape == (dataset.n_genes, 3)
        torch.testing.assert_close(few / few[0, 0], all_of_them[:, :3] / all_of_them[0, 0], rtol=1e-4, atol=1e-4)

    def test_random_directions_find_what_is_there(self, monkeypatch):
        rng = np.random.default_rng(0)
        programmes = rng.normal(size=(300, 5)) * [9, 7, 5, 3, 2]
        expression = (programmes @ rng.normal(size=(5, 400)) + 0.1 * rng.normal(size=(300, 400))).astype(np.float32)
        exact = build("pca", expression, components=5)()
        monkeypatch.setattr(reduced, "EXACT", 10)
        torch.testing.assert_close(build("pca", expression, components=5)(), exact, rtol=1e-3, atol=1e-3)

    def test_expression_without_spread_has_features(self):
        assert torch.isfinite(build("pca", np.ones((6, 5), dtype=np.float32))()).all()


class TestMetacells:
    def test_alike_cells_are_averaged(self):
        rng = np.random.default_rng(0)
        kinds = rng.normal(size=(50, 4)) * 3
        kind = rng.integers(4, size=80)
        expression = (kinds[:, kind] + 0.01 * rng.normal(size=(50, 80))).astype(np.float32)
        features = build("metacells", expression, number=4)()
        means = np.stack([expression[:, kind == k].mean(axis=1) for k in range(4)], axis=1)
        expected = (means - means.mean(axis=1, keepdims=True)) / means.std(axis=1, keepdims=True)
        for column in expected.T:
            assert np.abs(features.numpy() - column[:, None]).max(axis=0).min() < 1e-4

    def test_as_many_as_cells_are_the_profile(self, dataset):
        torch.testing.assert_close(build("metacells", dataset.expression)(), build("none", dataset.expression)())
