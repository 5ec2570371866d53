"""A study whose cells take a tenth of a second, the command line run in this process, and levels that misbehave."""

from __future__ import annotations

import fcntl
import functools
import multiprocessing
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # networks this small only wait for a second thread: 7 times the CPU time
os.environ.pop("MLFLOW_TRACKING_URI", None)  # a store of the user who runs the tests

# HYPOTHESIS_PROFILE=ci tries five times as many examples
settings.register_profile("fast", max_examples=20, deadline=None, derandomize=True, print_blob=False)
settings.register_profile("ci", settings.get_profile("fast"), max_examples=100)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

TINY: dict[str, Any] = {
    "name": "tiny",
    "datasets": [{"simulate": {"genes": 64, "tfs": 8, "cells": 40}, "seed": 1, "name": "net"}],
    "preset": "knockout-small",
    "reference": {
        "gnn": {"gat": {"widths": [8, 4], "heads": 2}},
        "pair_encoder": {"transformer": {"dim": 16, "layers": 1, "heads": 2}},
        "fusion": {"multiscale": {"width": 16}},
    },
    "design": {"kind": "one_factor_at_a_time", "factors": {"gnn": ["none"]}},
    "controls": ["degree"],
    "repeats": 2,
    "training": {"epochs": 2, "graph_epochs": 1},
    "lanes": "cpu:2",
}

# rules of this plug-in let the probe (60 genes) pass and act on the study's data; its contrasts act always
LEVELS = '''
import os, signal, time
import numpy as np
import torch
from components.contrast import Contrast
from components.core.registry import register
from components.negatives import NegativeSampler
from components.scorer import Degree, Rule
from components.core.settings import setting

class Acting(Degree):
    def score(self, pairs):
        if self.split.n_genes != 60:
            self.act()
        return super().score(pairs)

@register("scorer", "boom")
class Boom(Acting):
    """Raises."""
    def act(self):
        raise ValueError("boom went off [/at all]")

@register("scorer", "suicide")
class Suicide(Acting):
    """Kills its worker, as the kernel does when memory runs out."""
    def act(self):
        os.kill(os.getpid(), signal.SIGKILL)

@register("scorer", "slow")
class Slow(Acting):
    """Takes half a second for either part of the exam."""
    def act(self):
        time.sleep(0.5)

@register("scorer", "quitter")
class Quitter(Acting):
    """Calls sys.exit."""
    def act(self):
        raise SystemExit(0)

@register("scorer", "interrupter")
class Interrupter(Acting):
    """Raises what Ctrl-C raises."""
    def act(self):
        raise KeyboardInterrupt

@register("scorer", "endless")
class Endless(Acting):
    """Never ends, and heeds no ordinary exception."""
    def act(self):
        while True:
            try:
                time.sleep(0.05)
            except Exception:
                pass

@register("scorer", "cheat")
class Cheat(Acting):
    """Reads the answers of the test."""
    def act(self):
        self.split.test_labels

@register("negatives", "peeking")
class Peeking(NegativeSampler):
    """Draws pairs that are no training pairs: held-out ones, and their answers with them."""
    def draw(self, rng):
        n = self.split.n_genes
        taken = np.zeros((n, n), dtype=bool)
        for part in (self.split.train, self.split.pool):
            taken[tuple(part.T)] = True
        return np.argwhere(~taken)[: len(self.split.train)]

@register("negatives", "peeking_late")
class PeekingLate(Peeking):
    """Draws training pairs at first."""
    def draw(self, rng):
        self.drawn = getattr(self, "drawn", 0) + 1
        return super().draw(rng) if self.drawn > 1 else self.split.pool[: len(self.split.train)]

@register("negatives", "lopsided")
class Lopsided(NegativeSampler):
    """Draws no pairs of genes."""
    def draw(self, rng):
        return self.split.pool[:, 0]

@register("scorer", "hungry")
class Hungry(Acting):
    """Runs out of memory."""
    def act(self):
        raise MemoryError

@register("scorer", "blank")
class Blank(Rule):
    """Scores everything NaN."""
    def score(self, pairs):
        return np.full(len(pairs), np.nan)

@register("contrast", "nan")
class NaNLoss(Contrast):
    """Makes the loss NaN."""
    def forward(self, z, labels):
        return z.sum() * float("nan")

@register("contrast", "silent")
class Silent(Contrast):
    """Declares a strength and ignores it."""
    class Settings(Contrast.Settings):
        """A setting that nothing reads."""
        strength: float = setting(1.0, "ignored")
    def forward(self, z, labels):
        return 0.1 * z.square().mean()
'''


@dataclass(frozen=True)
class Finished:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str


DRAWN = ("test_plots.py", "test_embedding_plot.py", "test_learning_curves.py", "test_page_browser.py")


@pytest.fixture
def drawn() -> None:
    """Ask for figures that are drawn; see :func:`undrawn`."""


@pytest.fixture(autouse=True)
def undrawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the drawing of figures out of reports, which takes most of their time, in tests that check none."""
    path = request.node.path
    if "reports.build" not in sys.modules and "knockout" not in request.fixturenames and path.parent.name != "reports":
        return  # tests without a report need not wait for matplotlib
    if path.name not in DRAWN and "drawn" not in request.fixturenames:
        draw_nothing(monkeypatch)


def draw_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reports.figures.canvas.svg", lambda figure: "<svg></svg>")
    monkeypatch.setattr("reports.figures.cells.embedding.flat", lambda vectors: vectors[:, :2])


@pytest.fixture
def study_file(tmp_path: Path) -> Callable[..., Path]:
    """Write the tiny study with some keys replaced."""

    def write(**changes: Any) -> Path:
        path = tmp_path / "tiny.yaml"
        path.write_text(yaml.safe_dump({**TINY, **changes}, sort_keys=False))
        return path

    return write


@pytest.fixture
def knockout(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Finished]:
    """Run the command line as its entry point does, in this process."""

    def call(*arguments: object) -> Finished:
        from study.cli.main import main

        monkeypatch.setattr(sys, "argv", ["knockout", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return Finished(int(ended.value.code or 0), *capsys.readouterr())

    return call


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fork workers instead of starting them afresh, which takes as long as importing torch."""
    fork_workers(monkeypatch)


