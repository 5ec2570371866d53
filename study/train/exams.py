"""Sets the exam of a data set in one repeat, once per process: the same for every arm."""

from __future__ import annotations

import hashlib
from threading import RLock

from cachetools import LRUCache, cached

from components.core.dataset import Dataset
from components.core.exam import Split
from components.core.streams import Streams
from search_spaces.arm import Choice, canonical_json


def _depends_on(dataset: Dataset, choice: Choice, repeat: int) -> tuple[str, str, type, int]:
    return dataset.digest, canonical_json(choice.canonical), choice.cls, repeat


@cached(LRUCache(4), key=_depends_on, lock=RLock())
def make_folds(dataset: Dataset, choice: Choice, repeat: int) -> tuple[Split, ...]:
    """Set the exam of a data set in one repeat, fold by fold (one, in most protocols).

    The arms of a repeat follow one another, so an exam is kept; nobody writes into a split.
    """
    return choice.build().folds(dataset, Streams(dataset.digest, repeat).numpy("split"))


def make_split(dataset: Dataset, choice: Choice, repeat: int) -> Split:
    """Set the first fold of an exam: enough to see what it gives away and what it costs."""
    return make_folds(dataset, choice, repeat)[0]


def exam_digest(folds: tuple[Split, ...]) -> str:
    """Digest an exam: the split's own digest, or one over those of its folds."""
    if len(folds) == 1:
        return folds[0].digest
    return hashlib.sha256("".join(split.digest for split in folds).encode()).hexdigest()[:16]


def share_tested(dataset: Dataset, folds: tuple[Split, ...]) -> float:
    """Return how much the tests of two repeats overlap: test edges per edge that a repeat trains on or tests.

    Folds, and the network that a transfer is tested on, are asked for all their edges in every repeat.
    """
    if len(folds) > 1 or dataset.target is not None:
        return 1.0
    tested = int(folds[0].test_labels.sum())
    return tested / (tested + len(folds[0].train))
