"""Factor split: the exam, which pairs train, validate and test.

Levels are listed in the order of these imports, which search spaces depend on.
"""

# isort: off
from components.split.base import Cut as Cut
from components.split.base import Splitter as Splitter
from components.split.per_tf import PerTF as PerTF
from components.split.per_tf import PerTFAsPublished as PerTFAsPublished
from components.split.all_non_targets import AllNonTargets as AllNonTargets
from components.split.kfold import KFoldPooled as KFoldPooled
from components.split.balanced import Balanced as Balanced
from components.split.unseen import UnseenTarget as UnseenTarget
from components.split.unseen import UnseenTF as UnseenTF
from components.split.transfer import Transfer as Transfer
