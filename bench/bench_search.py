"""What a search costs beside its training: 1,000 trials of TPE whose cells are answered at once."""

from __future__ import annotations

import math
import random
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from cases import LANE, make_study

import study.search.run
from search_spaces.space.space import Space
from study.run.engine import Means
from study.run.listener import Listener
from study.search.run import run_search
from study.spec.cell import Cell
from study.spec.records import CellRecord
from study.train.cell import CellResult

TRIALS = 1000
SMALL = {"simulate": {"genes": 64, "tfs": 8, "cells": 40}, "seed": 1, "name": "net"}


class AtOnce:
    """Workers that make up the record of a cell: the level of ``gnn`` and the learning rate matter."""

    broken: tuple[type[BaseException], ...] = ()
    lanes = (LANE, LANE)

    def __enter__(self) -> AtOnce:
        return self

    def __exit__(self, *error: object) -> None: ...
    def kill(self) -> None: ...

    @property
    def alone(self) -> AtOnce:
        return self

    def submit(self, cell: Cell) -> Future[CellResult]:
        rate = math.log10(cell.arm.choices["optimizer"].settings.learning_rate)  # type: ignore[attr-defined]
        score = 0.7 + 0.1 * (cell.arm.choices["gnn"].level == "gat") - 0.05 * abs(rate + 3)
        score += random.Random(f"{cell.arm.digest} {cell.repeat}").gauss(0, 0.01)
        scores: dict[str, Any] = {part: {"auroc": score} for part in ("validation", "test")}
        record = CellRecord(cell=cell.digest, scores=scores, seconds=1.0, parameters=10, identity=cell.identity)
        ended: Future[CellResult] = Future()
        ended.set_result(CellResult(record))
        return ended


class Clock(Listener):
    """An observer of a search: the CPU second at which each cell ended."""

    def __init__(self) -> None:
        self.at = [time.process_time()]

    def ended(self, cell: Cell, record: CellRecord) -> None:
        self.at.append(time.process_time())


class Nobody:
    """In place of MLflow, whose cost per cell has a line of its own."""

    def __init__(self, *given: Any, **more: Any) -> None: ...
    def __getattr__(self, name: str) -> Any:
        return lambda *given: None


def bench_search(once, tell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The space of all factors, 108 parameters; one cell a trial."""
    settings = {"trials": TRIALS, "pruner": "none"}
    study_ = make_study(tmp_path, datasets=[SMALL], preset="scunigp-small", search=settings, repeats=1)
    workers: Any = AtOnce()
    monkeypatch.setattr(study.search.run, "make_workers", lambda *given: workers)
    monkeypatch.setattr(study.search.run, "Tracker", Nobody)
    asks, suggest = [0], Space.suggest

    def counted(space: Space, trial: Any) -> Any:
        asks[0] += 1
        return suggest(space, trial)

    monkeypatch.setattr(Space, "suggest", counted)
    clock = Clock()
    search = once(lambda: run_search(study_, tmp_path / "out", clock, Means()))
    assert len(search.finished) == TRIALS
    seconds, tenth = clock.at[-1] - clock.at[0], TRIALS // 10
    first, last = clock.at[tenth] - clock.at[0], clock.at[-1] - clock.at[-1 - tenth]
    thrown = 1 - (TRIALS - 1) / asks[0]  # the first trial is the reference, which is not drawn
    parameters = len(search.space.parameters)
    label = f"driver of a search of {TRIALS:,} trials, TPE, {parameters} parameters, without training and MLflow; CPU"
    tell(label, f"{seconds:.0f} s", "< 60 s", seconds < 60)
    tell("  the last 100 trials against the first 100", f"x {last / first:.1f}")
    tell("  proposals thrown away", f"{100 * thrown:.1f} %", "< 2 %", thrown < 0.02)
