"""Runs a program of the user's in a process group of its own, with its output in a file, and ends it with us."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
import uuid
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from components.learning import ProgramError
from components.scorer.own.watch import GpuPeak, Output

POLL_S = 0.05  # an exception, such as a time limit's, reaches this thread between two looks
UNSTARTED = (125, 126, 127)  # codes of a runtime that could not start a program in its image
GRACE_S = 5.0  # from SIGTERM to SIGKILL
TAIL_LINES, TAIL = 8, 400  # last lines of the output, and last letters of them, in the reason of a failure
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")  # colours, moves of the cursor
MARK = "KNOCKOUT_PROGRAM"  # variable that every process of a program inherits, daemons too
ROUNDS = 10
OUT_OF_MEMORY = ("out of memory", "MemoryError", "std::bad_alloc", "Cannot allocate memory")
# ends with the thread that started it, as Linux offers to a process before it becomes the program
GUARD = """
import os, sys
try:
    import ctypes
    ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
except Exception:
    pass
try:
    os.execvp(sys.argv[1], sys.argv[1:])
except OSError as error:
    sys.stderr.write(f"{sys.argv[1]}: {error.strerror}\\n")
    sys.exit(127)
"""


@dataclass(frozen=True)
class Place:
    """Where and how programs run."""

    folder: Path  # working folder
    env: str = ""  # folder (venv, conda prefix) or name of a conda environment; empty: this process's own
    container: str = ""  # image in which they run; empty: none
    runtime: str = "docker"  # what runs images: docker, podman, apptainer or singularity
    # torch device and CPU threads that they may use
    device: str = "cpu"
    threads: int = 1

    @property
    def is_prefix(self) -> bool:
        """Whether the environment is a folder."""
        return bool(self.env) and (self.folder / self.env).is_dir()

    def words(self, command: Sequence[str], shared: Path) -> list[str]:
        """Return the command as it is started; a container sees its folder and ``shared``, and no network."""
        if self.container:
            return [*self._container(shared), *command]
        if self.env and not self.is_prefix:
            return ["conda", "run", "--no-capture-output", "-n", self.env, *command]
        return list(command)

    def environment(self) -> dict[str, str]:
        """Return the environment variables: of this process, with the lane's device and threads."""
        variables = dict(os.environ)
        variables["CUDA_VISIBLE_DEVICES"] = self._gpu
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            variables[name] = str(self.threads)
        if self.is_prefix:
            prefix = str((self.folder / self.env).resolve())
            variables["PATH"] = os.pathsep.join([f"{prefix}/bin", variables.get("PATH", "")])
            variables["VIRTUAL_ENV"] = variables["CONDA_PREFIX"] = prefix
            for name in ("PYTHONPATH", "PYTHONHOME"):
                variables.pop(name, None)
        return variables

    @property
    def _gpu(self) -> str:
        """Return the device as the driver counts it, where this process sees some devices alone; empty for a CPU."""
        if not self.device.startswith("cuda"):
            return ""
        index, visible = int(self.device.partition(":")[2] or 0), os.environ.get("CUDA_VISIBLE_DEVICES", "")
        devices = [device.strip() for device in visible.split(",") if device.strip()]
        return devices[index] if index < len(devices) else str(index)

    def _container(self, shared: Path) -> list[str]:
        folders = [str(self.folder), str(shared)]
        if self.runtime in ("apptainer", "singularity"):
            binds = [word for folder in folders for word in ("--bind", f"{folder}:{folder}")]
            gpu = ["--nv"] if self.device.startswith("cuda") else []
            return [self.runtime, "exec", *gpu, *binds, "--pwd", str(self.folder), self.container]
        mounts = [word for folder in folders for word in ("-v", f"{folder}:{folder}")]
        gpu = ["--gpus", f"device={self._gpu}"] if self._gpu else []
        start = [self.runtime, "run", "--rm", "--init", "--network", "none", "--cpus", str(self.threads)]
        return [*start, "--user", f"{os.getuid()}:{os.getgid()}", *gpu, *mounts, "-w", str(self.folder), self.container]


