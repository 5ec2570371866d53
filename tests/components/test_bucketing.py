from __future__ import annotations

import numpy as np
import pytest
import torch
from component_cases import all_levels, bucketing_arguments, small

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
