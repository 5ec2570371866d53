"""Puts together the suites of one level."""

from __future__ import annotations

from typing import Any

from components.core import registry
from components.core.errors import KnockoutError
from components.scorer import Baseline, Learner, Rule
from knockout.testing.exam import NegativesContract, PairFeaturesContract, SplitContract
from knockout.testing.genes import BucketingContract, GraphBranchContract, PairEncoderContract
from knockout.testing.learner import LearnerContract
from knockout.testing.level import LevelContract, Suite
from knockout.testing.losses import ContrastContract, FusionContract, OptimizerContract
from knockout.testing.scorers import BaselineContract, RuleContract
from knockout.testing.steps import EmbeddingStepContract, ExpressionStepContract, ScoreStepContract

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
