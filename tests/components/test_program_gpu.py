"""A program on a GPU lane: which device it sees, and its memory as the driver reports it (a stand-in for NVML)."""

import math
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from components.scorer.own import watch
from components.scorer.own.program import Place, run_program

ENDS = "import os, sys, time; open('pid', 'w').write(str(os.getpid())); time.sleep(1)"


class Nvml:
    """Two devices; the program's process uses 3 MB, then 5 MB, of the second; another process uses more."""

    NVMLError = RuntimeError

    def __init__(self, folder: Path, used: list[int | None]) -> None:
        self.folder, self.used = folder, used

    def nvmlInit(self) -> None: ...  # noqa: N802

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[SimpleNamespace]:  # noqa: N802
        other = SimpleNamespace(pid=psutil.Process().pid, usedGpuMemory=100 << 20)
        pid = self.folder / "pid"
        if handle == 0 or not pid.exists() or not pid.read_text():
            return [other]
        used = self.used.pop(0) if len(self.used) > 1 else self.used[0]
        return [other, SimpleNamespace(pid=int(pid.read_text()), usedGpuMemory=used)]


def run(folder: Path, device: str) -> float:
    return run_program([sys.executable, "-c", ENDS], Place(folder, device=device), folder, folder / "log")


@pytest.mark.parametrize(
    "used, mb", [([3 << 20, 5 << 20, 1 << 20], 5.0), ([None], math.nan)], ids=["known", "not told"]
)
def test_the_peak_of_its_processes_is_sampled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, used: list[int | None], mb: float
):
    monkeypatch.setitem(sys.modules, "pynvml", Nvml(tmp_path, used))
    monkeypatch.setattr(watch, "EVERY_S", 0.05)
    assert run(tmp_path, "cuda:0") == pytest.approx(mb, nan_ok=True)


@pytest.mark.slow
def test_without_nvml_it_is_unknown_and_not_that_of_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert math.isnan(run(tmp_path, "cuda:0"))
    assert run(tmp_path, "cpu") > 1.0


@pytest.mark.parametrize(
    "visible, device, seen",
    [
        ("", "cuda:1", "1"),
        ("", "cuda", "0"),
        ("3,5", "cuda:1", "5"),
        ("GPU-8f,GPU-9a", "cuda:0", "GPU-8f"),
        ("3", "cpu", ""),
    ],
)
def test_it_sees_the_device_of_its_lane_alone(
    monkeypatch: pytest.MonkeyPatch, visible: str, device: str, seen: str, tmp_path: Path
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert Place(tmp_path, device=device).environment()["CUDA_VISIBLE_DEVICES"] == seen
