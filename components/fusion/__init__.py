"""Factor fusion: joins pair encoding and graph embeddings.

Levels are listed in the order of these imports, one per file, which search spaces depend on.
"""

# isort: off
from components.fusion.base import Fusion as Fusion
from components.fusion.early import Early as Early
from components.fusion.late import Late as Late
from components.fusion.expert import Expert as Expert
from components.fusion.multiscale import Multiscale as Multiscale
from components.fusion.stacked import Stacked as Stacked
