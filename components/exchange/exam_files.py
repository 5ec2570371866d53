"""Writes an exam as files in GENELink's layout: pairs are places in the list of genes.

Source: GENELink's repository (``Train_set.csv`` ...: an unnamed counter, then TF, Target, Label).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from components.core.dataset import Ints
from components.learning import View
from components.tables.pseudotime import PSEUDOTIME, write_pseudotime


@dataclass(frozen=True)
class ExamFiles:
    """The files of one exam in a folder.

    Attributes
    ----------
    root
        The folder.
    """

    root: Path

    @property
    def expression(self) -> Path:
        """``[genes, cells]``, a row per gene."""
        return self.root / "BL--ExpressionData.csv"

    @property
    def tfs(self) -> Path:
        """TF and its place in the list of genes."""
        return self.root / "TF.csv"

    @property
    def genes(self) -> Path:
        """Gene and its place, in the order of the expression."""
        return self.root / "Target.csv"

    @property
    def pseudotime(self) -> Path:
        """``[cells, lineages]``, a row per cell; only where the data set has one."""
        return self.root / PSEUDOTIME

    @property
    def train(self) -> Path:
        """Training pairs with labels: positives, then the negatives of the first epoch."""
        return self.root / "Train_set.csv"

    @property
    def validation(self) -> Path:
        """Validation pairs with labels."""
        return self.root / "Validation_set.csv"

    @property
    def pool(self) -> Path:
        """Pairs that training negatives may be drawn from."""
        return self.root / "Pool.csv"

    @property
    def pairs(self) -> Path:
        """Pairs to be scored, of validation and test, sorted, without labels."""
        return self.root / "Pairs.csv"


def write_exam(view: View, pairs: Ints, folder: Path) -> ExamFiles:
    """Write what a model may learn from, and the ``pairs`` ``[n, 2]`` to be scored; no label of the test is there."""
    files = ExamFiles(folder)
    folder.mkdir(parents=True, exist_ok=True)
    genes = pd.Index(view.genes)
    cells = [f"cell{number}" for number in range(view.expression.shape[1])]
    pd.DataFrame(view.expression, index=genes, columns=cells).to_csv(files.expression)
    pd.DataFrame({"TF": genes[view.tfs], "index": view.tfs}).to_csv(files.tfs)
    pd.DataFrame({"Gene": genes, "index": np.arange(len(genes))}).to_csv(files.genes)
    if view.pseudotime is not None:
        write_pseudotime(files.pseudotime, view.pseudotime, cells)
    write_pairs(files.train, *view.training_pairs())
    write_pairs(files.validation, view.validation, view.validation_labels)
    write_pairs(files.pool, view.training.pool)
    write_pairs(files.pairs, pairs)
    return files


def write_pairs(path: Path, pairs: Ints, labels: Ints | None = None) -> None:
    """Write pairs ``[n, 2]`` with labels ``[n]``, or without any."""
    table = pd.DataFrame({"TF": pairs[:, 0], "Target": pairs[:, 1]})
    (table if labels is None else table.assign(Label=labels)).to_csv(path)
