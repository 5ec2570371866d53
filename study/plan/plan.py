"""The plan: arms x data sets x repeats minus what the ledger holds, known before anything is spent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from components.core import registry
from components.core.dataset import Dataset
from components.core.errors import KnockoutError
from search_spaces.arm import Arm, Choice, canonical_json, parse_choice
from study.spec.datasets import load_dataset
from study.spec.files import write_atomically
from study.store.ledger import Ledger
from study.study_file.study import Study
from study.train.cell import Cell, Result, cell_digest, code_version

__all__ = [
    "PLAN",
    "SEARCHED",
    "TUNED",
    "Plan",
    "Row",
    "kind_of_plan",
    "lay_out",
    "load_datasets",
    "make_plan",
    "margin_of_plan",
    "read_plan",
    "refuse_tied_arms",
    "results_of",
]

PLAN = "plan.json"
SEARCHED, TUNED = "search", "tune"  # what a plan's arms come from, and the folder that says so; a design names none


@dataclass(frozen=True)
class Row:
    """One planned cell with what the tidy table says of it."""

    study: str
    arm: str
    arm_digest: str
    role: str
    levels: dict[str, str]
    settings: dict[str, Any]
    dataset: str
    network: str
    block: str
    split: str
    repeat: int
    data_digest: str
    code_digest: str
    protocol: str
    cell: str


@dataclass(frozen=True)
class Plan:
    """Every cell of a study, in the order in which they are run.

    Attributes
    ----------
    study
        The validated study.
    cells, rows
        Cells to run and their table rows, position by position.
    datasets
        The data sets, in the study's order.
    """

    study: Study
    cells: tuple[Cell, ...]
    rows: tuple[Row, ...]
    datasets: tuple[Dataset, ...]

    def missing(self, ledger: Ledger) -> list[Cell]:
        """Return the cells that have no record yet."""
        done = ledger.read_all(cell.digest for cell in self.cells)
        return [cell for cell in self.cells if cell.digest not in done]

    def failed(self, ledger: Ledger) -> list[Cell]:
        """Return the cells whose record is a failure."""
        done = ledger.read_all(cell.digest for cell in self.cells)
        return [cell for cell in self.cells if cell.digest in done and done[cell.digest].status != "ok"]

    def save(self, out: Path) -> None:
        """Write the plan beside the ledger, so that status and report need no study file."""
        rows = ",\n".join(json.dumps(vars(row)) for row in self.rows)  # indented JSON is five times slower
        kind = SEARCHED if self.study.search else TUNED if self.study.tune else ""
        asked = f'"metric": {json.dumps(self.study.metric)}, "margin": {json.dumps(self.study.margin)}'
        head = f'{asked}, "kind": "{kind}"'
        text = f'{{{head}, "rows": [\n{rows}\n]}}\n'
        write_atomically(out / PLAN, lambda path: path.write_text(text))


def make_plan(study: Study) -> Plan:
    """Lay out every cell of a study: repeats outermost, so that an early stop leaves whole repeats.

    Raises
    ------
    KnockoutError
        If a data set cannot be read, or two share a name.
    """
    datasets = load_datasets(study)
    refuse_tied_arms(study.arms, datasets)
    cells, rows = lay_out(study, datasets, study.arms)
    return Plan(study, tuple(_embedding(study, cell) for cell in cells), rows, datasets)


def _embedding(study: Study, cell: Cell) -> Cell:
    """Let the cells that the study names, of the first repeat, save what their model makes of test pairs."""
    asked = cell.repeat == study.first_repeat and cell.arm.name in study.embeddings
    return replace(cell, embeds=True) if asked else cell


def load_datasets(study: Study) -> tuple[Dataset, ...]:
    """Read a study's data sets, and refuse what would count one of them twice.

    Raises
    ------
    KnockoutError
        If a data set cannot be read, or two share a name or an exam.
    """
    datasets = tuple(load_dataset(spec, study.root) for spec in study.datasets)
    _refuse_same_names(datasets)
    _refuse_same_exam(study, datasets)
    return datasets


def lay_out(study: Study, datasets: Sequence[Dataset], arms: Sequence[Arm]) -> tuple[tuple[Cell, ...], tuple[Row, ...]]:
    """Return the cells of arms on a study's data sets, in the order in which they are run, with their table rows."""
    cells: list[Cell] = []
    rows: list[Row] = []
    for repeat in range(study.first_repeat, study.first_repeat + study.repeats):
        for spec, dataset, split in zip(study.datasets, datasets, study.splits, strict=True):
            for arm in arms:
                budget = study.budget_of(arm)
                digest = cell_digest(arm, dataset.digest, split, repeat, budget)
                cells.append(Cell(arm, spec, split, repeat, budget, study.root, digest))
                rows.append(_row(study, arm, dataset, split, repeat, digest))
    return tuple(cells), tuple(rows)


