"""What sharing and a second lane are worth to a study."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from cases import LANE, data, giving, grid, make_study

from study.plan.plan import make_plan
from study.run.pool import Pool, run_and_record
from study.run.workers import LocalWorkers
from study.spec.machine import Lane, cores, parse_lanes
from study.train.cell import run_cell
from study.train.stages import shared


def bench_sharing(once, tell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The grid of scUniGP's Table 3 on one data set with the graph stage trained by each arm, and by one for all."""
    cells = make_plan(grid(tmp_path, "scunigp-table3", repeats=1, training={"epochs": 4, "graph_epochs": 4})).cells
    run_cell(cells[-1], LANE)  # reads the data and sets the exam, which both ways share

    def seconds(*, enabled: bool) -> float:
        monkeypatch.setattr(shared, "ENABLED", enabled)
        started = time.process_time()
        for cell in cells:
            result = run_cell(cell, LANE, tmp_path / f"shared-{enabled}")
            assert result.record.ok, result.record.reason
        return time.process_time() - started

    alone, together = once(lambda: (seconds(enabled=False), seconds(enabled=True)))
    per_hour = [3600 * len(cells) / s for s in (alone, together)]
    label = f"scunigp-table3 on {data()[1]}, {len(cells)} cells of 4 + 4 epochs, one lane: each arm by itself"
    tell(label, f"{per_hour[0]:.0f} cells/h")
    tell("  the same, arms sharing the pre-trained graph stage", f"{per_hour[1]:.0f} cells/h")
    tell("  gain by sharing", f"x {alone / together:.2f}")


def bench_lanes(once, tell, tmp_path: Path):
    """The same six cells on one lane and on two, from the start of the first cell to the end of the last."""
    if cores() < 2:
        pytest.skip("a second lane needs a second core")
    epochs = {"epochs": 3, "graph_epochs": 3}
    study = make_study(tmp_path, preset="scunigp-small", controls=["degree"], repeats=6, training=epochs)
    cells = [cell for cell in make_plan(study).cells if cell.arm.role == "reference"]

    def seconds(lanes: Sequence[Lane], name: str) -> float:
        out = tmp_path / name
        pool = Pool(LocalWorkers(lanes, functools.partial(run_and_record, out)), out)
        ended = [(time.perf_counter(), record) for _, record in pool.run(giving(cells))]
        assert [record.status for _, record in ended] == ["ok"] * len(cells)
        # a worker takes seconds to import its libraries, once: cells know when they began
        return ended[-1][0] - min(at - record.seconds for at, record in ended)

    def measure() -> tuple[float, float, float]:
        return seconds([LANE], "one"), seconds([Lane("cpu", 2)], "wide"), seconds(parse_lanes("cpu:2")[:2], "two")

    one, wide, two = once(measure)
    tell(f"2 lanes against 1, same {len(cells)} cells: 1 lane of 1 thread", f"x {one / two:.2f}")
    tell("  1 lane of 2 threads", f"x {wide / two:.2f}")
