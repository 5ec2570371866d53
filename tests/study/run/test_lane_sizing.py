from __future__ import annotations

import functools
import math
import multiprocessing
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from joblib.externals.loky import ProcessPoolExecutor

from components.core.errors import KnockoutError
from study.plan.plan import make_plan
from study.run import lane_sizing, memory_probe
from study.run.lane_sizing import (
    CPU_SHARE,
    GPU_SHARE,
    MOST_PER_GPU,
    Device,
    cgroup_headroom_mb,
    devices,
    known_peaks,
    pack,
    size_lanes,
)
from study.spec.cell import Cell
from study.spec.machine import Lane
from study.spec.records import CellRecord, Status
from study.store.ledger import Ledger
from study.study_file.study import load_study

TWO_GPUS = (Device("cuda:0", 10 * 1024), Device("cuda:1", 10 * 1024))
PEAKS = st.one_of(st.floats(0.1, 1e6), st.just(math.inf), st.none())


@pytest.fixture
def cells(study_file: Callable[..., Path]) -> list[Cell]:
    return list(make_plan(load_study(study_file())).cells)


@pytest.fixture
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_sizing, "cores", lambda: 8)
    monkeypatch.setattr("study.spec.machine.cores", lambda: 8)


def took(cell: Cell, megabytes: float, *, device: str = "cpu", status: str = "ok", repeat: int = 99) -> CellRecord:
    identity = replace(cell, repeat=repeat).identity
    name = f"{cell.arm.digest}{device[:4]}{status}"
    return CellRecord(cell=name, status=Status(status), device=device, peak_memory_mb=megabytes, identity=identity)


