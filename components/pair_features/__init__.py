"""Factor pair_features: what a model is told of a pair beside what it makes of the two genes.

Levels are listed in the order of these imports, which search spaces depend on.
"""

# isort: off
from components.pair_features.base import PairFeatures as PairFeatures
from components.pair_features.levels import NoFeatures as NoFeatures
from components.pair_features.levels import TopologyFeatures as TopologyFeatures
from components.pair_features.levels import CoexpressionFeatures as CoexpressionFeatures
from components.pair_features.levels import BothFeatures as BothFeatures
from components.pair_features.levels import BoostedFeatures as BoostedFeatures
