"""How the models were trained, epoch by epoch, read only where a figure asks for it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.errors import ReportError
from reports.stored.cells import CellFiles, cells_beside

STAGES = {"joint": "epochs", "graph": "graph_epochs"}  # to the key of a budget that says how long it may last
_VALIDATION = "_validation_"


@dataclass(frozen=True)
class Trained:
    """One stage of the training of one cell (of its first fold, where the exam has folds).

    Attributes
    ----------
    repeat
        Paired index.
    loss, validation
        Training loss and validation score of every epoch, the first at 0.
    metric
        What validation was scored by.
    allowed
        Epochs that the budget allowed; None where the record does not say.
    folds
        How many folds were trained, each with curves of its own.
    """

    repeat: int
    loss: tuple[float, ...]
    validation: tuple[float, ...]
    metric: str
    allowed: int | None
    folds: int = 1

    @property
    def picked(self) -> int:
        """The epoch, from 1, whose model was kept: the first with the highest validation score."""
        return 1 + self.validation.index(max(self.validation))


class Curves(CellFiles):
    """Where the records lie: one per cell."""

    def of(self, arm: str, dataset: str, most: int) -> dict[str, list[Trained]]:
        """Return how an arm was trained on a data set: stage to one training per repeat, the first ``most`` of them."""
        trainings: dict[str, list[Trained]] = {stage: [] for stage in STAGES}
        for _, stages in itertools.islice(self.read(arm, dataset, ".json", _read), most):
            for stage, trained in stages.items():
                trainings[stage].append(trained)
        return trainings


def read_curves(table: Path, folder: Path) -> Curves | None:
    """Find the records in a folder that belong to the cells of a table; None where there are none."""
    cells = cells_beside(table, folder, ".json")
    return None if cells.empty else Curves(folder, cells)


def _read(path: Path, repeat: int) -> dict[str, Trained]:
    """Return the stages that a record tells of: none, for an arm that is not trained."""
    try:
        record = json.loads(path.read_text())
        budget = record.get("identity", {}).get("budget") or {}
        stages = {name: _stage(name, record["curves"], budget, repeat) for name in STAGES}
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        raise ReportError(f"this record is damaged ({error!r}); delete it and run again.", where=str(path)) from error
    return {name: stage for name, stage in stages.items() if stage is not None}


def _stage(name: str, curves: Mapping[str, list[float]], budget: Mapping[str, Any], repeat: int) -> Trained | None:
    scored = next((curve for curve in curves if curve.startswith(name + _VALIDATION)), None)
    if scored is None:
        return None
    loss, validation = (tuple(map(float, curves[curve])) for curve in (f"{name}_loss", scored))
    if len(loss) != len(validation) or not loss:
        raise ValueError(f"{len(loss)} losses and {len(validation)} validation scores in stage {name}")
    allowed = budget.get(STAGES[name])
    folds = 1 + sum(curve.endswith(f"/{scored}") for curve in curves)
    metric = scored.partition(_VALIDATION)[2]
    return Trained(repeat, loss, validation, metric, None if allowed is None else int(allowed), folds)
