"""Factor contrast: the contrastive loss over gene pairs.

Levels are listed in the order of these imports, one per file, which search spaces depend on.
"""

# isort: off
from components.contrast.base import Contrast as Contrast
from components.contrast.off import NoContrast as NoContrast
from components.contrast.supcon import SupCon as SupCon
