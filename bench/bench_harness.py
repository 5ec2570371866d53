"""What the harness costs beside a script of Optuna and MLflow that trains the same cells one after the other."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

import numpy as np
from cases import make_study
from pandas import read_parquet

ROUNDS = 1  # a minute each on a quiet machine; more of them for less noise
RUN = "from study.cli.main import main; main()"
# the same without its report
NO_REPORT = f"import study.actions.run as r; r._report = lambda outcome, *given: r.Ended(None, outcome); {RUN}"


def bench_harness(once, tell, tmp_path: Path):
    """Four trained arms on two simulated data sets in two repeats, by the script and by ``knockout run``."""
    make_study(
        tmp_path,
        preset="knockout-small",
        datasets=[{"simulate": {}, "seed": seed, "name": f"net-{seed}", "block": f"net-{seed}"} for seed in (1, 2)],
        reference={
            "pair_encoder": {"transformer": {"dim": 64}},
            "negatives": {"uniform": {"ratio": 2.0}},
            "optimizer": {"adam": {"learning_rate": 1e-3}},
        },
        design={"factors": {"gnn": ["gat", "none"], "fusion": ["multiscale", "late"]}},
        controls=["noise"],
        repeats=2,
        training={"epochs": 4, "graph_epochs": 3},
        lanes="cpu:2",
    )
    file, script = str(tmp_path / "bench.yaml"), str(Path(__file__).with_name("script.py"))

    def measure() -> tuple[list[tuple[float, float]], ...]:
        spent: tuple[list[tuple[float, float]], ...] = ([], [], [])
        for turn in range(ROUNDS):
            outs = [tmp_path / f"{name}-{turn}" for name in ("script", "cells", "report")]
            cpu, seconds, printed = _seconds(script, file, str(outs[0]))
            spent[0].append((cpu, seconds))
            for way, out, code in ((1, outs[1], NO_REPORT), (2, outs[2], RUN)):
                spent[way].append(_seconds("-c", code, "run", file, "--out", str(out))[:2])
                _check_equal(out, json.loads(printed))
        return spent

    ways = [np.min(way, axis=0) for way in once(measure)]  # the least of a few: other load only adds
    (of_script, by_script), (of_cells, _), (of_all, by_all) = ways
    tell("16 small cells by a script of Optuna + MLflow, one process; CPU", f"{of_script:.1f} s")
    for what, of_cpu, most in (("without its report", of_cells, 1.2), ("with its report", of_all, 1.5)):
        ratio = of_cpu / of_script
        tell(f"  by knockout run on two lanes, {what}; CPU", f"x {ratio:.2f}", f"< x {most}", ratio < most)
    tell("  the same with its report, by the clock", f"x {by_all / by_script:.2f}")


def _seconds(*command: str) -> tuple[float, float, str]:
    """Return the CPU seconds of a program and of all that it starts, its seconds by the clock, and its last line."""
    before, started = getrusage(RUSAGE_CHILDREN), time.perf_counter()
    completed = subprocess.run([sys.executable, *command], check=True, capture_output=True, text=True)
    after, seconds = getrusage(RUSAGE_CHILDREN), time.perf_counter() - started
    of_cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return of_cpu, seconds, completed.stdout.strip().split("\n")[-1]


def _check_equal(out: Path, aurocs: list[float]) -> None:
    """The work must be the same: every cell scores as the script's does."""
    table = read_parquet(out / "cells.parquet")
    trained = table[(table["part"] == "test") & (table["metric"] == "auroc") & (table["parameters"] > 0)]
    assert np.allclose(sorted(trained["value"]), aurocs), "the script and the study trained other cells"
