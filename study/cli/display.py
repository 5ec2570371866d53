"""What the command line shows: tables, progress with rate and time left, and nothing that is not asked for."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from reports.words.numbers import are, count
from study.actions.screen import Screen
from study.run.listener import Listener
from study.store.time_left import Costs, Key, key_of, seconds_left

if TYPE_CHECKING:
    from study.spec.cell import Cell
    from study.spec.records import CellRecord

SILENT_S = 2.0  # what takes longer says what it is doing
LINE_S = 60.0  # in a log: a line per cell or per minute, whichever is rarer
LOADING = "reading what is done already"
PROBING = "comparing the arms on a probe data set and sizing lanes before the first cell"
CLOSING = "ending the study's record in MLflow and writing its table"
FRESH_S = 1.0  # for so long an estimate of the time left is shown before it is made anew


def make_console() -> Console:
    """Return a console that prints text as it is, and keeps lines whole where output is not a terminal."""
    # markup off: an error may say '[/tmp/x]', which is none
    console = Console(
        highlight=False,
        markup=False,
        emoji=False,
        force_jupyter=False,
        force_terminal=False if "ipykernel" in sys.modules else None,  # a notebook asks for colours and redraws nothing
    )
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


class _Notice:
    """Prints a line, unless it is called off within two seconds; then, as often, what has changed in it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._over = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def change(self, text: str) -> None:
        """Say from now on that something else is being done."""
        self._text = text

    def call_off(self) -> None:
        self._over.set()

    def _watch(self) -> None:
        printed = ""
        while not self._over.wait(SILENT_S):
            if self._text != printed:
                printed = self._text
                make_console().print(f"{printed} ...", soft_wrap=True)


class Terminal(Screen):
    """Shows what an action does as a person reads it: notices, progress, lines."""

    def __init__(self) -> None:
        self.console = make_console()

    @contextmanager
    def busy(self, text: str) -> Iterator[Callable[[str], None]]:
        """Say what is being done, should it take longer than two seconds; the value says more exactly what."""
        notice = _Notice(text)
        try:
            yield notice.change
        finally:
            notice.call_off()

    def progress(self) -> LiveProgress:
        """Return what follows a running study."""
        return LiveProgress(self.console)

    def say(self, text: str) -> None:
        """Print a line as it is."""
        self.console.print(text, markup=False, soft_wrap=True)


class LiveProgress(Listener):
    """Shows a running study: cells done, rate, time left, failures as they come.

    On a terminal a live bar; elsewhere (a log, CI) a line per cell or per minute, whichever is rarer.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._running: dict[str, tuple[Cell, float]] = {}  # with the time of its start
        self._to_run, self._ended, self._began = 0, 0, time.monotonic()
        self._costs = Costs()
        self._missing: Counter[Key] = Counter()  # empty in a search, which does not know yet what it will run
        self._lanes, self._estimate = 1, (float("-inf"), "")
        self._last_line = time.monotonic()

    def __enter__(self) -> LiveProgress:
        self._notice = _Notice(LOADING)
        self.bar.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._notice.call_off()
        self.bar.stop()

    def planned(self, done: int, missing: int) -> None:
        """Show how many cells are recorded already, and how many will be run."""
        self._to_run, self._ended, self._began = missing, 0, time.monotonic()
        self._notice.call_off()
        self._notice = _Notice(PROBING if missing else CLOSING)
        if done:
            self.console.print(f"{count(done, 'cell')} {are(done)} in the ledger already; {missing} to run.")
        self.task = self.bar.add_task("cells", total=missing, left="", visible=missing > 0)

    def costs(self, costs: Costs, missing: Sequence[Key], lanes: int) -> None:
        """Take what the time left is estimated from."""
        self._costs, self._missing, self._lanes = costs, Counter(missing), lanes

    def started(self, cell: Cell) -> None:
        """Show a cell in flight."""
        self._notice.call_off()
        self._running[cell.digest] = (cell, time.monotonic())
        self._refresh()

    def ended(self, cell: Cell, record: CellRecord) -> None:
        """Count a cell; print why if it failed."""
        self._running.pop(cell.digest, None)
        self._ended += 1
        key = key_of(cell)
        if self._missing[key] > 0:
            self._missing[key] -= 1
        self._costs.add_ended(key, record)
        if not record.ok:
            line = Text.assemble((str(record.status), "red"), f" {cell.label}: {record.reason}")
            self.console.print(line, soft_wrap=True)
        if self._ended == self._to_run:
            self._notice = _Notice(CLOSING)
        self.bar.advance(self.task)
        self._refresh()
        now = time.monotonic()
        if not self.console.is_terminal and (now - self._last_line >= LINE_S or self._ended == self._to_run):
            self._last_line = now
            self.console.print(f"{self._ended}/{self._to_run} cells, {self._left()}")

    def message(self, text: str) -> None:
        """Print a line about the progress of a search."""
        self.console.print(text, soft_wrap=True)

    def stopping(self) -> None:
        """Print that cells in flight are being finished."""
        self.console.print(f"stopping after the {count(len(self._running), 'cell')} in flight; once more to stop now")

    def _refresh(self) -> None:
        names = Counter(cell.arm.name for cell, _ in self._running.values())
        outdated = time.monotonic() - self._estimate[0] > FRESH_S or self._ended >= self._to_run
        if self.console.is_terminal and outdated:
            self._estimate = (time.monotonic(), self._left())
        self.bar.update(self.task, description=", ".join(names) or "cells", left=self._estimate[1])

    def _left(self) -> str:
        spent = time.monotonic() - self._began
        if self._ended >= self._to_run:
            return f"took {duration(spent)}"
        now = time.monotonic()
        running = [(key_of(cell), now - since) for cell, since in self._running.values()]
        seconds = seconds_left(self._missing, self._costs, self._lanes, running)
        if not self._missing:  # a search
            seconds = (self._to_run - self._ended) * spent / self._ended if self._ended else None
        if seconds is None:
            return "measuring"
        left = f"{duration(seconds)} left"
        return f"{3600 * self._ended / spent:.0f} cells/h, {left}" if self._ended else left
