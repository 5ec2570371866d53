"""Every path of an output folder: nothing else in knockout spells out a name in OUT."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SearchFolder:
    """The files of one search: ``OUT/search``, or ``OUT/tune/<arm digest>``.

    Attributes
    ----------
    root
        The folder itself.
    """

    root: Path

    @property
    def trials(self) -> Path:
        """Folder with one record per finished trial."""
        return self.root / "trials"

    def trial(self, number: int) -> Path:
        """Return the record of one finished trial."""
        return self.trials / f"{number:06d}.json"

    @property
    def trial_table(self) -> Path:
        """One row per finished trial, for people and reports."""
        return self.root / "trials.csv"

    @property
    def summary(self) -> Path:
        """What was searched and how, and what explains the scores."""
        return self.root / "search.json"

    @property
    def clock(self) -> Path:
        """Seconds that the search has taken so far."""
        return self.root / "clock.json"

    @property
    def openings(self) -> Path:
        """For which arms the test was opened, and when."""
        return self.root / "openings.json"

    @property
    def confirmed(self) -> Path:
        """What arms scored in the search, and on fresh repeats."""
        return self.root / "confirmed.csv"

    @property
    def path(self) -> Path:
        """What arms between the reference and the best one scored on fresh repeats."""
        return self.root / "path.csv"

    @property
    def walked(self) -> Path:
        """Every cell that was trained for the path, those of changes that were not kept included."""
        return self.root / "path.json"

    @property
    def tables(self) -> tuple[Path, ...]:
        """What a report says of the search, as far as it is there."""
        return tuple(file for file in (self.summary, self.trial_table, self.confirmed, self.path) if file.is_file())

    @property
    def journal(self) -> Path:
        """Optuna's own storage, unless a URL names another."""
        return self.root / "optuna.log"

    @property
    def journal_lock(self) -> Path:
        """Lock of Optuna's storage."""
        return self.root / ".optuna.lock"

    @property
    def report(self) -> Path:
        """Folder of the report of the search alone, its test sealed."""
        return self.root / "report"


@dataclass(frozen=True)
class OutFolder:
    """An output folder (``--out``) of a study.

    Attributes
    ----------
    root
        The folder itself.
    """

    root: Path

    @property
    def plan(self) -> Path:
        """The cells that the study last run here planned."""
        return self.root / "plan.json"

    @property
    def registration(self) -> Path:
        """The question that was registered before scores were seen."""
        return self.root / "registration.yaml"

    @property
    def owners(self) -> Path:
        """The studies that run here, and what their files say."""
        return self.root / "studies.json"

    @property
    def commands(self) -> Path:
        """The commands that ran cells into this folder, one per line."""
        return self.root / "commands.txt"

    @property
    def table(self) -> Path:
        """The tidy table: one row per cell, part and metric."""
        return self.root / "cells.parquet"

    @property
    def report(self) -> Path:
        """Folder of the study's report."""
        return self.root / "report"

    @property
    def given(self) -> Path:
        """Folder with the data sets that were given as objects, by digest, and the study file that reads them."""
        return self.root / "given"

    @property
    def ledger(self) -> Path:
        """Folder with one record per finished cell."""
        return self.root / "ledger"

    def record(self, cell: str) -> Path:
        """Return the record of a cell, given by its digest."""
        return self.ledger / f"{cell}.json"

    @property
    def predictions_folder(self) -> Path:
        """Folder with the predictions of every finished cell."""
        return self.root / "predictions"

    @property
    def embeddings_folder(self) -> Path:
        """Folder with what models make of test pairs."""
        return self.root / "embeddings"

    def predictions(self, cell: str) -> Path:
        """Return the predictions of a cell in test and validation: TF, target, label, score, part, fold."""
        return self.predictions_folder / f"{cell}.parquet"

    def embeddings(self, cell: str) -> Path:
        """Return what a cell's model makes of test pairs, before its training and after it."""
        return self.embeddings_folder / f"{cell}.npz"

    def traceback(self, cell: str) -> Path:
        """Return the full traceback of a cell that failed."""
        return self.root / "tracebacks" / f"{cell}.txt"

    def output(self, cell: str, fold: int = 0) -> Path:
        """Return what the program of a cell printed, or in one of its folds (counted from 1)."""
        return self.root / "output" / (f"{cell}-fold_{fold}.txt" if fold else f"{cell}.txt")

    @property
    def scratch(self) -> Path:
        """Folder in which programs find their files while they run."""
        return self.root / "scratch"

    @property
    def checkpoints(self) -> Path:
        """Folder with the state of trainings that have not ended."""
        return self.root / "checkpoints"

    def checkpoint(self, cell: str, fold: int = 0) -> Path:
        """Return the checkpoint of a cell, or of one of its folds (counted from 1)."""
        return self.checkpoints / (f"{cell}-fold_{fold}.pt" if fold else f"{cell}.pt")

    def stage(self, digest: str) -> Path:
        """Return a stage of training that several arms share."""
        return self.root / "shared" / f"{digest}.pt"

    @property
    def claims(self) -> Path:
        """Folder that says which driver trains which cell."""
        return self.root / "claims"

    def claim(self, cell: str) -> Path:
        """Return the claim on a cell."""
        return self.claims / f"{cell}.json"

    @property
    def claims_lock(self) -> Path:
        """Lock of all claims."""
        return self.claims / ".lock"

    @property
    def drivers(self) -> Path:
        """Folder with one file per driver."""
        return self.claims / "drivers"

    def driver(self, name: str) -> Path:
        """Return the file in which a driver says who it is."""
        return self.drivers / f"{name}.json"

    @property
    def mlflow(self) -> Path:
        """MLflow's sqlite store, unless ``--tracking-uri`` names another."""
        return self.root / "mlflow.db"

    @property
    def mlflow_artifacts(self) -> Path:
        """Artifacts of MLflow's own store."""
        return self.root / "mlartifacts"

    @property
    def mlflow_lock(self) -> Path:
        """Lock of MLflow's runs."""
        return self.root / ".mlflow.lock"

    @property
    def search(self) -> SearchFolder:
        """The search of a study that searches."""
        return SearchFolder(self.root / "search")

    @property
    def tuning(self) -> Path:
        """Folder of a tuned ablation, with one search per arm."""
        return self.root / "tune"

    @property
    def tuning_table(self) -> Path:
        """What the search of each arm was allowed, spent and found."""
        return self.tuning / "tuning.csv"

    def tuning_of(self, arm: str) -> SearchFolder:
        """Return the search of one arm of a tuned ablation, given by the arm's digest."""
        return SearchFolder(self.tuning / arm)

    @property
    def is_study(self) -> bool:
        """Whether a study or a search was run here."""
        return self.plan.exists() or self.ledger.exists() or self.search.root.exists()
