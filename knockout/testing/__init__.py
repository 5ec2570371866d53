"""The suites that check knockout's own levels, for those of a package of your own; needs pytest.

>>> from knockout.testing import contract  # doctest: +SKIP
>>> TestMine = contract("scorer", "mine", width=8)  # doctest: +SKIP

Settings that are given make the level small, so that its tests are fast. ``TestMine`` may be subclassed, or one of the
suites themselves, to add or replace a test.
"""

import pytest

SUITES = ("cases", "exam", "genes", "learner", "level", "losses", "scorers", "steps")

pytest.register_assert_rewrite(*(f"knockout.testing.{name}" for name in SUITES))

from knockout.testing.contracts import contract as contract  # noqa: E402
from knockout.testing.exam import NegativesContract as NegativesContract  # noqa: E402
from knockout.testing.exam import PairFeaturesContract as PairFeaturesContract  # noqa: E402
from knockout.testing.exam import SplitContract as SplitContract  # noqa: E402
from knockout.testing.genes import BucketingContract as BucketingContract  # noqa: E402
from knockout.testing.genes import GraphBranchContract as GraphBranchContract  # noqa: E402
from knockout.testing.genes import PairEncoderContract as PairEncoderContract  # noqa: E402
from knockout.testing.learner import LearnerContract as LearnerContract  # noqa: E402
from knockout.testing.level import LevelContract as LevelContract  # noqa: E402
from knockout.testing.losses import ContrastContract as ContrastContract  # noqa: E402
from knockout.testing.losses import FusionContract as FusionContract  # noqa: E402
from knockout.testing.losses import OptimizerContract as OptimizerContract  # noqa: E402
from knockout.testing.scorers import BaselineContract as BaselineContract  # noqa: E402
from knockout.testing.scorers import RuleContract as RuleContract  # noqa: E402
from knockout.testing.steps import EmbeddingStepContract as EmbeddingStepContract  # noqa: E402
from knockout.testing.steps import ExpressionStepContract as ExpressionStepContract  # noqa: E402
from knockout.testing.steps import ScoreStepContract as ScoreStepContract  # noqa: E402
