"""A cell gives the same bits however often it runs, on any number of threads."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from study.plan.plan import make_plan
from study.spec.cell import Cell
from study.spec.machine import Lane
from study.study_file.study import load_study
from study.train import score as scoring
from study.train.cell import CellResult, run_cell
from study.train.score import fixed_order

TWO = Lane("cpu", 2)
# torch shares an operation between threads from 32,768 numbers on: a batch of 512 pairs of width 128 is twice that
WIDE = {
    "gnn": {"gat": {"widths": [64, 32]}},
    "pair_encoder": {"transformer": {"dim": 128, "layers": 1, "heads": 2}},
    "negatives": {"uniform": {"ratio": 2.0}},
}
ARMS: list[dict[str, Any]] = [
    {"gnn": "none"},
    {"gnn": "gcn"},
    {"fusion": "late"},
    {"fusion": "expert"},
    {"contrast": "supcon"},
    {"bucketing": "uniform"},
    {"pair_encoder": {"transformer": {"dim": 128, "layers": 1, "heads": 2, "context": 5}}},
    {"scorer": "noise"},
    {"scorer": "identity"},
]


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def cells(study_file: Callable[..., Path]) -> Callable[..., list[Cell]]:
    def make(*arms: dict[str, Any]) -> list[Cell]:
        changes = {
            "datasets": [{"simulate": {"genes": 200, "tfs": 20, "cells": 60}, "seed": 1, "name": "net"}],
            "reference": WIDE,
            "design": {"kind": "explicit", "arms": list(arms)},
            "controls": [],
            "repeats": 1,
        }
        return list(make_plan(load_study(study_file(**changes))).cells)

    return make


def bits(result: CellResult) -> tuple[Any, ...]:
    record = result.record
    assert record.ok and result.predictions is not None, record.reason
    return record.scores, record.curves, record.best_epoch, result.predictions["score"].tobytes()


def gradient() -> Any:
    """Sum many rows' gradients into few rows, as indexing does when genes are looked up for pairs."""
    rng = torch.Generator().manual_seed(0)
    genes = torch.randn(500, 192, generator=rng, requires_grad=True)
    rows = torch.randint(0, 40, (5000,), generator=rng)
    (genes[rows] * torch.randn(5000, 192, generator=rng)).sum().backward()
    assert genes.grad is not None
    return genes.grad.numpy()


def test_threads_do_not_race_for_a_gradient():
    torch.set_num_threads(1)
    alone = gradient()
    torch.set_num_threads(2)
    with fixed_order("cpu"):
        assert all(np.array_equal(gradient(), alone) for _ in range(10))


@pytest.mark.parametrize("set_before", [(False, False), (True, False), (True, True)])
def test_the_order_is_fixed_within_a_cell_and_left_as_it_was(cells, monkeypatch: pytest.MonkeyPatch, set_before):
    seen = []
    train = scoring.train
    memory: Any = torch.utils.deterministic

    def note(*given: Any) -> Any:
        seen.append((torch.are_deterministic_algorithms_enabled(), memory.fill_uninitialized_memory))
        return train(*given)

    def now() -> tuple[bool, bool]:
        return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()

    monkeypatch.setattr(scoring, "train", note)
    try:
        torch.use_deterministic_algorithms(set_before[0], warn_only=set_before[1])
        run_cell(cells({"gnn": "none"})[-1], TWO)
        assert seen == [(True, False)] and now() == set_before and memory.fill_uninitialized_memory
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("loaded", [True, False])
def test_torchs_compiler_fixes_its_order_whether_it_is_loaded_before_or_within(loaded: bool):
    first = "import torch._inductor.config" if loaded else "pass"
    script = f"""
import os, sys
from study.train.score import fixed_order
{first}
assert ("torch._inductor.config" in sys.modules) is {loaded}
with fixed_order("cpu"):
    import torch._inductor.config as compiler
    assert compiler.deterministic
assert not compiler.deterministic and "TORCHINDUCTOR_DETERMINISTIC" not in os.environ
"""
    clean = {name: value for name, value in os.environ.items() if name != "TORCHINDUCTOR_DETERMINISTIC"}
    subprocess.run(
        [sys.executable, "-c", script], env={**clean, "PYTHONPATH": str(Path(__file__).parents[3])}, check=True
    )


def test_a_gpu_is_left_as_it_is():
    with fixed_order("cuda:0"):
        assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.slow
def test_two_threads_give_the_same_bits_five_times(cells):
    cell = cells({"gnn": "none"})[-1]
    first = bits(run_cell(cell, TWO))
    assert all(bits(run_cell(cell, TWO)) == first for _ in range(4))


def test_a_cell_and_its_lane_are_left_as_they_were(cells, tmp_path: Path):
    cell = cells({"gnn": "none"})[-1]
    before, copy = pickle.dumps((cell, TWO)), deepcopy(cell)
    result = run_cell(cell, TWO, tmp_path)
    assert result.record.ok and cell == copy
    del cell.__dict__["identity"], cell.__dict__["digest"]  # computed on demand, and kept
    assert pickle.dumps((cell, TWO)) == before
    with pytest.raises(FrozenInstanceError):
        result.predictions = None
    with pytest.raises(ValidationError, match="frozen"):
        result.record.seconds = 0.0


IN_A_NEW_PROCESS = """
import pickle, sys
from study.train.cell import run_cell
cell, lane = pickle.load(sys.stdin.buffer)
pickle.dump(run_cell(cell, lane), sys.stdout.buffer)
"""


@pytest.mark.slow
def test_a_new_process_gives_the_same_bits(cells):
    cell = cells({"gnn": "none"})[-1]
    here = run_cell(cell, TWO)
    command = [sys.executable, "-c", IN_A_NEW_PROCESS]
    threads = {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "passive"}  # as every worker has them
    environment = {**os.environ, **threads, "PYTHONPATH": str(Path(__file__).parents[3]), "PYTHONHASHSEED": "7"}
    completed = subprocess.run(
        command, input=pickle.dumps((cell, TWO)), stdout=subprocess.PIPE, env=environment, check=True
    )
    there = pickle.loads(completed.stdout)
    assert bits(there) == bits(here)
    costs = {"seconds", "shared_s", "peak_memory_mb"}
    assert there.record.model_dump(exclude=costs) == here.record.model_dump(exclude=costs)


@pytest.mark.slow
def test_forty_reruns_give_the_same_bits(cells, tmp_path: Path):
    """Four runs of each of ten arms on two threads, every other one with stages that arms share."""
    planned_cells = cells(*ARMS)
    first = [bits(run_cell(cell, TWO)) for cell in planned_cells]
    for rerun in range(4):
        out = tmp_path / str(rerun) if rerun % 2 else None
        for cell, before in zip(planned_cells, first, strict=True):
            assert bits(run_cell(cell, TWO, out)) == before, (cell.label, rerun)
