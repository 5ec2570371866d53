"""How much there is to do in a cell: batches of an epoch, pairs to score, folds, negatives to draw."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from components.core.dataset import Dataset
from components.core.exam import Split
from components.core.streams import Streams
from search_spaces.arm import Choice
from study.plan.cost.shape import Shape, distance, draw_of
from study.plan.cost.timing import Pace, StagePace
from study.plan.plan import Plan
from study.spec.cell import Cell
from study.train.exams import make_folds

COUNTED = 16  # samplers whose draws are counted on a data set; others draw as many as the nearest of these
Until = Callable[[int, int], float]  # epochs and patience to the epochs that are trained


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
        self._sizes: dict[str, ExamSize] = {}

    def folds(self, dataset: str) -> tuple[Split, ...]:
        """Return the exam of a data set."""
        return make_folds(self.datasets[dataset], self._choices[dataset], self.repeat)

    def size(self, cell: Cell) -> ExamSize:
        """Return how much the exam of a cell asks."""
        name = cell.labels.dataset
        if name not in self._sizes:
            folds = self.folds(name)
            first = folds[0]
            self._sizes[name] = ExamSize(len(folds), len(first.train), len(first.validation), len(first.test))
        return self._sizes[name]


class Draws:
    """What the samplers of arms draw on the data sets, counted in one draw of each."""

    def __init__(self, exams: Exams) -> None:
        self.exams = exams
        self._counted: dict[str, dict[Shape, Draw]] = defaultdict(dict)
        self._nearest: dict[tuple[Shape, str], Draw] = {}

    def of(self, cell: Cell) -> Draw:
        """Return what the sampler of a cell draws, or the nearest that is counted."""
        key, counted = draw_of(cell.arm), self._counted[cell.labels.dataset]
        if not key:
            return Draw()
        if key not in counted and len(counted) < COUNTED:
            counted[key] = self._count(cell)
        if key in counted:
            return counted[key]
        if (key, cell.labels.dataset) not in self._nearest:
            nearest = counted[min(counted, key=lambda other: distance(key, other))]
            self._nearest[key, cell.labels.dataset] = nearest
        return self._nearest[key, cell.labels.dataset]

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
        if self._pretrains and (pays or arm.fits_unsupervised):
            stage = pace.graph if pace.graph.batch or arm.learns else pace.joint  # of an arm without it: dearer than it
            graph = until(budget.graph_epochs, budget.graph_patience) * self._epoch_s(stage, budget.graph_batch_size)
        return exam.folds * (pace.start + graph + joint + scoring) + unlabelled

    @property
    def _pretrains(self) -> bool:
        """Whether the arm has a graph stage, whatever arm its pace is that of."""
        return self.cell.arm.learns or "fusion" not in self.cell.arm.silenced

    def _epoch_s(self, stage: StagePace, size: int) -> float:
        """Return the seconds of an epoch: its batches, and validation."""
        if not stage.batch:
            return 0.0
        pairs, most = self.exam.train + self.draw.negatives, self.cell.budget.validate_every
        passes = math.ceil(pairs / size)
        batches = min(passes, most or passes)
        drawing = self.draw.seconds * batches / passes if self.draw.fresh else 0.0
        return batches * stage.batch + drawing + stage.encode + stage.pair * self.exam.validation
