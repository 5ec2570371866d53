"""What is measured: studies on mDC, STRING, TFs+500, or on a simulated set of that size where the data are not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import yaml
from torch.nn import functional as F

from components.core.metrics import METRICS
from components.core.streams import Streams
from components.model import GRNModel, Parts
from components.optimizer import Fitter
from search_spaces.presets import preset
from study.plan.plan import Plan, make_plan
from study.spec.cell import Cell
from study.spec.datasets import load_dataset
from study.spec.machine import Lane, versions
from study.spec.records import CellRecord, CellRow
from study.store.ledger import Ledger
from study.store.tracking.tracker import Tracker
from study.study_file.study import Study, load_study
from study.train import exams
from study.train.cell import CellResult, run_cell

BEELINE = Path(__file__).parents[2] / "shared" / "data" / "beeline"
MDC = "STRING/mDC/TFs+500"
STEPS = 6  # that a median is taken of
LANE = Lane("cpu", 1)


def data() -> tuple[Any, str]:
    """Return the entry of a study file for the data set, and what the table calls it."""
    if (BEELINE / MDC).is_dir():
        return MDC, "mDC STRING TFs+500"
    return {"simulate": {"genes": 1000, "tfs": 300, "cells": 400, "regulators": 4.0}}, "simulated, 1000 genes"


def make_study(folder: Path, **content: Any) -> Study:
    """Write a study file on the data set, or on those given, and read it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "bench.yaml"
    given = {"name": "bench", "datasets": [data()[0]], "lanes": "cpu:1", **content}
    path.write_text(yaml.safe_dump(given, sort_keys=False))
    return load_study(path, data=BEELINE)


@dataclass(frozen=True)
class Timed:
    """One cell from start to MLflow record, in CPU seconds: all of it, and forward, loss, backward and step alone."""

    plan: Plan
    result: CellResult
    tracker: Tracker
    seconds: float
    model_seconds: float


def train_one_cell(out: Path) -> Timed:
    """Run the first cell of scunigp-small as a worker and the driver would, on a store that is open."""
    settings: dict[str, Any] = {"preset": "scunigp-small", "controls": ["degree"], "repeats": 1}
    warm_up = make_plan(make_study(out / "warm-up", **settings, training={"epochs": 1, "graph_epochs": 1}))
    plan = make_plan(make_study(out, **settings))
    tracker = Tracker("bench", out)
    for cell in warm_up.cells:  # what a process pays once, a cell does not
        tracker.log(cell.row, run_cell(cell, LANE).record)
    exams.make_folds.cache.clear()  # but the exam is this cell's
    with timed_model() as spent:
        started = time.process_time()
        result = run_cell(plan.cells[0], LANE, out)
        Ledger(out).write(result.record, result.predictions, result.embeddings)
        tracker.log(plan.cells[0].row, result.record)
        seconds = time.process_time() - started
    assert result.record.ok, result.record.reason
    return Timed(plan, result, tracker, seconds, sum(spent))


@contextmanager
def timed_model() -> Iterator[list[float]]:
    """Collect the CPU seconds of every forward pass, loss, backward pass and step."""
    spent: list[float] = []
    depth = 0

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            nonlocal depth
            depth += 1
            started = time.process_time()
            try:
                return function(*args, **more)
            finally:
                depth -= 1
                if not depth:  # what one calls of another is counted once
                    spent.append(time.process_time() - started)

        return call

    names = [*((GRNModel, name) for name in ("encode", "score", "read", "views", "embed_graph")), (Fitter, "step")]
    losses = [(F, "binary_cross_entropy_with_logits")]
    patches = [patch.object(owner, name, timed(getattr(owner, name))) for owner, name in names + losses]
    for each in patches:
        each.start()
    try:
        yield spent
    finally:
        for each in patches:
            each.stop()


