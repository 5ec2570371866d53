"""Adds up what the missing cells of a study will take. Nothing is written.

The records of finished cells come first: of the same arm, then of an arm as dear. The rest is timed, or follows what
is timed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from types import MappingProxyType

from components.core import registry
from components.core.metrics import OWN
from search_spaces.arm import Arm
from study.plan.cost.pace import Paces
from study.plan.cost.work import Draws, Exams, Kind, Work, like
from study.plan.plan import Plan
from study.spec.cell import Cell
from study.store.ledger import Ledger, training_of
from study.store.time_left import Key, key_of
from study.train.stages.shared import stage_group


@dataclass(frozen=True)
class Estimate:
    """Seconds that the missing cells of a study will take."""

    seconds: float  # sum over cells, on one lane
    at_most: float  # the same if no cell stops early
    unknown: int = 0  # number of missing cells that are not in the sum: of programs that a plan does not run
    # missing cells that are not in it either, by arm: of methods that take longer than a plan spends on them
    slow: Mapping[str, int] = field(default_factory=dict)
    # how many kinds of cells (arms of one shape on one data set) were timed, out of how many that no finished cell
    # tells; the others are taken to cost what the nearest of them does
    timed: int = 0
    kinds: int = 0
    # number of missing cells that were trained before other metrics were asked for: stored scores give the new ones
    rescored: int = 0


def estimate(
    plan: Plan,
    ledger: Ledger,
    say: Callable[[str], None] = lambda text: None,
    audited: Mapping[tuple[str, str], float] = MappingProxyType({}),
) -> Estimate:
    """Estimate the cost of what is missing.

    ``say`` is told which arm is being timed on which data set; ``audited`` has the seconds of rules on the first fold
    of a data set, as a leak audit took them.
    """
    missing = plan.missing(ledger)
    trained = ledger.trained() if OWN else {}
    rescored = {cell.digest for cell in missing if training_of(cell.identity) in trained} if trained else set()
    missing = [cell for cell in missing if cell.digest not in rescored]
    exams = Exams(plan)
    known = _known_seconds(missing, plan, ledger)
    for place, cell in enumerate(missing):
        if known[place] is None and (rule := audited.get((_rule(cell.arm), cell.labels.dataset))) is not None:
            known[place] = rule * len(exams.folds(cell.labels.dataset))
    total = sum(seconds for seconds in known if seconds is not None)
    to_time = [cell for cell, seconds in zip(missing, known, strict=True) if seconds is None and cell.arm.probed]
    draws = Draws(exams)
    paces = Paces(exams, draws, plan.study.lanes[0])
    kinds = paces.measure(to_time, say)
    expected, at_most, slow = total, total, Counter[str]()
    begun: set[tuple[str, str, int]] = set()
    by_key: dict[Key, list[Cell]] = defaultdict(list)  # cells of an arm on a data set differ in nothing that costs
    for cell in to_time:
        by_key[key_of(cell)].append(cell)
    for cells in by_key.values():
        cell, pace = cells[0], paces.of(cells[0])
        if pace is None:
            slow[cell.arm.name] += len(cells)
            continue
        work, paying = Work(cell, pace, exams.size(cell), draws.of(cell)), _count_paying(cells, begun)
        for pays, number in ((True, paying), (False, len(cells) - paying)):
            # early stopping usually leaves a third of the epochs, and never less than its patience
            likely = work.seconds(lambda epochs, patience: min(epochs, max(epochs / 3, patience + 1)), pays=pays)
            expected += number * likely
            at_most += number * work.seconds(lambda epochs, patience: epochs, pays=pays)
    unknown = known.count(None) - len(to_time)
    return Estimate(expected, at_most, unknown, slow, len(paces.timed), kinds, len(rescored))


def _rule(arm: Arm) -> str:
    """Return the name of the rule that an arm is, at its defaults; "" if it is none."""
    choice = arm.choices["scorer"]
    return choice.level if choice.settings == registry.parse("scorer", choice.level) else ""


def _known_seconds(missing: Sequence[Cell], plan: Plan, ledger: Ledger) -> list[float | None]:
    """Return the mean seconds of cells of the same arm and data set, else of cells as dear; None if none has scores."""
    records = ledger.read_all(cell.digest for cell in plan.cells)
    seconds: dict[Key | Kind, list[float]] = defaultdict(list)
    for cell in plan.cells:
        record = records.get(cell.digest)
        if record is not None and record.ok:
            seconds[key_of(cell)].append(record.seconds)
            seconds[like(cell)].append(record.seconds)
    means = {key: fmean(values) for key, values in seconds.items()}
    return [means.get(key_of(cell), means.get(like(cell))) if means else None for cell in missing]


def _count_paying(cells: Sequence[Cell], begun: set[tuple[str, str, int]]) -> int:
    """Count the cells of an arm that train their first stage, and do not take it over from an arm that shares it."""
    group = stage_group(cells[0].arm, cells[0].budget)
    if not group:
        return len(cells)
    stages = {(group, cell.labels.dataset, cell.repeat) for cell in cells}
    number = len(stages - begun)
    begun |= stages
    return number
