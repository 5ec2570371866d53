"""What a study will cost, measured: finished cells of the same arm and data set, or one timed epoch of each."""

from __future__ import annotations

import time
from dataclasses import dataclass

from components.core.budget import Budget
from study.plan.plan import Plan
from study.plan.time_left import Costs, Key, key_of
from study.spec.cell import Cell
from study.spec.datasets import load_dataset
from study.store.ledger import Ledger
from study.train.exams import make_folds
from study.train.limit import contained
from study.train.score import score_fold

TIMED_STEPS = 4  # of a stage without labels


@dataclass(frozen=True)
class Estimate:
    """Seconds that the missing cells of a study will take.

    Attributes
    ----------
    seconds
        Sum over cells, on one lane.
    at_most
        The same if no cell stops early.
    measured
        Share of the missing cells whose cost is known from finished cells of the same arm and data set.
    unknown
        Number of missing cells that are not in it: of programs that a plan does not run.
    """

    seconds: float
    at_most: float
    measured: float
    unknown: int = 0


def estimate(plan: Plan, ledger: Ledger) -> Estimate:
    """Estimate the cost of what is missing; trains one epoch of each arm on each data set that has no finished cell."""
    missing = plan.missing(ledger)
    costs = _costs(plan, ledger)
    timed: dict[Key, float] = {}
    expected, at_most, measured, unknown = 0.0, 0.0, 0, 0
    for cell in missing:
        key = key_of(cell)
        if key in costs:
            expected, at_most, measured = expected + costs[key], at_most + costs[key], measured + 1
            continue
        if not cell.arm.probed:
            unknown += 1
            continue
        if key not in timed:
            timed[key] = _time_epochs(cell, plan.study.lanes[0].device)
        at_most += timed[key]
        expected += timed[key] * _likely_share(cell.budget)
    return Estimate(expected, at_most, measured / max(len(missing), 1), unknown)


def _costs(plan: Plan, ledger: Ledger) -> dict[Key, float]:
    """Return what cells of an arm on a data set took, where any has scores."""
    keys = {cell.digest: key_of(cell) for cell in plan.cells}
    records = {cell: record for cell, record in ledger.read_all(keys).items() if record.ok}
    return Costs.of(keys, records).expected(keys[cell] for cell in records) if records else {}


def _time_epochs(cell: Cell, device: str) -> float:
    """Return the seconds of the whole budget, from one epoch (the slowest) of either stage on the first fold.

    Steps of a stage without labels are timed apart; the folds of a cell share it.
    """
    dataset = load_dataset(cell.dataset, cell.root)
    folds = make_folds(dataset, cell.split, cell.repeat)

    def seconds(graph_epochs: int, epochs: int, steps: int = 1) -> float:
        changes = {"graph_epochs": graph_epochs, "epochs": epochs, "unsupervised_steps": steps}
        budget = Budget(**{**cell.budget.model_dump(), **changes})
        started = time.perf_counter()
        with contained():  # an arm that fails costs the time until it does
            score_fold(cell.arm, dataset, folds[0], cell.repeat, budget, device)
        return time.perf_counter() - started

    joint = seconds(0, 1)
    if not cell.arm.budgeted:
        return len(folds) * joint
    graph = max(seconds(1, 1) - joint, 0.0) if cell.budget.graph_epochs else 0.0
    step = 0.0
    if cell.arm.fits_unsupervised:
        step = max(seconds(0, 1, 1 + TIMED_STEPS) - joint, 0.0) / TIMED_STEPS
    return len(folds) * (joint * cell.budget.epochs + graph * cell.budget.graph_epochs) + (
        step * cell.budget.unsupervised_steps
    )


def _likely_share(budget: Budget) -> float:
    """Return the share of the epochs that early stopping usually leaves: a third, and never less than its patience."""
    return min(1.0, max(1 / 3, (budget.patience + 1) / budget.epochs))
