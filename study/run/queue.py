"""The order in which a grid's cells are run: as planned, but for arms that would wait for each other."""

from __future__ import annotations

from collections.abc import Sequence

from study.spec.cell import Cell
from study.train.stages.shared import stage_group


class Queue:
    """Gives cells one by one, in order; one whose graph stage is being trained lets others go first.

    Arms that share a pre-trained graph stage stand side by side in a plan. Started together, all but one would wait.
    """

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._waiting = list(cells)
        self._groups: dict[str, str] = {}  # by arm
        self._busy: set[str] = set()  # stages that are being trained
        self._trained: set[str] = set()

    def take(self) -> Cell | None:
        """Return the next cell, None when all are given."""
        if not self._waiting:
            return None
        free = (place for place, cell in enumerate(self._waiting) if self._stage(cell) not in self._busy)
        cell = self._waiting.pop(next(free, 0))
        stage = self._stage(cell)
        if stage and stage not in self._trained:
            self._busy.add(stage)
        return cell

    def ended(self, cell: Cell) -> None:
        """Mark the graph stage of a cell that has ended as trained."""
        stage = self._stage(cell)
        if stage:
            self._trained.add(stage)
            self._busy.discard(stage)

    def _stage(self, cell: Cell) -> str:
        if cell.arm.digest not in self._groups:
            self._groups[cell.arm.digest] = stage_group(cell.arm, cell.budget)
        group = self._groups[cell.arm.digest]
        return f"{group} {cell.dataset.path or cell.dataset.model_dump_json()} {cell.repeat}" if group else ""
