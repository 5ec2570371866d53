"""Writes the exams of a study as files, for programs that are run elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path

from components.core.errors import KnockoutError, UnknownNameError
from components.core.streams import Streams
from components.scorer.files.exam_files import write_exam
from study.plan.plan import make_plan
from study.spec.cell import Cell
from study.spec.datasets import load_dataset
from study.study_file.study import Study
from study.train.exams import make_folds
from study.train.learner import asked_pairs, view_of


def export_exams(study: Study, to: Path, arm: str = "") -> list[Path]:
    """Write every exam of a study, ``TO/<data set>/repeat-0`` and so on, and return the folders.

    Training negatives are those that the sampler of ``arm``, by default the reference, draws for its first epoch. No
    label of the test is written.

    Raises
    ------
    KnockoutError
        If there is no such arm, or a folder is there already.
    """
    names = [each.name for each in study.arms]
    arm = study.aliases.get(arm, arm) or study.reference.name
    if arm not in names:
        raise UnknownNameError.of("arm", arm, names, where="--arm")
    cells = [cell for cell in make_plan(study).cells if cell.arm.name == arm]
    taken = [folder for cell in cells if (folder := _folder(to, cell)).exists()]
    if taken:
        raise KnockoutError("the folder is there already; name another one.", where=f"--to {taken[0]}")
    return [folder for cell in cells for folder in _export(cell, _folder(to, cell))]


def _folder(to: Path, cell: Cell) -> Path:
    return to / cell.labels.dataset / f"repeat-{cell.repeat}"


def _export(cell: Cell, folder: Path) -> list[Path]:
    """Write the exam of a cell, fold by fold; nothing is left of one that could not be written."""
    dataset = load_dataset(cell.dataset, cell.root)
    streams = Streams(dataset.digest, cell.repeat)
    folds = make_folds(dataset, cell.split, cell.repeat)
    written = []
    try:
        for number, split in enumerate(folds, start=1):
            fold = number if len(folds) > 1 else 0
            at = folder / f"fold-{fold}" if fold else folder
            write_exam(view_of(cell.arm, dataset, split, streams, fold), asked_pairs(split)[0], at)
            written.append(at)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return written
