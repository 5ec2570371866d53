"""What an action shows while it goes on: a terminal, or nobody."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # a report is written without what trains
    from study.run.engine import Listener
    from study.spec.cell import Cell
    from study.spec.records import CellRecord
    from study.store.time_left import Costs, Key


class Screen(Protocol):
    """Shows what an action does."""

    def busy(self, text: str) -> AbstractContextManager[Callable[[str], None]]:
        """Return a context in which ``text`` is being done; its value takes a text that says more exactly what."""

    def progress(self) -> AbstractContextManager[Listener]:
        """Return a context whose value follows a running study."""

    def say(self, text: str) -> None:
        """Show one line."""


class _Nobody:
    """Follows a running study without a sound."""

    def planned(self, done: int, missing: int) -> None: ...
    def costs(self, costs: Costs, missing: Sequence[Key], lanes: int) -> None: ...
    def started(self, cell: Cell) -> None: ...
    def ended(self, cell: Cell, record: CellRecord) -> None: ...
    def message(self, text: str) -> None: ...
    def stopping(self) -> None: ...


class Silent:
    """Shows nothing."""

    def busy(self, text: str) -> AbstractContextManager[Callable[[str], None]]:
        """Return a context that shows nothing."""
        return nullcontext(lambda text: None)

    def progress(self) -> AbstractContextManager[Listener]:
        """Return a context whose value shows nothing."""
        return nullcontext(_Nobody())

    def say(self, text: str) -> None:
        """Show nothing."""
