"""Writes the exams of an arm as files in GENELink's layout, so that a system's own code can sit them.

One folder per data set and repeat, ``DIR/<data set>/repeat-0``: expression, lists of TFs and genes, and the three parts
as indices. The training negatives are those that the arm draws; an arm that draws fresh ones every epoch has those of
its first epoch here.

    .venv/bin/python bench/parity/export_exams.py parity.yaml --data BEELINE --arm genelink --to DIR

Then run the system's code, from outside of this repository, on each folder; have it write the scores of Test_set.csv
to a file there (``TF,Target,score``, indices); run the study; and compare (``compare_scores.py``).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from components.core.dataset import Ints
from components.core.streams import Streams
from components.model import Parts
from study.plan.plan import make_plan
from study.spec.cell import Cell
from study.spec.datasets import load_dataset
from study.study_file.study import load_study
from study.train.exams import make_folds


def cells_of(study_file: Path, data: Path, arm: str) -> list[Cell]:
    """Return the cells of one arm of a study."""
    cells = make_plan(load_study(study_file, data=data)).cells
    named = [cell for cell in cells if cell.arm.name == arm]
    if not named:
        raise SystemExit(f"no arm {arm!r} in {study_file}; there are {', '.join(sorted({c.arm.name for c in cells}))}")
    return named


def folder_of(root: Path, cell: Cell) -> Path:
    """Return the folder of a cell's exam."""
    return root / cell.labels.dataset / f"repeat-{cell.repeat}"


def export_exam(cell: Cell, folder: Path) -> None:
    """Write the exam of one cell."""
    dataset = load_dataset(cell.dataset, cell.root)
    folds = make_folds(dataset, cell.split, cell.repeat)
    if len(folds) > 1:
        raise SystemExit(f"{cell.label}: an exam of several folds has no layout of GENELink's")
    split = folds[0]
    parts = Parts({name: (choice.level, choice.settings) for name, choice in cell.arm.choices.items()})
    sampler = parts.build("negatives", split.training, dataset.expression)
    negatives = sampler.draw(Streams(dataset.digest, cell.repeat).numpy("negatives", "joint"))
    folder.mkdir(parents=True, exist_ok=True)
    genes = np.asarray(dataset.genes)
    pd.DataFrame(dataset.expression, index=genes).to_csv(folder / "BL--ExpressionData.csv")
    pd.DataFrame({"TF": genes[dataset.tfs], "index": dataset.tfs}).to_csv(folder / "TF.csv")
    pd.DataFrame({"Gene": genes, "index": np.arange(len(genes))}).to_csv(folder / "Target.csv")
    labels = np.repeat([1, 0], [len(split.train), len(negatives)])
    _write(folder / "Train_set.csv", np.concatenate([split.train, negatives]), labels)
    _write(folder / "Validation_set.csv", split.validation, split.validation_labels)
    _write(folder / "Test_set.csv", split.test, split.test_labels)


def _write(path: Path, pairs: Ints, labels: Ints) -> None:
    pd.DataFrame({"TF": pairs[:, 0], "Target": pairs[:, 1], "Label": labels}).to_csv(path)


def main() -> None:
    """Write every exam of an arm."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--arm", required=True)
    parser.add_argument("--to", type=Path, required=True)
    given = parser.parse_args()
    for cell in cells_of(given.study, given.data, given.arm):
        export_exam(cell, folder_of(given.to, cell))
        print(folder_of(given.to, cell))


if __name__ == "__main__":
    main()
