"""Every path of an output folder: nothing else in knockout spells out a name in OUT."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


class _Place:
    """A file or folder below ``root``, with a line on what it holds."""

    def __init__(self, name: str, meaning: str) -> None:
        self.name, self.__doc__ = name, meaning

    def __get__(self, folder: OutFolder | SearchFolder, owner: type) -> Path:
        return folder.root / self.name


class _Places:
    """Files below ``root`` whose names hold that of a cell, a trial, a stage or a driver: a function of it."""

    def __init__(self, form: str, meaning: str) -> None:
        self.form, self.__doc__ = form, meaning

    def __get__(self, folder: OutFolder | SearchFolder, owner: type) -> Callable[[object], Path]:
        return lambda name: folder.root / self.form.format(name)


@dataclass(frozen=True)
class SearchFolder:
    """The files of one search below ``root``: ``OUT/search``, or ``OUT/tune/<arm digest>``."""

    root: Path

    trials = _Place("trials", "Folder with one record per finished trial.")
    trial = _Places("trials/{:06d}.json", "The record of one finished trial, given by its number.")
    trial_table = _Place("trials.csv", "One row per finished trial, for people and reports.")
    summary = _Place("search.json", "What was searched and how, and what explains the scores.")
    clock = _Place("clock.json", "Seconds that the search has taken so far.")
    openings = _Place("openings.json", "For which arms the test was opened, and when.")
    confirmed = _Place("confirmed.csv", "What arms scored in the search, and on fresh repeats.")
    path = _Place("path.csv", "What arms between the reference and the best one scored on fresh repeats.")
    walked = _Place(
        "path.json", "Every cell that was trained for the path, those of changes that were not kept included."
    )
    journal = _Place("optuna.log", "Optuna's own storage, unless a URL names another.")
    journal_lock = _Place(".optuna.lock", "Lock of Optuna's storage.")
    report = _Place("report", "Folder of the report of the search alone, its test sealed.")

    @property
    def tables(self) -> tuple[Path, ...]:
        """What a report says of the search, as far as it is there."""
        return tuple(file for file in (self.summary, self.trial_table, self.confirmed, self.path) if file.is_file())


@dataclass(frozen=True)
class OutFolder:
    """The output folder ``root`` (``--out``) of a study."""

    root: Path

    plan = _Place("plan.json", "The cells that the study last run here planned.")
    registration = _Place("registration.yaml", "The question that was registered before scores were seen.")
    owners = _Place("studies.json", "The studies that run here, and what their files say.")
    commands = _Place("commands.txt", "The commands that ran cells into this folder, one per line.")
    table = _Place("cells.parquet", "The tidy table: one row per cell, part and metric.")
    report = _Place("report", "Folder of the study's report.")
    given = _Place(
        "given", "Folder with the data sets that came as objects, by digest, and the study file that reads them."
    )
    ledger = _Place("ledger", "Folder with one record per finished cell.")
    record = _Places("ledger/{}.json", "The record of a cell, given by its digest.")
    predictions_folder = _Place("predictions", "Folder with the predictions of every finished cell.")
    embeddings_folder = _Place("embeddings", "Folder with what models make of test pairs.")
    predictions = _Places(
        "predictions/{}.parquet", "Predictions of a cell in test and validation: TF, target, label, score, part, fold."
    )
    embeddings = _Places("embeddings/{}.npz", "What a cell's model makes of test pairs, before and after its training.")
    traceback = _Places("tracebacks/{}.txt", "The full traceback of a cell that failed.")

    def output(self, cell: str, fold: int = 0) -> Path:
        """Return what the program of a cell printed, or in one of its folds (counted from 1)."""
        return self.root / "output" / (f"{cell}-fold_{fold}.txt" if fold else f"{cell}.txt")

    scratch = _Place("scratch", "Folder in which programs find their files while they run.")
    checkpoints = _Place("checkpoints", "Folder with the state of trainings that have not ended.")

    def checkpoint(self, cell: str, fold: int = 0) -> Path:
        """Return the checkpoint of a cell, or of one of its folds (counted from 1)."""
        return self.checkpoints / (f"{cell}-fold_{fold}.pt" if fold else f"{cell}.pt")

    stage = _Places("shared/{}.pt", "A stage of training that several arms share, given by its digest.")
    claims = _Place("claims", "Folder that says which driver trains which cell.")
    claim = _Places("claims/{}.json", "The claim on a cell.")
    claims_lock = _Place("claims/.lock", "Lock of all claims.")
    drivers = _Place("claims/drivers", "Folder with one file per driver.")
    driver = _Places("claims/drivers/{}.json", "The file in which a driver says who it is, given by its name.")
    mlflow = _Place("mlflow.db", "MLflow's sqlite store, unless ``--tracking-uri`` names another.")
    mlflow_artifacts = _Place("mlartifacts", "Artifacts of MLflow's own store.")
    mlflow_lock = _Place(".mlflow.lock", "Lock of MLflow's runs.")

    @property
    def search(self) -> SearchFolder:
        """The search of a study that searches."""
        return SearchFolder(self.root / "search")

    tuning = _Place("tune", "Folder of a tuned ablation, with one search per arm.")
    tuning_table = _Place("tune/tuning.csv", "What the search of each arm was allowed, spent and found.")

    def tuning_of(self, arm: str) -> SearchFolder:
        """Return the search of one arm of a tuned ablation, given by the arm's digest."""
        return SearchFolder(self.tuning / arm)

    @property
    def is_study(self) -> bool:
        """Whether a study or a search was run here."""
        return self.plan.exists() or self.ledger.exists() or self.search.root.exists()
