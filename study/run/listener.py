"""What a running study tells of itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a terminal is ready before what trains is loaded
    from study.spec.cell import Cell
    from study.spec.records import CellRecord
    from study.store.time_left import Costs, Key


class Listener:
    """Follows a running study without a sound; what shows it overrides this."""

    def planned(self, done: int, missing: int) -> None:
        """Called before the first cell, with the number of recorded cells and of those that will be run."""

    def costs(self, costs: Costs, missing: Sequence[Key], lanes: int) -> None:
        """Called with what finished cells took, and with the key of each cell that is missing."""

    def started(self, cell: Cell) -> None:
        """Called when a cell was sent to a worker."""

    def ended(self, cell: Cell, record: CellRecord) -> None:
        """Called when a cell has ended."""

    def message(self, text: str) -> None:
        """Called with a line for the user: a trial that ended, a store that does not answer."""

    def stopping(self) -> None:
        """Called when the user asked to stop after the cells in flight."""