def margin_of_plan(out: Path) -> float | None:
    """Return which differences do not matter to the study last run in ``out``, if its file said so."""
    given = _content(out).get("margin")
    try:
        return float(given) if given else None
    except (TypeError, ValueError) as error:
        raise _unreadable(out, error) from None


def kind_of_plan(out: Path) -> str:
    """Say whether the arms of the study last run in ``out`` were searched, tuned, or neither."""
    return str(_content(out).get("kind", ""))


def read_plan(out: Path) -> tuple[str, list[Row]]:
    """Return the metric and the rows of the study last run in ``out``.

    Raises
    ------
    KnockoutError
        If ``out`` holds no study.
    """
    content = _content(out)
    try:
        metric, rows = str(content["metric"]), [Row(**row) for row in content["rows"]]
    except (TypeError, KeyError) as error:
        raise _unreadable(out, error) from None
    if not rows:
        raise _unreadable(out, ValueError("it holds no cell"))
    return metric, rows


def _content(out: Path) -> dict[str, Any]:
    try:
        content = json.loads((out / PLAN).read_text())
    except (FileNotFoundError, NotADirectoryError):
        if out.is_file():
            raise KnockoutError("this is a file; give the output folder of a study.", where=str(out)) from None
        raise KnockoutError(
            f"no study was run here: there is no {PLAN}. Give the folder that --out named.", where=str(out)
        ) from None
    except (ValueError, OSError) as error:
        raise _unreadable(out, error) from None
    if not isinstance(content, dict):
        raise _unreadable(out, TypeError("it is no mapping"))
    return content


def _unreadable(out: Path, error: Exception) -> KnockoutError:
    return KnockoutError(f"the plan cannot be read ({error}).", where=str(out / PLAN))


def _row(study: Study, arm: Arm, dataset: Dataset, split: Choice, repeat: int, digest: str) -> Row:
    return Row(
        study=study.name,
        arm=arm.name,
        arm_digest=arm.digest,
        role=arm.role,
        levels=arm.levels(),
        settings=arm.canonical,
        dataset=dataset.name,
        network=dataset.network,
        block=dataset.block,
        split=split.label(parse_choice("split", split.level)),
        repeat=repeat,
        data_digest=dataset.digest,
        code_digest=code_version(arm, split),
        protocol=json.dumps(study.budget_of(arm).model_dump(mode="json"), sort_keys=True),
        cell=digest,
    )


def _refuse_same_names(datasets: tuple[Dataset, ...]) -> None:
    seen: dict[str, int] = {}
    for position, dataset in enumerate(datasets):
        if dataset.name in seen:
            raise KnockoutError(
                f"two data sets are named {dataset.name!r} (positions {seen[dataset.name]} and {position}); "
                "give one a 'name' of its own.",
                where=f"datasets[{position}]",
            )
        seen[dataset.name] = position


def _refuse_same_exam(study: Study, datasets: tuple[Dataset, ...]) -> None:
    """Refuse the same data under two names: they would share every cell, and count as two in the statistics."""
    seen: dict[tuple[str, str], str] = {}
    for position, (dataset, split) in enumerate(zip(datasets, study.splits, strict=True)):
        twin = seen.setdefault((dataset.digest, canonical_json(split.canonical)), dataset.name)
        if twin != dataset.name:
            raise KnockoutError(
                f"data sets {twin!r} and {dataset.name!r} hold the same data and set the same exam; drop one.",
                where=f"datasets[{position}]",
            )


def refuse_tied_arms(arms: Sequence[Arm], datasets: Sequence[Dataset]) -> None:
    """Refuse arms whose input another data set does not have, where a data set is tested by transfer."""
    across = [(position, dataset) for position, dataset in enumerate(datasets) if dataset.target is not None]
    for arm in arms if across else ():
        bucketing = arm.choices["bucketing"]
        tied_to = getattr(registry.level("bucketing", bucketing.level), "tied_to", "")
        if "bucketing" in arm.silenced or not tied_to:
            continue
        free = [name for name, cls in registry.levels("bucketing").items() if not getattr(cls, "tied_to", "")]
        position, dataset = across[0]
        raise KnockoutError(
            f"arm {arm.name!r} cannot be tested on another data set: bucketing={bucketing.level} is tied to {tied_to}. "
            f"Levels that are not: {', '.join(free)} (reference: {{bucketing: {free[0]}}}).",
            where=f"datasets[{position}].train_on, {dataset.name}",
        )


def results_of(rows: Sequence[Row], ledger: Ledger) -> dict[str, Result]:
    """Return the records there are of planned rows."""
    return ledger.read_all(row.cell for row in rows)
