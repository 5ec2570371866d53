"""At which pace arms train on data sets: some are timed, and the others follow the nearest of these."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain, zip_longest
from statistics import fmean
from typing import TypeAlias

from study.plan.cost.timing import (
    BATCHES,
    LONGEST_S,
    Pace,
    measured,
    pace_of_learner,
    pace_of_method,
    pace_of_training,
    shortened,
)
from study.plan.cost.work import Draws, Exams, Shape, distance, shape_of
from study.plan.probe import as_on_a_lane
from study.spec.cell import Cell
from study.spec.machine import Lane

ENOUGH_S = 3.0  # of timing trained arms, and again of the others: what is not timed by then follows what is
OTHER_DATA = 0.5  # how far another data set is away, in settings that differ
Place: TypeAlias = tuple[Shape, str]  # a shape on a data set


class Paces:
    """The paces of arms on data sets."""

    def __init__(self, exams: Exams, draws: Draws, lane: Lane) -> None:
        self.exams, self.draws, self.lane = exams, draws, lane
        self.timed: dict[Place, Pace | None] = {}

    def measure(self, cells: Sequence[Cell], say: Callable[[str], None]) -> int:
        """Time cells of different shapes, those that tell most first, for as long as that is worth.

        Return how many shapes on data sets there are, timed or not.
        """
        first: dict[Place, Cell] = {}
        for cell in cells:
            first.setdefault(_place(cell), cell)

        spent = {True: 0.0, False: 0.0}
        with as_on_a_lane(self.lane.device, self.lane.threads):
            for number, place in enumerate(_order(first, self.exams), 1):
                cell = first[place]
                if spent[cell.arm.trains] > ENOUGH_S:
                    continue
                what = f"{BATCHES} batches of {cell.arm.name}" if cell.arm.budgeted else cell.arm.name
                say(f"timing {what} on {place[1]} ({number} of {len(first)})")
                started = time.perf_counter()
                self.timed[place] = self._measure(cell)
                spent[cell.arm.trains] += time.perf_counter() - started
        return len(first)

    def of(self, cell: Cell) -> Pace | None:
        """Return the pace of a cell: its own, or that of the nearest that was timed; None if that takes too long."""
        place = _place(cell)
        if place in self.timed:
            return self.timed[place]
        return self._follow(place, exact=not cell.arm.trains)

    def _measure(self, cell: Cell) -> Pace | None:
        arm, dataset = cell.arm, self.exams.datasets[cell.labels.dataset]
        split = self.exams.folds(dataset.name)[0]
        where = self.exams.repeat, cell.budget, self.lane.device
        if arm.trains:
            return measured(partial(pace_of_training, arm, dataset, shortened(split), *where))
        if arm.learns and arm.budgeted:
            a_pass = len(split.train) + (self.draws.of(cell).negatives or len(split.train))
            return measured(partial(pace_of_learner, arm, dataset, shortened(split), *where, a_pass), LONGEST_S)
        return measured(partial(pace_of_method, arm, dataset, split, *where), LONGEST_S)

    def _follow(self, place: Place, *, exact: bool) -> Pace | None:
        """Return the pace of the nearest timed shape, scaled to the data set; an ``exact`` one is of the same shape."""
        shape, dataset = place
        alike = {other: pace for other, pace in self.timed.items() if not exact or other[0] == shape}
        if not alike:
            return None
        ran = [other for other, pace in alike.items() if exact or pace is None or pace.joint.batch]  # it did not fail
        other = min(ran or alike, key=lambda other: distance(shape, other[0]) + OTHER_DATA * (dataset != other[1]))
        pace = alike[other]
        return None if pace is None else pace.times(self._ratio(other[1], dataset))

    def _ratio(self, known: str, other: str) -> float:
        """Return how many times as long a batch takes on one data set as on another: measured, else by their genes."""
        if known == other:
            return 1.0
        batches = {place: pace.joint.batch for place, pace in self.timed.items() if pace is not None}
        both = [
            batches[shape, other] / seconds
            for (shape, dataset), seconds in batches.items()
            if dataset == known and seconds and (shape, other) in batches
        ]
        genes = {name: dataset.n_genes for name, dataset in self.exams.datasets.items()}
        return fmean(both) if both else genes[other] / genes[known]


def _place(cell: Cell) -> Place:
    return shape_of(cell.arm, cell.budget), cell.labels.dataset


def _order(first: dict[Place, Cell], exams: Exams) -> list[Place]:
    """Return what to time, in order: by turns the first shape on each data set, and each shape on the smallest one."""
    size = {name: dataset.n_genes for name, dataset in exams.datasets.items()}
    places = sorted(first, key=lambda place: size[place[1]])
    if not places:
        return []
    reference = next((shape for (shape, _), cell in first.items() if cell.arm.trains), next(iter(first))[0])
    across = [place for place in places if place[0] == reference]
    down = [place for place in places if place[1] == places[0][1]]
    turns = chain.from_iterable(zip_longest(across, down))
    return list(dict.fromkeys([place for place in turns if place is not None] + places))
