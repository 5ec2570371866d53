"""What cells left in files of their own beside its table, read only where the report asks for it."""

from __future__ import annotations

import itertools
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from reports.errors import ReportError
from reports.table.scores import Status
from reports.words.names import plain_names

Content = TypeVar("Content")
COLUMNS = ("tf", "target", "label", "score")
PARTS = ("part", "fold")  # of the exam; predictions of earlier versions have those of the test alone
STAGES = {"joint": "epochs", "graph": "graph_epochs"}  # to the key of a budget that says how long it may last
_VALIDATION = "_validation_"
NEIGHBOURS = 15
FEWEST = 3 * NEIGHBOURS  # pairs; among fewer, the neighbours of a pair are a third of all
_ARRAYS = ("tf", "target", "label", "before", "after", "asked")


@dataclass(frozen=True)
class CellFiles:
    """Files that cells left beside a table, read only where somebody asks for them.

    Attributes
    ----------
    folder
        Where they lie.
    cells
        One row (arm, dataset, repeat, cell) per file.
    unread
        Why a file could not be read, by path, of those that were asked for: they are left out, and nothing else is.
    """

    suffix: ClassVar[str]
    folder: Path
    cells: pd.DataFrame
    unread: dict[str, str] = field(default_factory=dict)

    @classmethod
    def beside(cls, table: Path, folder: Path) -> Self | None:
        """Find the files in a folder that belong to finished cells of a study's table; None where there are none.

        Files of cells that the table does not hold are left alone: it may have been searched with them.
        """
        stems = {path.stem for path in folder.glob(f"*{cls.suffix}")}
        if not stems or not table.is_file():
            return None
        cells = pd.read_parquet(table, columns=["arm", "dataset", "repeat", "cell", "status"])
        cells = cells[(cells["status"] == Status.OK) & cells["cell"].isin(stems)]
        cells = cells.drop(columns="status").drop_duplicates()
        cells = cells.assign(**{name: plain_names(cells[name]) for name in ("arm", "dataset")})
        return None if cells.empty else cls(folder, cells.sort_values("repeat", kind="stable", ignore_index=True))

    def read(self, arm: str, dataset: str, content_of: Callable[[Path, int], Content]) -> Iterator[tuple[int, Content]]:
        """Yield repeat and content of the files of an arm on a data set that can be read, by repeat."""
        mine = self.cells[(self.cells["arm"] == arm) & (self.cells["dataset"] == dataset)]
        for repeat, cell in zip(mine["repeat"].astype(int), mine["cell"], strict=True):
            path = self.folder / f"{cell}{self.suffix}"
            try:
                content = content_of(path, repeat)
            except ReportError as error:
                self.unread[str(path)] = error.message
            else:
                yield repeat, content


class Predictions(CellFiles):
    """Where the predictions lie: one file per cell."""

    suffix = ".parquet"

    def of(self, arm: str, dataset: str) -> list[pd.DataFrame]:
        """Return what an arm predicted on a data set, one table (tf, target, label, score) per repeat."""
        tables = self.every_part(arm, dataset).values()
        return [table.loc[table["part"] == "test", [*COLUMNS]].reset_index(drop=True) for table in tables]

    def every_part(self, arm: str, dataset: str) -> dict[int, pd.DataFrame]:
        """Return what an arm predicted on a data set in validation and test, by repeat, with columns part and fold."""
        return dict(self.read(arm, dataset, _read_predictions))


def _read_predictions(path: Path, _: int) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(path)
    except (ValueError, OSError) as error:
        raise ReportError(f"not readable predictions: {error}", where=str(path)) from error
    lacking = [column for column in COLUMNS if column not in frame]
    if lacking:
        raise ReportError(f"predictions lack {', '.join(lacking)}; they need {', '.join(COLUMNS)}.", where=str(path))
    if not set(PARTS) <= set(frame):
        frame = frame.assign(part="test", fold=0)
    return frame[[*COLUMNS, *PARTS]]


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

    suffix = ".json"

    def of(self, arm: str, dataset: str, most: int) -> dict[str, list[Trained]]:
        """Return how an arm was trained on a data set: stage to one training per repeat, the first ``most`` of them."""
        trainings: dict[str, list[Trained]] = {stage: [] for stage in STAGES}
        for _, stages in itertools.islice(self.read(arm, dataset, _read_record), most):
            for stage, trained in stages.items():
                trainings[stage].append(trained)
        return trainings


def _read_record(path: Path, repeat: int) -> dict[str, Trained]:
    """Return the stages that a record tells of: none, for an arm that is not trained."""
    try:
        record = json.loads(path.read_text())
        budget = record.get("identity", {}).get("budget") or {}
        stages = {name: _stage(name, record["curves"], budget, repeat) for name in STAGES}
        return {name: stage for name, stage in stages.items() if stage is not None}
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        raise ReportError(f"this record is damaged ({error!r}); delete it and run again.", where=str(path)) from error


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


@dataclass(frozen=True)
class Embedded:
    """Test pairs of one cell, with the vectors ``[pairs, width]`` that its classifier read.

    ``pairs`` has one row (tf, target, label) each; ``asked`` are the test pairs they were drawn from, ``known`` those
    of them that are edges.
    """

    repeat: int
    pairs: pd.DataFrame
    before: NDArray[np.float32]
    after: NDArray[np.float32]
    asked: int
    known: int


class Embeddings(CellFiles):
    """Where the embeddings lie: one file per cell that saved them."""

    suffix = ".npz"

    def of(self, arm: str, dataset: str) -> Embedded | None:
        """Return what an arm made of test pairs on a data set, in its first repeat that was saved."""
        first = next(self.read(arm, dataset, _read_embeddings), None)
        return None if first is None else first[1]


def separation(vectors: NDArray[np.float32], labels: NDArray[np.int8]) -> float:
    """Return the AUROC of the share of edges among the nearest neighbours of each pair, itself left out.

    Distances are Euclidean over the full width. Missing with fewer than ``FEWEST`` pairs or one class alone.
    """
    if len(labels) < FEWEST or len(set(labels.tolist())) < 2:
        return float("nan")
    near = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(vectors).kneighbors(return_distance=False)
    return float(roc_auc_score(labels, labels[near].mean(axis=1)))


def _read_embeddings(path: Path, repeat: int) -> Embedded:
    try:
        with np.load(path, allow_pickle=False) as file:
            tf, target, label, before, after, n_asked = (file[name] for name in _ARRAYS)
    except KeyError as error:
        raise ReportError(f"embeddings lack {error}; they need {', '.join(_ARRAYS)}.", where=str(path)) from None
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ReportError(f"not readable embeddings: {error}", where=str(path)) from error
    sound = before.shape == after.shape and before.ndim == 2 and {len(tf), len(target), len(label)} == {len(before)}
    if not sound or not (np.isfinite(before).all() and np.isfinite(after).all()):
        raise ReportError("embeddings are damaged: vectors are missing, or not finite numbers.", where=str(path))
    pairs = pd.DataFrame({"tf": tf, "target": target, "label": label})
    return Embedded(repeat, pairs, before, after, *map(int, n_asked))
