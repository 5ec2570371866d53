"""Exams written for a system's own code, and its scores beside those of an arm."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from study.spec.cell import Cell
from study.spec.datasets import load_dataset
from study.spec.folder import OutFolder
from study.spec.machine import Lane
from study.store.ledger import Ledger
from study.train.cell import run_cell
from study.train.exams import make_folds

sys.path.insert(0, str(Path(__file__).parents[2] / "bench" / "parity"))
import compare_scores
import export_exams

STUDY = """
name: parity
datasets: [{simulate: {genes: 40, tfs: 6, cells: 20}, name: net}]
preset: genelink
controls: [degree]
repeats: 1
split: {per_tf: {validation: matched}}
training: {epochs: 1}
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Cell, Path]:
    root = tmp_path_factory.mktemp("parity")
    (root / "study.yaml").write_text(STUDY)
    [cell] = export_exams.cells_of(root / "study.yaml", root, "genelink")
    folder = export_exams.folder_of(root / "exams", cell)
    export_exams.export_exam(cell, folder)
    return cell, folder


def test_the_files_hold_the_exam_that_the_arm_sits(exported: tuple[Cell, Path]):
    cell, folder = exported
    [split] = make_folds(load_dataset(cell.dataset, cell.root), cell.split, cell.repeat)
    parts = {name: pd.read_csv(folder / f"{name}_set.csv", index_col=0) for name in ("Train", "Validation", "Test")}
    train = parts["Train"]
    assert (train.loc[train["Label"] == 1, ["TF", "Target"]].to_numpy() == split.train).all()
    assert train["Label"].mean() == 0.5, "one negative per positive, as the arm draws them"
    assert (parts["Test"].to_numpy() == np.column_stack([split.test, split.test_labels])).all()
    assert (parts["Validation"]["Label"].to_numpy() == split.validation_labels).all()
    everything = pd.concat(parts.values())[["TF", "Target"]]
    assert not everything.duplicated().any(), "no pair stands in two parts"


def test_an_arm_does_not_differ_from_its_own_scores(exported: tuple[Cell, Path], tmp_path: Path):
    cell, folder = exported
    result = run_cell(cell, Lane("cpu", 1))
    Ledger(tmp_path).write(result.record, result.predictions)
    [split] = make_folds(load_dataset(cell.dataset, cell.root), cell.split, cell.repeat)
    scores = result.predictions["score"][result.predictions["part"] == "test"]
    own = pd.DataFrame({"TF": split.test[:, 0], "Target": split.test[:, 1], "score": scores})
    own.sample(frac=1.0, random_state=0).to_csv(folder / "own.csv", index=False)
    rows = compare_scores.compare(cell, folder, "own.csv", OutFolder(tmp_path))
    assert rows["arm"].iloc[0] == pytest.approx(result.record.scores["test"]["auroc"])
    assert np.allclose(rows["difference"], 0.0)
    own.iloc[1:].to_csv(folder / "lacking.csv", index=False)
    with pytest.raises(SystemExit, match=r"lacking.csv does not score the pairs of the test, each once"):
        compare_scores.compare(cell, folder, "lacking.csv", OutFolder(tmp_path))


def test_the_interval_is_students():
    low, high = compare_scores.interval(np.array([0.01, 0.02, 0.03]))
    assert (low, high) == pytest.approx((0.02 - 4.302653 * 0.01 / 3**0.5, 0.02 + 4.302653 * 0.01 / 3**0.5))
