"""Factor scorer: what gives a pair its score.

Levels are listed in the order of these imports, one per file, which search spaces depend on.
"""

# isort: off
from components.scorer.base import Baseline as Baseline
from components.scorer.base import ExpressionLearner as ExpressionLearner
from components.scorer.base import Learner as Learner
from components.scorer.base import Rule as Rule
from components.scorer.base import TrainedScorer as TrainedScorer
from components.scorer.assembled import Assembled as Assembled
from components.scorer.rules import Degree as Degree
from components.scorer.topology import AdamicAdar as AdamicAdar
from components.scorer.known.network import Network as Network
from components.scorer.known.correlation import MutualInformation as MutualInformation
from components.scorer.known.trees import GENIE3 as GENIE3
from components.scorer.known.cnnc import CNNC as CNNC
from components.scorer.known.deepsem import DeepSEM as DeepSEM
from components.scorer.boosting import Boosting as Boosting
from components.scorer.own.command import Command as Command
from components.scorer.own.edges import Edges as Edges
