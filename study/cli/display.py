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

from study.plan.time_left import Ended, Key, costs_of, key_of, seconds_left

if TYPE_CHECKING:  # a table is shown without waiting for torch
    from study.train.cell import Cell, Result

__all__ = ["LiveProgress", "counts", "duration", "make_console", "make_table", "show_table"]

FRESH_S = 1.0  # for so long an estimate of the time left is shown before it is made anew


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
    console.print(make_table(columns, rows))
    console.print()


def make_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Return a table as all of them look."""
    table = Table(header_style="", show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(str(value) for value in row))
    return table


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
        self.flying: dict[str, tuple[Cell, float]] = {}  # with the time of its start
        self.missing, self.ended_count, self.began = 0, 0, time.monotonic()
        self.finished: list[tuple[str, str, float]] = []
        self.todo: Counter[Key] = Counter()  # empty in a search, which has yet to say what it will run
        self.lanes, self.estimate = 1, (float("-inf"), "")

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

    def costs(self, finished: Sequence[tuple[str, str, float]], missing: Sequence[Key], lanes: int) -> None:
        """Hear what the time left is estimated from: see :func:`study.plan.time_left.seconds_left`."""
        self.finished, self.todo, self.lanes = list(finished), Counter(missing), lanes

    def started(self, cell: Cell) -> None:
        """Show a cell in flight."""
        self.flying[cell.digest] = (cell, time.monotonic())
        self._refresh()

    def ended(self, cell: Cell, result: Result) -> None:
        """Count a cell; say why if it failed."""
        self.flying.pop(cell.digest, None)
        self.ended_count += 1
        key = key_of(cell)
        if self.todo[key] > 0:
            self.todo[key] -= 1
        self.finished += costs_of({cell.digest: key}, {cell.digest: result})
        if result.status != "ok":
            said = Text.assemble((result.status, "red"), f" {cell.label}: {result.reason}")
            self.console.print(said, soft_wrap=True)
        self.progress.advance(self.task)
        self._refresh()
        step = max(1, self.missing // 10)
        if not self.console.is_terminal and (self.ended_count % step == 0 or self.ended_count == self.missing):
            self.console.print(f"{self.ended_count}/{self.missing} cells, {self._left()}")

    def said(self, text: str) -> None:
        """Print a line about the way of a search."""
        self.console.print(text, soft_wrap=True)

    def stopping(self) -> None:
        """Say that cells in flight are being finished."""
        self.console.print(f"stopping after the {len(self.flying)} cells in flight; once more to stop now")

    def _refresh(self) -> None:
        names = Counter(cell.arm.name for cell, _ in self.flying.values())
        stale = time.monotonic() - self.estimate[0] > FRESH_S or self.ended_count >= self.missing
        if self.console.is_terminal and stale:
            self.estimate = (time.monotonic(), self._left())
        self.progress.update(self.task, description=", ".join(names) or "cells", left=self.estimate[1])

    def _left(self) -> str:
        spent = time.monotonic() - self.began
        if self.ended_count >= self.missing:
            return f"took {duration(spent)}"
        seconds = self._seconds_left(spent)
        if seconds is None:
            return "measuring"
        left = f"{duration(seconds)} left"
        return f"{3600 * self.ended_count / spent:.0f} cells/h, {left}" if self.ended_count else left

    def _seconds_left(self, spent: float) -> float | None:
        if not self.todo:
            return (self.missing - self.ended_count) * spent / self.ended_count if self.ended_count else None
        now = time.monotonic()
        running = [(*key_of(cell), now - since) for cell, since in self.flying.values()]
        return seconds_left(list(self.todo.elements()), self.finished, self.lanes, running)


def counts(results: Mapping[str, Ended]) -> str:
    """Write how cells ended: '40 ok, 2 diverged'."""
    found = Counter(result.status for result in results.values())
    return ", ".join(f"{n} {status}" for status, n in found.most_common()) or "none"
