"""What a user waits for before the first cell: the plan with its cost, and the check for arms that behave alike."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import sklearn.ensemble  # noqa: F401  # of the audit's rules
from cases import BEELINE, MDC, make_study

from study.actions.preview import NO_FOLDER, preview
from study.actions.screen import Screen
from study.plan import fingerprint, silent
from study.plan.silent import refuse_silent_arms
from study.study_file.study import Study

SIZE = {"simulate": {"genes": 1000, "tfs": 300, "cells": 400, "regulators": 4.0}}


def two_sets() -> list[Any]:
    """Return two data sets of BEELINE, or two simulated ones of their size."""
    sets = [MDC, MDC.replace("mDC", "hHEP")]
    return sets if all((BEELINE / name).is_dir() for name in sets) else [{**SIZE, "seed": seed} for seed in (1, 2)]


def explicit(folder: Path, arms: list[dict[str, Any]], **changes: Any) -> Study:
    """Return a study of these arms, a reference and a control."""
    given = {
        "controls": ["degree"],
        "lanes": "cpu:2",
        "datasets": two_sets(),
        "design": {"kind": "explicit", "arms": arms},
    }
    return make_study(folder, preset="knockout-small", **{**given, **changes})


def rates(number: int) -> list[dict[str, Any]]:
    """Return arms that differ in their learning rate."""
    return [{"optimizer": {"adam": {"learning_rate": float(rate)}}} for rate in np.geomspace(1e-4, 1e-2, number)]


def models(number: int) -> list[dict[str, Any]]:
    """Return arms each of which is a model of its own."""
    rng = np.random.default_rng(0)
    return [
        {
            "name": f"arm {i}",
            "gnn": {"gat": {"dropout": float(rng.uniform(0, 0.5))}},
            "pair_encoder": {"transformer": {"dropout": float(rng.uniform(0, 0.5))}},
            **rate,
        }
        for i, rate in enumerate(rates(number))
    ]


def bench_small_plan(once, tell, tmp_path: Path):
    """Three arms on two data sets, with all negatives and three repeats, after the imports."""
    study = explicit(tmp_path, [{"gnn": "none"}], reference={"negatives": "all"})
    seconds, by_part = once(lambda: _planned(study))
    label = f"plan of 3 arms on 2 data sets, all negatives; {by_part}, after imports"
    tell(label, f"{seconds:.1f} s", "< 3 s", seconds < 3)


def bench_plan_start(once, tell):
    """What ``knockout plan`` imports before it reads a data set, and what a worker imports before its first cell."""

    def imported(module: str) -> tuple[float, float]:
        code = "import psutil, time; print(time.process_time(), psutil.Process().memory_info().rss / 2**20)"
        for _ in range(2):  # the first run compiles
            completed = subprocess.run(
                [sys.executable, "-c", f"import {module}; {code}"], check=True, capture_output=True
            )
        of_cpu, resident_mb = map(float, completed.stdout.split())
        return of_cpu, resident_mb

    plan, worker = once(lambda: (imported("study.cli.studies"), imported("study.run.pool")))
    tell("start of plan: imports", f"{plan[0]:.1f} s of CPU, {plan[1]:.0f} MB")
    cost = f"{worker[0]:.1f} s of CPU, {worker[1]:.0f} MB"
    tell("start of a worker: imports", cost, "< 2.5 s, < 300 MB", worker[0] < 2.5 and worker[1] < 300)


def bench_large_plan(once, tell, tmp_path: Path):
    """1,000 arms on two data sets."""
    study = explicit(tmp_path, rates(998))
    seconds, by_part = once(lambda: _planned(study))
    tell(f"plan of 1,000 arms on 2 data sets; {by_part}", f"{seconds:.1f} s", "< 10 s", seconds < 10)


def bench_silent(once, tell, tmp_path: Path):
    """1,000 arms that differ in their optimiser alone, and 1,000 that are models of their own."""
    simulated = [{"simulate": {"genes": 64, "tfs": 8, "cells": 40}}]
    for what, arms in (("optimisers", rates(998)), ("models", models(998))):
        study = explicit(tmp_path / what, arms, datasets=simulated)
        refuse_silent_arms(study.arms[:3], study.budget)  # what a process pays once
        silent.behaviour.cache.clear()
        fingerprint.first_batch.cache.clear()
        check = lambda: _cpu_s(lambda: refuse_silent_arms(study.arms, study.budget))  # noqa: E731, B023
        of_cpu = once(check) if what == "optimisers" else check()
        tell(f"silent-arm check of 1,000 arms, all {what} differ", f"{of_cpu:.1f} s of CPU", "< 15 s", of_cpu < 15)


def _planned(study: Study) -> tuple[float, str]:
    """Return the seconds of a plan with its cost, by the clock, for forks audit the exams; and how they divide."""
    started = time.perf_counter()
    planned = preview(study, NO_FOLDER, Screen())
    laid_out = time.perf_counter()
    cost = planned.cost(Screen())
    ended = time.perf_counter()
    timed = f"{cost.timed} of {cost.kinds} kinds timed"
    return ended - started, f"{laid_out - started:.1f} s to read and audit, {ended - laid_out:.1f} s for {timed}"


def _cpu_s(run: Callable[[], object]) -> float:
    started = time.process_time()
    run()
    return time.process_time() - started
