"""Runs what is measured one by one, and prints one table at the end."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    what: str
    measured: str
    target: str = ""
    met: bool | None = None


LINES: list[Line] = []


@pytest.fixture
def tell() -> Callable[..., None]:
    """Add a line to the table that is printed at the end: what, measured, target, met."""
    return lambda *line, **more: LINES.append(Line(*line, **more))


@pytest.fixture
def once(benchmark: Any) -> Callable[[Callable[[], Any]], Any]:
    """Run something once under pytest-benchmark: what it times itself, variant beside variant, is a ratio."""
    return lambda function: benchmark.pedantic(function, rounds=1, iterations=1)


@pytest.fixture(autouse=True, scope="session")
def _as_installed() -> Iterator[None]:
    """Compute on one thread; let child processes start from compiled files, as installed programs do."""
    import torch

    before = os.environ.copy()
    torch.set_num_threads(1)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(prefix="knockout-pyc-", ignore_cleanup_errors=True) as compiled:
        os.environ["PYTHONPYCACHEPREFIX"] = compiled
        yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Train a cell of mDC, STRING, TFs+500 with the parts of the model timed, once for all who ask about it."""
    from cases import train_one_cell

    return train_one_cell(tmp_path_factory.mktemp("cell"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table."""
    if not LINES:
        return
    lines = [Line("what", "measured", "target"), *LINES]
    rows = [replace(line, target=line.target + {False: "  MISSED"}.get(line.met, "")) for line in lines]  # type: ignore[arg-type]
    first, second = (max(len(getattr(line, name)) for line in rows) for name in ("what", "measured"))
    terminalreporter.write_line("")
    for line in rows:
        terminalreporter.write_line(f"{line.what:<{first}}  {line.measured:>{second}}  {line.target}".rstrip())
    terminalreporter.write_line(
        "\nShares, cells/h and the gain by sharing are of CPU seconds, all else is by the clock: for a quiet machine.\n"
        f"{os.cpu_count()} CPU cores, one thread per model. Load at the end: {os.getloadavg()[0]:.1f}."
    )