@pytest.fixture
def fork_from_now_on(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what makes workers fork from when it is called."""
    return functools.partial(fork_workers, monkeypatch)


def fork_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from joblib.externals.loky import ProcessPoolExecutor

    from study.run import workers
    from study.spec import machine as lanes

    # a forked process hangs in OpenMP's second thread, which was not forked along: one thread everywhere
    torch.set_num_threads(1)
    monkeypatch.setattr(lanes, "cores", lambda: 1)
    forking = functools.partial(ProcessPoolExecutor, context=multiprocessing.get_context("fork"))
    monkeypatch.setattr(workers, "ProcessPoolExecutor", forking)


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Make a folder once for all workers of pytest-xdist, which share a parent of their temporary folders."""
    root = factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else factory.getbasetemp()
    folder = root / name
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            (folder / "made").touch()
    return folder


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated sqlite store without a run; making one takes longer than a study."""

    def make(folder: Path) -> None:
        from study.spec.folder import OutFolder
        from study.store.tracking.experiment import MlflowStore
        from study.store.tracking.store_file import default_uri

        client = MlflowStore(default_uri(folder), "nobody", OutFolder(folder)).client
        assert not client.search_experiments(filter_string="name = 'tiny'")

    return once(tmp_path_factory, "store", make) / "mlflow.db"


@pytest.fixture
def out(tmp_path: Path, empty_store: Path) -> Path:
    """An output folder that holds nothing but a migrated MLflow store."""
    (tmp_path / "out").mkdir()
    shutil.copy(empty_store, tmp_path / "out" / "mlflow.db")
    return tmp_path / "out"


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """The output folder of the tiny study, complete. Read it; copy it before changing it."""

    return once(tmp_path_factory, "finished", lambda folder: run_here(folder, TINY, empty_store)) / "out"


# a search, and a tuned ablation, over two data sets; cells of an epoch
TWO = {**TINY, "datasets": [*TINY["datasets"], {**TINY["datasets"][0], "seed": 2, "name": "web"}], "repeats": 1}
TWO |= {"training": {"epochs": 1, "graph_epochs": 1}}
VARY = {"gnn": ["gcn", "none"], "optimizer": [{"adam": {"learning_rate": [1e-4, 1e-2]}}]}
HELD = ["gnn.widths", "pair_encoder", "fusion", "negatives", "gnn.dropout", "gnn.hide_batch", "gnn.heads"]
SEARCHING = {k: v for k, v in TWO.items() if k != "design"} | {"search": {"trials": 2, "vary": VARY, "confirm": 1}}
TUNING = TWO | {"design": {"factors": {"gnn": ["none"]}, "tune": {"trials": 2, "repeats": 1, "fixed": HELD}}}


@pytest.fixture(autouse=True)
def fresh_artifact_folders() -> Iterator[None]:
    """MLflow remembers in a process where a run's artifacts lie, and copies of a folder have the same runs."""
    yield
    if (utils := sys.modules.get("mlflow.tracking._tracking_service.utils")) is not None:
        utils._artifact_repos_cache.clear()


@pytest.fixture(scope="session")
def finished_search(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """The output folder of a search that is over and not confirmed. Read it; copy it before changing it."""
    return once(tmp_path_factory, "searched", lambda folder: run_here(folder, SEARCHING, empty_store)) / "out"


@pytest.fixture(scope="session")
def finished_tuning(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """The output folder of a tuned ablation, complete. Read it; copy it before changing it."""
    return once(tmp_path_factory, "tuned", lambda folder: run_here(folder, TUNING, empty_store)) / "out"


def run_here(folder: Path, content: dict[str, Any], empty_store: Path) -> None:
    """Write a study file into a folder and run it to its end, into the folder ``out`` beside it."""
    from study.cli import studies as commands

    (folder / "tiny.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    (folder / "out").mkdir()
    shutil.copy(empty_store, folder / "out" / "mlflow.db")
    with pytest.MonkeyPatch.context() as monkeypatch:
        fork_workers(monkeypatch)
        draw_nothing(monkeypatch)
        source = commands.Source(str(folder / "tiny.yaml"))
        assert commands.run(source, folder / "out", command="knockout run tiny.yaml --out out") == 0


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install levels that misbehave, through the entry point that plug-ins use; gone after the test."""
    from components.core import registry
    from study.spec import code

    folder = tmp_path / "plugin"
    info = folder / "knockout_misbehaving-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "knockout_misbehaving.py").write_text(LEVELS)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: knockout-misbehaving\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[knockout.levels]\nmisbehaving = knockout_misbehaving\n")
    for name in registry.FACTORS:
        registry.levels(name)
    before = {name: dict(levels) for name, levels in registry._LEVELS.items()}
    monkeypatch.syspath_prepend(str(folder))
    registry.load_installed.cache_clear()
    yield folder
    for name, levels in before.items():
        registry._LEVELS[name].clear()
        registry._LEVELS[name].update(levels)
    sys.modules.pop("knockout_misbehaving", None)
    registry.load_installed.cache_clear()
    code.clear_cache()
