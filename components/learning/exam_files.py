"""Writes an exam as files in GENELink's layout: pairs are places in the list of genes.

Source: GENELink's repository (``Train_set.csv`` ...: an unnamed counter, then TF, Target, Label).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from components.core.dataset import PSEUDOTIME, Ints, write_pseudotime
from components.learning.view import View

FILES = {
    "expression": "BL--ExpressionData.csv",  # [genes, cells], a row per gene
    "tfs": "TF.csv",  # TF and its place in the list of genes
    "genes": "Target.csv",  # gene and its place, in the order of the expression
    "train": "Train_set.csv",  # training pairs with labels: positives, then the negatives of the first epoch
    "validation": "Validation_set.csv",  # validation pairs with labels
    "pool": "Pool.csv",  # pairs that training negatives may be drawn from
    "pairs": "Pairs.csv",  # pairs to be scored, of validation and test, sorted, without labels
}


def write_exam(view: View, pairs: Ints, folder: Path) -> dict[str, Path]:
    """Write what a model may learn from, and the ``pairs`` ``[n, 2]`` to be scored; no label of the test is there.

    Pseudotime is written beside the files that are returned, where the data set has one.
    """
    import pandas as pd  # 80 MB, which a worker without programs does without

    files = {name: folder / file for name, file in FILES.items()}
    folder.mkdir(parents=True, exist_ok=True)
    genes = pd.Index(view.genes)
    cells = [f"cell{number}" for number in range(view.expression.shape[1])]
    pd.DataFrame(view.expression, index=genes, columns=cells).to_csv(files["expression"])
    pd.DataFrame({"TF": genes[view.tfs], "index": view.tfs}).to_csv(files["tfs"])
    pd.DataFrame({"Gene": genes, "index": np.arange(len(genes))}).to_csv(files["genes"])
    if view.pseudotime is not None:
        write_pseudotime(folder / PSEUDOTIME, view.pseudotime, cells)
    write_pairs(files["train"], *view.training_pairs())
    write_pairs(files["validation"], view.validation, view.validation_labels)
    write_pairs(files["pool"], view.training.pool)
    write_pairs(files["pairs"], pairs)
    return files


def write_pairs(path: Path, pairs: Ints, labels: Ints | None = None) -> None:
    """Write pairs ``[n, 2]`` with labels ``[n]``, or without any."""
    import pandas as pd

    table = pd.DataFrame({"TF": pairs[:, 0], "Target": pairs[:, 1]})
    (table if labels is None else table.assign(Label=labels)).to_csv(path)
