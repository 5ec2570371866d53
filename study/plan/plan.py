"""The plan: arms x data sets x repeats minus what the ledger holds, known before anything is spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.core import registry
from components.core.dataset import Dataset
from components.core.errors import KnockoutError
from search_spaces.arm import Arm, canonical_json
from study.spec.cell import Cell, Labels
from study.spec.datasets import load_dataset
from study.spec.records import PlanKind, PlanRecord
from study.store.ledger import Ledger
from study.study_file.study import Study
from study.train.exams import make_folds


@dataclass(frozen=True)
class Plan:
    """Every cell of a study, in the order in which they are run.

    Attributes
    ----------
    study
        The validated study.
    cells
        Its cells.
    datasets
        The data sets, in the study's order.
    """

    study: Study
    cells: tuple[Cell, ...]
    datasets: tuple[Dataset, ...]

    def missing(self, ledger: Ledger) -> list[Cell]:
        """Return the cells that have no record yet."""
        records = ledger.read_all(cell.digest for cell in self.cells)
        return [cell for cell in self.cells if cell.digest not in records]

    def failed(self, ledger: Ledger) -> list[Cell]:
        """Return the cells whose record is a failure."""
        records = ledger.read_all(cell.digest for cell in self.cells)
        return [cell for cell in self.cells if cell.digest in records and not records[cell.digest].ok]

    @property
    def record(self) -> PlanRecord:
        """The plan as it is written into the output folder."""
        study = self.study
        kind = PlanKind.SEARCH if study.search else PlanKind.TUNED if study.tune else PlanKind.DESIGN
        rows = [cell.row for cell in self.cells]
        return PlanRecord(metric=study.metric, margin=study.margin, kind=kind, rows=rows)


def make_plan(study: Study) -> Plan:
    """Lay out every cell of a study: repeats outermost, so that an early stop leaves whole repeats.

    Raises
    ------
    KnockoutError
        If a data set cannot be read, or two share a name.
    """
    datasets = load_datasets(study)
    refuse_tied_arms(study.arms, datasets)
    return Plan(study, lay_out(study, datasets, study.arms), datasets)


def load_datasets(study: Study) -> tuple[Dataset, ...]:
    """Read a study's data sets, and refuse what would count one of them twice, or cannot be examined.

    Raises
    ------
    KnockoutError
        If a data set cannot be read or cannot hold its exam, or two share a name or an exam.
    """
    datasets = tuple(load_dataset(spec, study.root) for spec in study.datasets)
    _refuse_same_names(datasets)
    _refuse_same_exam(study, datasets)
    _refuse_impossible_exams(study, datasets)
    return datasets


def lay_out(study: Study, datasets: Sequence[Dataset], arms: Sequence[Arm]) -> tuple[Cell, ...]:
    """Return the cells of arms on a study's data sets, in the order in which they are run."""
    labels = [Labels.of(study.name, dataset) for dataset in datasets]
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


def _refuse_same_names(datasets: tuple[Dataset, ...]) -> None:
    positions: dict[str, int] = {}
    for position, dataset in enumerate(datasets):
        first = positions.setdefault(dataset.name, position)
        if first != position:
            raise KnockoutError(
                f"two data sets are named {dataset.name!r} (positions {first} and {position}); "
                "give one a 'name' of its own.",
                where=f"datasets[{position}]",
            )


def _refuse_same_exam(study: Study, datasets: tuple[Dataset, ...]) -> None:
    """Refuse the same data under two names: they would share every cell, and count as two in the statistics."""
    names: dict[tuple[str, str], str] = {}
    for position, (dataset, split) in enumerate(zip(datasets, study.splits, strict=True)):
        twin = names.setdefault((dataset.digest, canonical_json(split.canonical)), dataset.name)
        if twin != dataset.name:
            raise KnockoutError(
                f"data sets {twin!r} and {dataset.name!r} hold the same data and set the same exam; drop one.",
                where=f"datasets[{position}]",
            )


def _refuse_impossible_exams(study: Study, datasets: tuple[Dataset, ...]) -> None:
    """Refuse data sets that cannot hold their exam, all of them at once: each of their cells would fail."""
    refusals: dict[int, KnockoutError] = {}
    for position, (dataset, split) in enumerate(zip(datasets, study.splits, strict=True)):
        try:
            make_folds(dataset, split, study.first_repeat)
        except KnockoutError as error:
            refusals[position] = error
    if refusals:
        messages = [error.message for error in refusals.values()]
        names = [f"{datasets[position].name}: " if len(refusals) > 1 else "" for position in refusals]
        raise KnockoutError(
            " ".join(name + message for name, message in zip(names, messages, strict=True)),
            where=", ".join(f"datasets[{position}] ({datasets[position].name})" for position in refusals),
        )


def refuse_tied_arms(arms: Sequence[Arm], datasets: Sequence[Dataset]) -> None:
    """Refuse arms whose input another data set does not have, where a data set is tested by transfer.

    Raises
    ------
    KnockoutError
        Naming the arm, and the levels that can be tested so.
    """
    transfers = [(position, dataset) for position, dataset in enumerate(datasets) if dataset.target is not None]
    for arm in arms if transfers else ():
        bucketing = arm.choices["bucketing"]
        tied_to = getattr(registry.level("bucketing", bucketing.level), "tied_to", "")
        if "bucketing" in arm.silenced or not tied_to:
            continue
        free = [name for name, cls in registry.levels("bucketing").items() if not getattr(cls, "tied_to", "")]
        position, dataset = transfers[0]
        raise KnockoutError(
            f"arm {arm.name!r} cannot be tested on another data set: bucketing={bucketing.level} is tied to {tied_to}. "
            f"Levels that are not: {', '.join(free)} (reference: {{bucketing: {free[0]}}}).",
            where=f"datasets[{position}].train_on, {dataset.name}",
        )
