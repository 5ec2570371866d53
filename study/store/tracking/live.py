"""How far a study is, as MLflow shows it while it runs: the arms compared on what all of them have done."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from study.spec.records import CellRecord, CellRow
from study.store.tracking.runs import Metric, arm_metrics

EVERY_S = 5.0  # between two updates: each writes a few rows per arm

Exam = tuple[str, str, int]  # data set, split, repeat


class Standing:
    """Gathers the cells of a study as they end.

    An arm's means are over the exams that every arm has ended: a mean over other exams than its rivals' may lead by
    their ease alone.
    """

    def __init__(self, rows: Sequence[CellRow], clock: Callable[[], float] = time.monotonic) -> None:
        self._planned: dict[Exam, set[str]] = defaultdict(set)
        for row in rows:
            self._planned[_exam(row)].add(row.arm_digest)
        self._ended: dict[str, dict[Exam, CellRecord]] = defaultdict(dict)
        self._cells, self._clock, self._shown = len(rows), clock, float("-inf")

    def add(self, row: CellRow, record: CellRecord) -> None:
        """Count a cell that has ended, or has ended anew."""
        self._ended[row.arm_digest][_exam(row)] = record

    @property
    def due(self) -> bool:
        """Whether it is time for an update; asking takes note of the time."""
        if self._clock() - self._shown < EVERY_S:
            return False
        self._shown = self._clock()
        return True

    @property
    def progress(self) -> list[Metric]:
        """Number of cells that have ended, that failed and that are planned, at a step that counts them."""
        records = [record for of_arm in self._ended.values() for record in of_arm.values()]
        failed = sum(not record.ok for record in records)
        numbers = {"cells": len(records), "cells_failed": failed, "cells_planned": self._cells}
        return [(name, float(number), len(records)) for name, number in numbers.items()]

    def means(self) -> Iterator[tuple[str, list[Metric]]]:
        """Yield each arm's digest and its metrics over the exams that all arms have ended, where there are any."""
        common = [exam for exam, arms in self._planned.items() if all(exam in self._ended[arm] for arm in arms)]
        for arm, records in self._ended.items():
            compared: Mapping[Exam, CellRecord] = {exam: records[exam] for exam in common if exam in records}
            if compared:
                yield arm, arm_metrics(list(compared.values()))


def _exam(row: CellRow) -> Exam:
    return row.dataset, row.split, row.repeat
