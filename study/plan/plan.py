"""The plan: arms x data sets x repeats minus what the ledger holds, known before anything is spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.core.dataset import Dataset
from components.core.errors import KnockoutError
from search_spaces.arm import Arm, canonical_json
from study.plan.refusals import refuse_impossible_arms, refuse_impossible_exams
from study.spec.cell import Cell, Labels
from study.spec.datasets import load_dataset
from study.spec.records import PlanKind, PlanRecord
from study.store.ledger import Ledger
from study.study_file.study import Study
from study.train.score import bucketing_notes


@dataclass(frozen=True)
class Plan:
    """Every cell of a study, in the order in which they are run."""

    study: Study  # the validated study
    cells: tuple[Cell, ...]  # its cells
    datasets: tuple[Dataset, ...]  # the data sets, in the study's order

    @property
    def notes(self) -> list[str]:
        """How the gene features of arms fit the data sets: of how many genes a file has a row."""
        named = [
            f"{dataset.name}: {note}"
            for dataset in self.datasets
            for arm in self.study.arms
            for note in bucketing_notes(arm, dataset)
        ]
        return list(dict.fromkeys(named))

    def missing(self, ledger: Ledger) -> list[Cell]:
        """Return the cells that have no record yet."""
        records = ledger.read_all(cell.digest for cell in self.cells)
        return [cell for cell in self.cells if cell.digest not in records]

    @property
    def record(self) -> PlanRecord:
        """The plan as it is written into the output folder."""
        study = self.study
        kind = PlanKind.SEARCH if study.search else PlanKind.TUNED if study.tune else PlanKind.DESIGN
        rows = [cell.row for cell in self.cells]
        return PlanRecord(
            metric=study.metric, margin=study.margin, alpha=study.alpha, looks=list(study.looks), kind=kind, rows=rows
        )


def make_plan(study: Study) -> Plan:
    """Lay out every cell of a study: repeats outermost, so that an early stop leaves whole repeats.

    Raises
    ------
    KnockoutError
        If a data set cannot be read, two share a name, or a data set cannot be what an arm or its exam asks.
    """
    datasets = load_datasets(study)
    refuse_impossible_arms(study, study.arms, datasets)
    return Plan(study, lay_out(study, datasets, study.arms), datasets)


def load_datasets(study: Study) -> tuple[Dataset, ...]:
    """Read a study's data sets, and refuse what would count one of them twice, or cannot be examined."""
    datasets = tuple(load_dataset(spec, study.root) for spec in study.datasets)
    names = [dataset.name for dataset in datasets]
    exams: dict[tuple[str, str], str] = {}  # to the name of the first data set
    for position, (dataset, split) in enumerate(zip(datasets, study.splits, strict=True)):
        first, where = names.index(dataset.name), f"datasets[{position}]"
        if first != position:
            raise KnockoutError(
                f"two data sets are named {dataset.name!r} (positions {first} and {position}); "
                "give one a 'name' of its own.",
                where=where,
            )
        # under two names they would share every cell, and count as two in the statistics
        twin = exams.setdefault((dataset.digest, canonical_json(split.canonical)), dataset.name)
        if twin != dataset.name:
            raise KnockoutError(
                f"data sets {twin!r} and {dataset.name!r} hold the same data and set the same exam; drop one.",
                where=where,
            )
    refuse_impossible_exams(study, datasets)
    return datasets


def lay_out(study: Study, datasets: Sequence[Dataset], arms: Sequence[Arm]) -> tuple[Cell, ...]:
    """Return the cells of arms on a study's data sets, in the order in which they are run."""
    crossed = study.crossed_settings
    labels = [Labels(study.name, set_.name, set_.network, set_.block, set_.digest, crossed) for set_ in datasets]
    return tuple(
        Cell(
            arm=arm,
            dataset=spec,
            split=split,
            repeat=repeat,
            budget=study.budget_of(arm),
            root=study.root,
            labels=names,
            saves_embeddings=repeat == study.first_repeat and arm.name in study.embeddings,
        )
        for repeat in range(study.first_repeat, study.first_repeat + study.repeats)
        for spec, names, split in zip(study.datasets, labels, study.splits, strict=True)
        for arm in arms
    )
