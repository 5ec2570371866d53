"""The leak audit of a study's data sets, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from threadpoolctl import threadpool_limits

from components.core.dataset import Dataset
from components.split.audit import AUDIT, audit, differences
from search_spaces.arm import Choice
from study.plan.probe import as_on_a_lane
from study.train.exams import make_split


@dataclass(frozen=True)
class AuditTable:
    """What the exams of data sets give away.

    Attributes
    ----------
    columns, exams
        A name and an exam per data set.
    repeat
        Number of the repeat whose exams they are.
    rows
        Name of each quantity and its value per data set, as text.
    notes
        Where validation asks otherwise than the test.
    """

    columns: list[str]
    exams: list[str]
    repeat: int
    rows: list[list[str]]
    notes: list[str]


def audit_table(datasets: Sequence[Dataset], splits: Sequence[Choice], repeat: int = 0) -> AuditTable:
    """Return the leak audit of each data set's exam in a repeat."""
    exams = [make_split(dataset, split, repeat) for dataset, split in zip(datasets, splits, strict=True)]
    with as_on_a_lane("cpu", 1), threadpool_limits(1):  # a rule is fitted faster than threads agree on it
        columns = [audit(dataset, exam) for dataset, exam in zip(datasets, exams, strict=True)]
    names = [dataset.name for dataset in datasets]
    remarks = [(name, differences(exam)) for name, exam in zip(names, exams, strict=True)]
    notes = [f"{name}: validation asks otherwise than the test: {text}" for name, text in remarks if text]
    rows = [[name, *(str(column[name]) for column in columns)] for name in AUDIT]
    return AuditTable(names, [split.level for split in splits], repeat, rows, notes)
