"""Factor negatives: draws the training negatives.

Levels are listed in the order of these imports, one per file, which search spaces depend on.
"""

# isort: off
from components.negatives.base import NegativeSampler as NegativeSampler
from components.negatives.uniform import Uniform as Uniform
from components.negatives.same_tf import SameTF as SameTF
from components.negatives.protocol import AllNegatives as AllNegatives
from components.negatives.cooccurrence import Cooccurrence as Cooccurrence
from components.negatives.degree_matched import DegreeMatched as DegreeMatched
