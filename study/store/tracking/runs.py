"""What MLflow is told of a study, as plain values: tags, parameters and metrics of arms and cells, its standing."""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from study.spec.records import CellRecord, CellRow, PlanRecord
from study.store.table import line_of, scores_of, told

LONGEST = 5000  # letters of a value; MLflow refuses longer ones

Metric = tuple[str, float, int]  # name, value, step
Exam = tuple[str, str, int]  # data set, split, repeat
EVERY_S = 5.0  # between two updates while a study runs: each writes a few rows per arm
BESIDE = ("auroc", "auprc_ratio", "within_tf_auroc")  # metrics beside the primary one that a first view compares
TAGS = (
    *("arm", "role", "cell", "data_digest", "code_digest", "dataset", "network", "protocol", "split_digest"),
    *("exam_differs", "test_share", "device", "status", "reason"),
)  # of a cell: what the tidy table has of it beside parameters and metrics


@dataclass(frozen=True)
class Stage:
    """What cells are run for: how their runs are told from those of other stages."""

    folder: str  # part of their keys
    # what the tag ``knockout.level`` says of runs of arms, and of cells
    arm: str
    cell: str
    sealed: bool = True  # keep test scores and predictions out: nobody may look at them while arms are chosen


STUDY = Stage("", "arm", "cell", sealed=False)
SEARCH = Stage("/search", "trial", "trial cell")
PATH = Stage("/path", "path arm", "path cell")  # arms between the reference and the best one of a search


def first_view(metric: str, rows: Sequence[CellRow]) -> dict[str, object]:
    """Return how MLflow's table of runs compares the planned arms: runs, columns, order, as its interface stores it."""
    metrics = [f"metrics.`test.{name}.mean`" for name in dict.fromkeys([metric, *BESIDE])]
    varied = [name for name in rows[0].levels if len({row.levels.get(name) for row in rows}) > 1] if rows else []
    return {
        "searchFilter": "tags.`knockout.level` = 'arm'",
        "orderByKey": metrics[0],
        "orderByAsc": False,
        "selectedColumns": [*metrics, "metrics.`cells_failed`", *(f"params.`{name}`" for name in varied)],
    }


def study_tags(plan: PlanRecord) -> dict[str, str]:
    """Return what a study asks, and what its table says of itself, see :func:`study.store.table.told`."""
    asked = {"metric": plan.metric, "margin": plan.margin, "alpha": plan.alpha, "kind": plan.kind}
    tags = {name: "" if value is None else str(value) for name, value in asked.items()}
    tags |= {name: json.dumps(value)[:LONGEST] for name, value in told(plan.rows).items()}
    return {f"knockout.{name}": value for name, value in tags.items()}


def arm_params(row: CellRow) -> dict[str, str]:
    """Return the levels and settings of an arm."""
    params: dict[str, str] = {}
    for factor, choice in row.settings.items():
        params |= {f"{factor}.{choice['level']}.{key}": str(value) for key, value in choice["settings"].items()}
    params |= row.levels  # a setting that the design crosses is written as the table has it
    return {name: value[:LONGEST] for name, value in params.items()}


def cell_params(row: CellRow) -> dict[str, str]:
    """Return the parameters of a cell: those of its arm, where it stands, and its training."""
    cell = {name: str(getattr(row, name)) for name in ("arm", "dataset", "block", "split", "repeat")}
    training = {f"training.{key}": str(value) for key, value in row.training.items()}
    return {name: value[:LONGEST] for name, value in {**arm_params(row), **cell, **training}.items()}


def cell_tags(row: CellRow, record: CellRecord) -> dict[str, str]:
    """Return what the tidy table has of a cell beside parameters and metrics."""
    line = line_of(row, record) | {"test_share": "" if record.test_share is None else record.test_share}
    tags = {f"knockout.{name}": str(line[name]) for name in TAGS}
    undefined = [f"{part}.{name}" for part, name, value in scores_of(record) if value is None]
    tags["knockout.undefined"] = " ".join(undefined)  # MLflow takes no missing value
    tags |= {f"version.{name}": value for name, value in record.versions.items() if name != "git_commit"}
    tags |= {"mlflow.source.git.commit": record.versions.get("git_commit", "")}
    return {name: value[:LONGEST] for name, value in tags.items()}


def cell_metrics(record: CellRecord) -> list[Metric]:
    """Return the scores, curves and costs of a cell."""
    metrics = [(f"{part}.{name}", value, 0) for part, name, value in scores_of(record) if value is not None]
    metrics += [
        (name, value, step) for name, values in record.curves.items() for step, value in enumerate(values, start=1)
    ]
    costs = {"seconds": record.seconds, "peak_memory_mb": record.peak_memory_mb}
    costs |= {"parameters": float(record.parameters), "best_epoch": float(record.best_epoch)}
    return metrics + [(name, value, 0) for name, value in costs.items() if not math.isnan(value)]


def arm_metrics(records: Sequence[CellRecord]) -> list[Metric]:
    """Return mean and standard deviation of an arm's scores; none where a cell failed."""
    ok = [r for r in records if r.ok]
    metrics = [("cells", float(len(records)), 0), ("cells_failed", float(len(records) - len(ok)), 0)]
    if not ok or len(ok) < len(records):  # a mean over the cells that survived would flatter the arm
        return metrics
    for part, scores in ok[0].scores.items():
        for name in scores:
            values = [r.scores[part][name] for r in ok]
            known = [v for v in values if v is not None]
            if len(known) == len(values):
                metrics.append((f"{part}.{name}.mean", mean(known), 0))
                metrics.append((f"{part}.{name}.sd", stdev(known) if len(known) > 1 else 0.0, 0))
    return metrics


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
        self._cells, self._clock, self._updated_at = len(rows), clock, float("-inf")

    def add(self, row: CellRow, record: CellRecord) -> None:
        """Count a cell that has ended, or has ended anew."""
        self._ended[row.arm_digest][_exam(row)] = record

    @property
    def due(self) -> bool:
        """Whether it is time for an update; asking takes note of the time."""
        if self._clock() - self._updated_at < EVERY_S:
            return False
        self._updated_at = self._clock()
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
