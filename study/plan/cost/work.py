"""How much there is to do in a cell, and the shape of its arm, which decides how long a batch of it takes."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import RLock
from typing import Any, TypeAlias

from cachetools import LRUCache, cached

from components.core import registry
from components.core.budget import Budget
from components.core.dataset import Dataset
from components.core.exam import Split
from components.core.streams import Streams
from search_spaces.arm import Arm, Choice, canonical_json
from study.plan.cost.timing import Pace, StagePace
from study.plan.plan import Plan
from study.spec.cell import Cell
from study.train.exams import make_folds

Shape: TypeAlias = frozenset[tuple[str, Any]]  # (factor.setting, value), with a level as a setting of its own
Kind: TypeAlias = tuple[Shape, Shape, Budget, str]

PACED_BY = ("batch_size", "graph_batch_size", "precision")
LEVEL = "level"
OTHER_LEVEL = 3.0  # how far another level is away, in settings that differ
COUNTED = 16  # samplers whose draws are counted on a data set; others draw as many as the nearest of these
Until = Callable[[int, int], float]  # epochs and patience to the epochs that are trained


@cached(LRUCache(8192), key=lambda arm, budget: (arm.digest, budget), lock=RLock())
def shape_of(arm: Arm, budget: Budget) -> Shape:
    """Return what decides the seconds of a batch: parts of the model, and of the budget.

    A setting that a level names in ``same_cost`` is left out. So are, of an assembled model, what it is shown and how
    its negatives are drawn: they do not change what a batch computes.
    """
    left_out = ("negatives", "scorer") if arm.trains else ("negatives",) if arm.learns else ()
    settings = {f"training.{name}": getattr(budget, name) for name in PACED_BY if arm.budgeted}
    for factor, choice in arm.canonical.items():
        if factor not in left_out:
            settings |= _settings(factor, choice)
    return frozenset(settings.items())


def draw_of(arm: Arm) -> Shape:
    """Return what decides how many negatives an arm draws; nothing where it draws none."""
    choice = arm.canonical.get("negatives")
    return frozenset(_settings("negatives", choice).items()) if choice else frozenset()


def like(cell: Cell) -> Kind:
    """Return what cells share that take as long: shape, draws, budget and data set."""
    return shape_of(cell.arm, cell.budget), draw_of(cell.arm), cell.budget, cell.labels.dataset


def distance(one: Shape, other: Shape) -> float:
    """Return how far two shapes are apart: 0 for the same, about 1 for a setting, and more for a level."""
    here, there = dict(one), dict(other)
    return sum(_apart(name, here.get(name), there.get(name)) for name in {name for name, _ in one ^ other})


def _apart(name: str, one: Any, other: Any) -> float:
    if name.endswith(f".{LEVEL}"):
        return OTHER_LEVEL
    numbers = all(isinstance(value, int | float) and value > 0 for value in (one, other))
    return min(abs(math.log(one / other)), 1.0) if numbers else 1.0


def _settings(factor: str, choice: Mapping[str, Any]) -> dict[str, Any]:
    free = getattr(registry.level(factor, choice["level"]), "same_cost", ())
    values = {name: value for name, value in choice["settings"].items() if name not in free}
    plain = {name: v if isinstance(v, int | float | str) else canonical_json(v) for name, v in values.items()}
    return {f"{factor}.{LEVEL}": choice["level"], **{f"{factor}.{name}": value for name, value in plain.items()}}


@dataclass(frozen=True)
class ExamSize:
    """Number of folds; of training positives, validation and test pairs in the first of them."""

    folds: int
    train: int
    validation: int
    test: int


@dataclass(frozen=True)
class Draw:
    """What a sampler draws for a pass: how many negatives, in how many seconds, and whether anew for each."""

    negatives: int = 0
    seconds: float = 0.0
    fresh: bool = False


class Exams:
    """The data sets of a plan with the exams of its first repeat, by name."""

    def __init__(self, plan: Plan) -> None:
        self.repeat = plan.study.first_repeat
        self.datasets: dict[str, Dataset] = {dataset.name: dataset for dataset in plan.datasets}
        self._choices: dict[str, Choice] = dict(zip(self.datasets, plan.study.splits, strict=True))

    def folds(self, dataset: str) -> tuple[Split, ...]:
        """Return the exam of a data set."""
        return make_folds(self.datasets[dataset], self._choices[dataset], self.repeat)

    def size(self, cell: Cell) -> ExamSize:
        """Return how much the exam of a cell asks."""
        folds = self.folds(cell.labels.dataset)
        first = folds[0]
        return ExamSize(len(folds), len(first.train), len(first.validation), len(first.test))


class Draws:
    """What the samplers of arms draw on the data sets, counted in one draw of each."""

    def __init__(self, exams: Exams) -> None:
        self.exams = exams
        self._counted: dict[str, dict[Shape, Draw]] = defaultdict(dict)

    def of(self, cell: Cell) -> Draw:
        """Return what the sampler of a cell draws, or the nearest that is counted."""
        key, counted = draw_of(cell.arm), self._counted[cell.labels.dataset]
        if not key:
            return Draw()
        if key not in counted and len(counted) < COUNTED:
            counted[key] = self._count(cell)
        return counted[key if key in counted else min(counted, key=lambda other: distance(key, other))]

    def _count(self, cell: Cell) -> Draw:
        dataset, training = self.exams.datasets[cell.labels.dataset], self.exams.folds(cell.labels.dataset)[0].training
        try:
            sampler = cell.arm.choices["negatives"].build(training, dataset.expression)
            started = time.perf_counter()
            drawn = sampler.draw(Streams(dataset.digest, self.exams.repeat).numpy("negatives", "plan"))
        except Exception:  # a sampler that fails here fails in its cells
            return Draw(len(training.train))
        return Draw(len(drawn), time.perf_counter() - started, sampler.fresh)


@dataclass(frozen=True)
class Work:
    """What a cell has to do, and at which pace."""

    cell: Cell
    pace: Pace
    exam: ExamSize
    draw: Draw

    def seconds(self, until: Until, *, pays: bool) -> float:
        """Return the seconds of the cell.

        Parameters
        ----------
        until
            The number of epochs of a stage, from the most that it may train and from its patience.
        pays
            Whether it trains its first stage itself, where other arms have the same.
        """
        budget, pace, exam, arm = self.cell.budget, self.pace, self.exam, self.cell.arm
        if not arm.budgeted:
            return exam.folds * pace.start
        joint = until(budget.epochs, budget.patience) * self._epoch_s(pace.joint, budget.batch_size)
        scoring = pace.joint.encode + pace.joint.pair * (exam.validation + exam.test)
        graph = unlabelled = 0.0
        if arm.fits_unsupervised:
            unlabelled = pace.step * budget.unsupervised_steps if pays else 0.0
        pretrains = arm.learns or "fusion" not in arm.silenced  # whatever arm its pace is that of
        if pretrains and (pays or arm.fits_unsupervised):
            stage = pace.graph if pace.graph.batch or arm.learns else pace.joint  # of an arm without it: dearer than it
            graph = until(budget.graph_epochs, budget.graph_patience) * self._epoch_s(stage, budget.graph_batch_size)
        return exam.folds * (pace.start + graph + joint + scoring) + unlabelled

    def _epoch_s(self, stage: StagePace, size: int) -> float:
        """Return the seconds of an epoch: its batches, and validation."""
        if not stage.batch:
            return 0.0
        pairs, most = self.exam.train + self.draw.negatives, self.cell.budget.validate_every
        passes = math.ceil(pairs / size)
        batches = min(passes, most or passes)
        drawing = self.draw.seconds * batches / passes if self.draw.fresh else 0.0
        return batches * stage.batch + drawing + stage.encode + stage.pair * self.exam.validation
