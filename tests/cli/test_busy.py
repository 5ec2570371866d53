"""Every step that may take more than two seconds is printed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest

from components.core.errors import KnockoutError
from study.actions.preview import READING
from study.actions.report import WRITING
from study.cli import display
from study.cli.display import CLOSING, LOADING, LiveProgress, Terminal, make_console
from study.cli.stored.experiments import FETCHING


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Print every notice at once, without its delay."""

    class Notice:
        def __init__(self, text: str) -> None:
            make_console().print(f"{text} ...", soft_wrap=True)

        def change(self, text: str) -> None:
            """Print nothing more."""

        def call_off(self) -> None:
            """Nothing to call off."""

    monkeypatch.setattr(display, "_Notice", Notice)


@pytest.mark.parametrize(
    ("command", "slow", "notice"),
    [
        ("report {study}", "study.actions.report.analyse", WRITING),
        ("report {search}", "study.actions.report.build_search", WRITING),
        pytest.param("run {file} --out {study}", "study.actions.report.write", WRITING, marks=pytest.mark.slow),
        ("confirm {search_file} --out {search}", "study.search.confirm.open_search", READING),
        ("demo --out {new}", "study.cli.studies.make_plan", READING),
        ("compare {study} {other} --out {new}", "study.cli.stored.experiments.tidy", LOADING),
        (
            "report --mlflow sqlite:///{study}/mlflow.db --experiment tiny",
            "study.cli.stored.experiments.fetch_search",
            FETCHING,
        ),
        ("track {study}", "study.cli.stored.experiments.Tracker.begin", FETCHING),
        ("track {search}", "study.cli.stored.experiments.Tracker.close", "sending cells to MLflow"),
        ("status {study}", "study.cli.stored.status.ProgressReader.read", LOADING),
        ("data check {new}", "components.data.readers.read", "reading the data sets"),
    ],
)
def test_a_command_prints_a_step_before_it_begins(
    knockout: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    at_once: None,
    finished: Path,
    finished_search: Path,
    tmp_path: Path,
    command: str,
    slow: str,
    notice: str,
):
    def reach(*arguments: object, **more: object) -> None:
        raise KnockoutError("reached")

    monkeypatch.setattr(slow, reach)
    study = Path(shutil.copytree(finished, tmp_path / "study"))
    folders = {"study": study, "search": finished_search, "other": finished, "new": tmp_path / "new"}
    files = {"file": finished.parent / "tiny.yaml", "search_file": finished_search.parent / "tiny.yaml"}
    completed = knockout(*command.format(**folders, **files).split())
    assert completed.err == "error: reached\n"
    assert completed.out.splitlines()[-1] == f"{notice} ..."


def test_the_end_of_a_run_prints_its_steps_after_the_last_cell(
    knockout: Callable[..., Any], at_once: None, capsys: pytest.CaptureFixture[str]
):
    with LiveProgress(make_console()) as progress:
        progress.planned(2, 0)
    assert CLOSING in capsys.readouterr().out


def test_what_is_quick_prints_nothing(monkeypatch: pytest.MonkeyPatch):
    printed: SimpleQueue[str] = SimpleQueue()
    console = SimpleNamespace(print=lambda text, **_: printed.put(text))
    monkeypatch.setattr(display, "make_console", lambda: console)
    monkeypatch.setattr(display, "SILENT_S", 60.0)
    with Terminal().busy("quick"):
        pass
    monkeypatch.setattr(display, "SILENT_S", 0.001)
    with Terminal().busy("slow"):
        assert printed.get(timeout=60) == "slow ...", "what was quick has printed nothing before it"
