"""What the command line shows: tables, progress with rate and time left, and nothing that is not asked for."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:  # a table is shown without waiting for torch
    from study.cells import Cell, Result

__all__ = ["LiveProgress", "duration", "make_console", "show_table"]


def make_console(*, stderr: bool = False) -> Console:
    """Return a console that prints text as it is, and keeps lines whole where output is not a terminal."""
    # markup off: an error may say '[/tmp/x]', which is none
    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = 160
    return console


def show_table(console: Console, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table."""
    console.print(title, style="bold", soft_wrap=True)  # a table would fold its title to its own width
    table = Table(header_style="", show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(str(value) for value in row))
    console.print(table)
    console.print()


def duration(seconds: float) -> str:
    """Write seconds as a person would: '45 s', '12 min', '3 h 20 min'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


class LiveProgress:
    """Shows a running study: cells done, rate, time left, failures as they come.

    On a terminal a live bar; elsewhere (a log, CI) one line per tenth of the way.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self.flying: dict[str, str] = {}
        self.missing, self.ended_count, self.began = 0, 0, time.monotonic()

    def __enter__(self) -> LiveProgress:
        self.progress.start()
        return self

    def __exit__(self, *args: object) -> None:
        self.progress.stop()

    def planned(self, done: int, missing: int) -> None:
        """Say what is recorded already, and what will be run."""
        self.missing, self.began = missing, time.monotonic()
        if done:
            self.console.print(f"{done} cells are in the ledger already; {missing} to run.")
        self.task = self.progress.add_task("cells", total=missing, left="", visible=missing > 0)

    def started(self, cell: Cell) -> None:
        """Show a cell in flight."""
        self.flying[cell.digest] = cell.label
        self._refresh()

    def ended(self, cell: Cell, result: Result) -> None:
        """Count a cell; say why if it failed."""
        self.flying.pop(cell.digest, None)
        self.ended_count += 1
        if result.status != "ok":
            said = Text.assemble((result.status, "red"), f" {cell.label}: {result.reason}")
            self.console.print(said, soft_wrap=True)
        self.progress.advance(self.task)
        self._refresh()
        step = max(1, self.missing // 10)
        if not self.console.is_terminal and (self.ended_count % step == 0 or self.ended_count == self.missing):
            self.console.print(f"{self.ended_count}/{self.missing} cells, {self._left()}")

    def stopping(self) -> None:
        """Say that cells in flight are being finished."""
        self.console.print(f"stopping after the {len(self.flying)} cells in flight; once more to stop now")

    def _refresh(self) -> None:
        names = Counter(label.split(" / ")[0] for label in self.flying.values())
        self.progress.update(self.task, description=", ".join(names) or "cells", left=self._left())

    def _left(self) -> str:
        spent = time.monotonic() - self.began
        if not self.ended_count:
            return "measuring"
        rate = self.ended_count / spent
        left = (self.missing - self.ended_count) / rate
        return f"{3600 * rate:.0f} cells/h, {duration(left)} left" if left else f"took {duration(spent)}"


def counts(results: Mapping[str, Result]) -> str:
    """Write how cells ended: '40 ok, 2 diverged'."""
    found = Counter(result.status for result in results.values())
    return ", ".join(f"{n} {status}" for status, n in found.most_common()) or "none"