@dataclass(frozen=True)
class Ready:
    """Everything that trains one arm in one repeat."""

    model: GRNModel
    split: Any
    sampler: Any
    optimizer: Any
    streams: Streams
    budget: Any


def get_ready(folder: Path, name: str, repeat: int = 0, precision: str = "fp32", **changes: Any) -> Ready:
    """Assemble a preset, some choices changed, on the data set."""
    study = make_study(folder, preset=name, controls=["degree"], training={"precision": precision})
    arm = preset(name).arm(name, changes)
    dataset = load_dataset(study.datasets[0], study.root)
    split, streams = exams.make_split(dataset, study.splits[0], repeat), Streams(dataset.digest, repeat)
    parts = Parts({factor: (choice.level, choice.settings) for factor, choice in arm.choices.items()})
    model = GRNModel(parts, torch.from_numpy(dataset.expression), streams)
    sampler = parts.build("negatives", split, dataset.expression)
    return Ready(model, split, sampler, parts.build("optimizer"), streams, study.budget)


def alternate(one: Callable[[], Any], other: Callable[[], Any], *, cpu: bool = False) -> tuple[float, float]:
    """Return the median seconds, by the clock or of CPU, of two ways taken in turn: other load hits both alike."""
    seconds: tuple[list[float], list[float]] = ([], [])
    now = time.process_time if cpu else time.perf_counter
    for turn in range(STEPS + 2):
        for way, spent in zip((one, other), seconds, strict=True):
            started = now()
            way()
            if turn > 1:  # the first are warm-up
                spent.append(now() - started)
    return float(np.median(seconds[0])), float(np.median(seconds[1]))


def finished(row: CellRow) -> CellRecord:
    """Make up the record of a cell that trained for 30 epochs a stage."""
    epochs = [0.123456789] * 30
    names = ("graph_loss", "graph_validation_auroc", "joint_loss", "joint_validation_auroc")
    wobble = int(row.cell[:6], 16) / 16**6 / 100  # no two cells score alike
    score: float | None = 0.8 + row.repeat / 1e4 + wobble
    return CellRecord(
        cell=row.cell,
        scores={part: dict.fromkeys(METRICS, score) for part in ("validation", "test")},
        curves=dict.fromkeys(names, epochs),
        best_epoch=22,
        parameters=400_000,
        seconds=40.0,
        peak_memory_mb=900.0,
        data_digest=row.data_digest,
        split_digest=f"{row.data_digest}-{row.repeat}",
        versions=versions(),
    )


def many_cells(folder: Path, datasets: int, repeats: int) -> Study:
    """Return a study of ten arms, eight of which would be trained."""
    return make_study(
        folder,
        datasets=[
            {"simulate": {"genes": 64, "tfs": 8, "cells": 40}, "seed": i, "name": f"net-{i}", "block": f"cell-{i}"}
            for i in range(datasets)
        ],
        preset="scunigp-small",
        design={
            "kind": "one_factor_at_a_time",
            "factors": {
                "gnn": ["none", "gcn"],
                "fusion": ["late", "early"],
                "pair_encoder": ["mlp"],
                "negatives": ["uniform", "same_tf"],
            },
        },
        controls=["degree", "noise"],
        repeats=repeats,
    )


def record_all(plan: Plan, out: Path) -> Ledger:
    """Give every planned cell a record."""
    ledger = Ledger(out)
    for cell in plan.cells:
        ledger.write(finished(cell.row))
    return ledger


def grid(folder: Path, name: str, **changes: Any) -> Study:
    """Read a ready-made study at scale cpu, on this one data set."""
    from search_spaces.studies import named_study
    from study.study_file.patterns import at_scale

    content = at_scale(yaml.safe_load(named_study(name).read_text()), "cpu")
    return make_study(folder, **{**content, "datasets": [data()[0]], **changes})


def giving(waiting: list[Cell]) -> Callable[[], Cell | None]:
    """Give cells one by one, as a pool takes them."""
    left = iter(waiting)
    return lambda: next(left, None)
