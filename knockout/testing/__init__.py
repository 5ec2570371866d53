"""The suites that check knockout's own levels, for those of a package of your own; needs pytest.

>>> from knockout.testing import contract  # doctest: +SKIP
>>> TestMine = contract("scorer", "mine", width=8)  # doctest: +SKIP

Settings that are given make the level small, so that its tests are fast. ``TestMine`` may be subclassed, or one of the
suites themselves, to add or replace a test.
"""

from typing import Any

import pytest

from components.core import registry
from components.core.errors import KnockoutError
from components.scorer import Baseline, Learner, Rule

SUITES = ("cases", "exam", "genes", "learner", "level", "losses", "scorers", "steps")

pytest.register_assert_rewrite(*(f"knockout.testing.{name}" for name in SUITES))

from knockout.testing.exam import NegativesContract as NegativesContract  # noqa: E402
from knockout.testing.exam import PairFeaturesContract as PairFeaturesContract  # noqa: E402
from knockout.testing.exam import SplitContract as SplitContract  # noqa: E402
from knockout.testing.genes import BucketingContract as BucketingContract  # noqa: E402
from knockout.testing.genes import GraphBranchContract as GraphBranchContract  # noqa: E402
from knockout.testing.genes import PairEncoderContract as PairEncoderContract  # noqa: E402
from knockout.testing.learner import LearnerContract as LearnerContract  # noqa: E402
from knockout.testing.level import LevelContract as LevelContract  # noqa: E402
from knockout.testing.level import Suite  # noqa: E402
from knockout.testing.losses import ContrastContract as ContrastContract  # noqa: E402
from knockout.testing.losses import FusionContract as FusionContract  # noqa: E402
from knockout.testing.losses import OptimizerContract as OptimizerContract  # noqa: E402
from knockout.testing.scorers import BaselineContract as BaselineContract  # noqa: E402
from knockout.testing.scorers import RuleContract as RuleContract  # noqa: E402
from knockout.testing.steps import EmbeddingStepContract as EmbeddingStepContract  # noqa: E402
from knockout.testing.steps import ExpressionStepContract as ExpressionStepContract  # noqa: E402
from knockout.testing.steps import ScoreStepContract as ScoreStepContract  # noqa: E402

OF_FACTOR: dict[str, type[Suite]] = {
    "bucketing": BucketingContract,
    "contrast": ContrastContract,
    "fusion": FusionContract,
    "gnn": GraphBranchContract,
    "negatives": NegativesContract,
    "optimizer": OptimizerContract,
    "pair_encoder": PairEncoderContract,
    "pair_features": PairFeaturesContract,
    "split": SplitContract,
}
OF_STEP: dict[str, type[Suite]] = {
    "expression": ExpressionStepContract,
    "embeddings": EmbeddingStepContract,
    "scores": ScoreStepContract,
}
OF_SCORER: dict[type, type[Suite]] = {Learner: LearnerContract, Rule: RuleContract, Baseline: BaselineContract}


def contract(factor: str, level: str, **settings: Any) -> type[Suite]:
    """Return the tests of a level as a class for pytest: ``TestMine = contract("gnn", "mine", width=8)``.

    Parameters
    ----------
    factor, level
        The level, which its module has registered.
    settings
        A size in which it is fast.

    Raises
    ------
    KnockoutError
        If there is no such level, or a setting is not valid.
    """
    registry.parse(factor, level, settings)
    attributes = {"factor_name": factor, "level_name": level, "settings": settings}
    return type("Contract", (LevelContract, _suite(factor, level)), attributes)


def _suite(factor: str, level: str) -> type[Suite]:
    if acts := registry.factor(factor).acts:
        return OF_STEP[acts]
    if factor in OF_FACTOR:
        return OF_FACTOR[factor]
    cls = registry.level(factor, level)
    for base, suite in OF_SCORER.items():
        if issubclass(cls, base):
            return suite
    known = ", ".join(base.__name__ for base in OF_SCORER)
    raise KnockoutError(f"there is no suite for {factor} level {level!r}; a scorer is one of {known}.")