def run_program(command: Sequence[str], place: Place, shared: Path, output: Path) -> float:
    """Run a program to its end and return the peak memory of its processes in MB (2^20 bytes).

    On a GPU that is the device's memory, NaN where it is unknown, see :class:`GpuPeak`.

    Parameters
    ----------
    command
        Program and arguments; no shell reads them.
    place
        Where it runs.
    shared
        Folder with the files that it reads and writes.
    output
        File that keeps the command and what it prints: the first and the last 4 MB.

    Raises
    ------
    MemoryError
        If it was killed as the kernel does when memory runs out, or says that memory ran out.
    ProgramError
        If it cannot be started or ends with another code than 0.
    """
    words, mark = place.words(command, shared), uuid.uuid4().hex
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("wb") as log:
        log.write(f"$ cd {shlex.quote(str(place.folder))}\n$ {shlex.join(words)}\n".encode())
        process = subprocess.Popen(
            [sys.executable, "-S", "-c", GUARD, *words],
            cwd=place.folder,
            env=place.environment() | {MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert process.stdout is not None
        gpu = GpuPeak() if place.device.startswith("cuda") else None
        with process.stdout as pipe:
            printed = Output(pipe, log)
            printed.start()
            try:
                code, peak = _wait(process, gpu, mark)
            except BaseException:
                _end(process, mark)
                raise
            finally:
                _kill_left(process, mark)
                printed.close(GRACE_S)
    unstarted = bool(place.container) and code in UNSTARTED
    _refuse_failed(code, f"{place.runtime} {place.container}" if unstarted else command[0], output)
    return gpu.mb if gpu else peak


def _wait(process: subprocess.Popen[bytes], gpu: GpuPeak | None, mark: str) -> tuple[int, float]:
    """Wait for a process; return its exit code and the peak memory of it and of what it waited for.

    Its memory on GPUs, if asked for, is sampled meanwhile.
    """
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
            return process.returncode, usage.ru_maxrss * unit / 2**20
        if gpu:
            gpu.sample(lambda: {child.pid for child in _started(mark)})
        time.sleep(POLL_S)


def _end(process: subprocess.Popen[bytes], mark: str) -> None:
    """Ask a program to end, with all that it has started, and wait for it; what does not end is to be killed."""
    started = _started(mark)  # in groups and sessions of their own, too
    _signal(process, signal.SIGTERM)
    for child in started:
        with suppress(psutil.Error):
            child.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_S)


def _kill_left(process: subprocess.Popen[bytes], mark: str) -> None:
    """Kill what a program has left behind: in its process group, and where it started a session of its own."""
    _signal(process, signal.SIGKILL)
    for _ in range(ROUNDS):  # one that is found may have started another
        started = _started(mark)
        if not started:
            break
        for child in started:
            with suppress(psutil.Error):
                child.kill()
        psutil.wait_procs(started, GRACE_S)
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_S)


def _signal(process: subprocess.Popen[bytes], sign: signal.Signals) -> None:
    """Send a signal to a program's process group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, sign)


def _started(mark: str) -> list[psutil.Process]:
    """Return the live processes that have a program's mark in their environment, whoever is their parent now."""
    started = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                started.append(process)
    return started


def _refuse_failed(code: int, what: str, output: Path) -> None:
    if code == 0:
        return
    with output.open(encoding="utf-8", errors="replace") as log:
        lines = deque((line.strip() for line in log if line.strip() and not line.startswith("$ ")), TAIL_LINES)
    text = CONTROL.sub("", " | ".join(lines))
    ended = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
    reason = f"{what} {ended}; its last lines: {text[-TAIL:] or '(none)'}"
    if code in (-signal.SIGKILL, 128 + signal.SIGKILL) or any(words in text for words in OUT_OF_MEMORY):
        raise MemoryError(reason)
    raise ProgramError(reason)