def sized(text: str, cells: Sequence[Cell], ledger: Ledger, *, find: Any, probe: Any) -> tuple[Lane, ...]:
    """Size lanes on a machine with other devices, and with another probe of a cell's memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lane_sizing, "devices", find)
        patch.setattr(lane_sizing, "probe_peak", probe)
        return size_lanes(text, cells, ledger)


def never(cells: Sequence[Cell], device: str) -> float:
    raise AssertionError("nothing was to be probed")


def test_two_gpus_of_10_gb_hold_three_workers_each_of_3_gb():
    assert pack(TWO_GPUS, 3 * 1024, cores=8) == ["cuda:0"] * 3 + ["cuda:1"] * 3
    assert len(pack(TWO_GPUS, 3 * 1024, cores=4)) == 4, "two cores each"
    assert pack(TWO_GPUS, 11 * 1024, cores=8) == ["cuda:0", "cuda:1"], "too large: one, and hope"
    assert pack(TWO_GPUS, None, cores=8) == ["cuda:0", "cuda:1"], "unknown: one"
    assert len(pack(TWO_GPUS, 1.0, cores=64)) == 2 * MOST_PER_GPU


def test_a_cpu_has_as_many_workers_as_cores_unless_memory_is_short():
    assert pack([Device("cpu", 64 * 1024)], 1024, cores=8) == ["cpu"] * 8
    assert pack([Device("cpu", 5 * 1024)], 1024, cores=8) == ["cpu"] * 4
    assert pack([Device("cpu", 100)], 1024, cores=8) == ["cpu"]
    assert pack([Device("cpu", 100)], None, cores=8) == ["cpu"] * 8


@given(st.lists(st.floats(0, 2e5), min_size=1, max_size=9), st.booleans(), PEAKS, st.integers(1, 256))
def test_workers_never_exceed_memory_or_cores_and_every_device_has_one(
    free: list[float], gpu: bool, memory: float | None, cores: int
):
    device_list = [Device(f"cuda:{i}" if gpu else "cpu", size) for i, size in enumerate(free if gpu else free[:1])]
    workers = pack(device_list, memory, cores=cores)
    assert len(workers) <= max(cores, len(device_list))
    for device in device_list:
        n = workers.count(device.name)
        assert n >= 1
        if memory is not None and n > 1:
            assert n * memory <= (GPU_SHARE if gpu else CPU_SHARE) * device.free_mb * (1 + 1e-9)
        if gpu:
            assert n <= MOST_PER_GPU


@given(st.floats(1, 1e5), st.floats(1, 1e5), st.floats(1.0, 10.0), st.integers(1, 64))
def test_a_larger_cell_never_gets_more_workers(free: float, memory: float, factor: float, cores: int):
    for name in ("cpu", "cuda:0"):
        device = [Device(name, free)]
        assert len(pack(device, memory * factor, cores=cores)) <= len(pack(device, memory, cores=cores))


def test_memory_is_that_of_cells_of_the_same_arm_and_data_in_the_ledger(cells: list[Cell], tmp_path: Path):
    ledger, (full, none) = Ledger(tmp_path), cells[:2]
    assert known_peaks(cells, ledger, "cpu") == ([], cells)
    for record in (
        took(full, 500.0),
        took(none, 300.0),
        took(full, 9000.0, status="oom"),
        took(full, 70.0, device="cuda:1"),
    ):
        ledger.write(record)
    assert known_peaks(cells[:2], ledger, "cpu") == ([500.0, 300.0], [])
    assert known_peaks([none], ledger, "cpu") == ([300.0], [])
    assert known_peaks([full], ledger, "cuda") == ([70.0], [])
    assert known_peaks([cells[2]], ledger, "cpu") == ([], [cells[2]]), "another arm"


def test_lanes_written_out_are_used_as_given(cells: list[Cell], tmp_path: Path, eight_cores: None):
    def find() -> tuple[Device, ...]:
        raise AssertionError("nobody asked for auto")

    assert sized("cpu:2", cells, Ledger(tmp_path), find=find, probe=never) == (Lane("cpu", 4),) * 2
    with pytest.raises(KnockoutError, match="lanes: 'many' is no lane"):
        sized("auto,many", cells, Ledger(tmp_path), find=lambda: TWO_GPUS, probe=lambda *_: 1.0)


def test_gpus_are_packed_by_what_a_probe_takes_and_a_cuda_context(cells: list[Cell], tmp_path: Path, eight_cores: None):
    probed: list[str] = []

    def probe(unknown: Sequence[Cell], device: str) -> float:
        probed.append(device)
        assert list(unknown) == cells
        return 3 * 1024 - lane_sizing.CONTEXT_MB

    lanes = sized("auto", cells, Ledger(tmp_path), find=lambda: TWO_GPUS, probe=probe)
    assert lanes == (Lane("cuda:0", 1),) * 3 + (Lane("cuda:1", 1),) * 3
    assert probed == ["cuda:0"]


def test_a_step_that_does_not_fit_leaves_a_gpu_to_one_worker(cells: list[Cell], tmp_path: Path, eight_cores: None):
    lanes = sized("auto", cells, Ledger(tmp_path), find=lambda: TWO_GPUS, probe=lambda *_: math.inf)
    assert [lane.device for lane in lanes] == ["cuda:0", "cuda:1"]


def test_what_the_ledger_holds_is_not_probed_again(cells: list[Cell], tmp_path: Path, eight_cores: None):
    ledger = Ledger(tmp_path)
    for cell in cells[:3]:
        ledger.write(took(cell, 4000.0, device="cuda:0"))
    find = lambda: TWO_GPUS  # noqa: E731
    assert len(sized("auto", cells, ledger, find=find, probe=never)) == 4
    assert len(sized("auto", cells[:2], ledger, find=find, probe=never)) == 2, "a device for each cell"


def test_a_cpu_with_memory_to_spare_is_not_probed(cells: list[Cell], tmp_path: Path, eight_cores: None):
    wide, narrow = (lambda: [Device("cpu", 8 * 4096)]), (lambda: [Device("cpu", 8 * 4096 - 1)])
    assert len(sized("auto", cells, Ledger(tmp_path), find=wide, probe=never)) == 8
    assert len(sized("auto", cells, Ledger(tmp_path), find=narrow, probe=lambda *_: 10_000)) == 2
    assert len(sized("auto", cells, Ledger(tmp_path), find=narrow, probe=lambda *_: None)) == 8, "no arm trains"


def test_a_probe_takes_one_step_of_each_trained_arm_and_scores(cells: list[Cell], monkeypatch: pytest.MonkeyPatch):
    from components.optimizer import Fitter

    steps: list[Fitter] = []
    took_step, scored = Fitter.step, []
    monkeypatch.setattr(Fitter, "step", lambda self, loss: (steps.append(self), took_step(self, loss)))
    score = memory_probe._score_chunk
    monkeypatch.setattr(memory_probe, "_score_chunk", lambda *given: scored.append(score(*given)))
    dearest = memory_probe._dearest(cells)
    assert {cell.arm.name for cell in dearest} == {"full model", "gnn=none"}, "a rule does not train"
    assert 10 < memory_probe._measure(dearest, "cpu") < 1e5
    assert len(steps) == 2 + 1, "graph and joint stage; without a graph the joint stage alone"
    assert len(scored) == 2


def test_a_probe_runs_in_a_process_of_its_own_which_may_die(cells: list[Cell], monkeypatch: pytest.MonkeyPatch):
    rules = [cell for cell in cells if cell.arm.name == "degree"]
    assert memory_probe.probe_peak(rules, "cpu") is None
    torch.set_num_threads(1)  # a forked process hangs in OpenMP's second thread
    forking = functools.partial(ProcessPoolExecutor, context=multiprocessing.get_context("fork"))
    monkeypatch.setattr("study.run.memory_probe.ProcessPoolExecutor", forking)
    measured = memory_probe.probe_peak(cells, "cpu")
    assert measured is not None and 10 < measured < 1e5
    monkeypatch.setattr(memory_probe, "_measure", die)
    assert memory_probe.probe_peak(cells, "cpu") == math.inf


def die(cells: Sequence[Cell], device: str) -> float:
    os._exit(9)


def test_memory_that_a_control_group_withholds_is_not_counted(tmp_path: Path):
    own, root = tmp_path / "own", tmp_path / "cgroup"
    job = root / "slurm" / "job_1"
    (job / "step_0").mkdir(parents=True)
    own.write_text("9:name=systemd:/\n0::/slurm/job_1/step_0\n")
    (job / "memory.max").write_text(f"{4 << 30}\n")
    (job / "memory.current").write_text(f"{3 << 30}\n")
    (job / "memory.stat").write_text(f"anon 7\ninactive_file {1 << 29}\n")
    (job / "step_0" / "memory.max").write_text("max\n")
    assert cgroup_headroom_mb(own, root) == 1024 + 512
    assert cgroup_headroom_mb(tmp_path / "absent", root) == math.inf
    old = root / "memory" / "box"
    old.mkdir(parents=True)
    own.write_text("4:memory:/box\n0::/\n")
    (old / "memory.limit_in_bytes").write_text(str(1 << 30))
    (old / "memory.usage_in_bytes").write_text(str(2 << 30))
    (old / "memory.stat").write_text("")
    assert cgroup_headroom_mb(own, root) == 0.0


def test_this_machine_is_measured():
    (cpu,) = devices()
    assert cpu.name == "cpu" and 0 < cpu.free_mb < 1e8
