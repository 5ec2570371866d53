"""Trials of a search: arms that were proposed, cell by cell, and how each ended; one record per finished trial.

A record names the arm and its end; its scores are those of its cells in the ledger, which is the truth. So a search
goes on from any kill, and the Optuna storage beside it can be thrown away.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from statistics import mean
from typing import Any

from components.core.metrics import COSTS
from search_spaces.arm import Arm, parse_choice
from study.spec.cell import Cell
from study.spec.files import write_text
from study.spec.folder import SearchFolder
from study.spec.records import CellRecord, TrialRecord, TrialState, read_if_sound
from study.store.ledger import Ledger


@dataclass
class Trial:
    """An arm in a search: proposed by the sampler, or warm, found finished in the ledger."""

    number: int  # place in the order of proposal; warm trials come first
    arm: Arm
    cells: tuple[Cell, ...]  # its cells on data sets x repeats, in the fixed order in which they are scored
    warm: bool = False  # whether the ledger held it before the search began
    counts: bool = True  # whether its arm lies in the search's space, as it is now
    params: dict[str, Any] | None = None  # its parameters there; None if it lies outside, as the reference may
    records: dict[str, CellRecord] = field(default_factory=dict)  # the records of its cells so far, by digest
    # ``running`` until it ends; why, if it failed
    state: TrialState = TrialState.RUNNING
    steps: int = 0  # how many cells, from the first on, its score is the mean of
    reason: str = ""
    # what sampler and pruner noted on it (the generation of NSGA-II, the rungs of Hyperband)
    attrs: dict[str, Any] = field(default_factory=dict)
    sent: set[str] = field(default_factory=set)  # digests of the cells that were given to the pool
    _values: dict[str, float] = field(default_factory=dict)  # once it has ended

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.state is TrialState.RUNNING

    @property
    def complete(self) -> bool:
        """Whether it has ended with a score over all its cells."""
        return self.state is TrialState.COMPLETE

    @property
    def scored(self) -> list[CellRecord]:
        """Records of the cells that count, in order."""
        return [self.records[cell.digest] for cell in self.cells[: self.steps]]

    def value(self, name: str) -> float:
        """Return the mean of an objective over the cells that count."""
        if name in self._values:
            return self._values[name]
        value = mean(objective(record, name) for record in self.scored)
        if not self.running:
            self._values[name] = value
        return value

    @property
    def seconds(self) -> float:
        """What the cells that count have cost."""
        return sum(record.seconds for record in self.scored)

    def take_recorded(self, ledger: Ledger) -> bool:
        """Take the cells that the ledger holds; return whether it holds all that count."""
        for cell in self.cells:  # each is asked for: the ledger may hold far more
            if (record := ledger.read(cell.digest)) is not None:
                self.records[cell.digest] = record
        return all(cell.digest in self.records for cell in self.cells[: self.steps])


def objective(record: CellRecord, name: str) -> float:
    """Return a cell's value of an objective: a cost, or a metric on VALIDATION pairs, never on test ones."""
    if name in COSTS:
        return float(getattr(record, name))
    value = record.scores["validation"][name]
    return float("nan") if value is None else value


def write_trial(trial: Trial, folder: SearchFolder) -> None:
    """Record a finished trial, its arm as a user would write it, with every setting."""
    choices = trial.arm.choices.items()
    record = TrialRecord(
        number=trial.number,
        state=trial.state,
        warm=trial.warm,
        steps=trial.steps,
        reason=trial.reason,
        attrs=trial.attrs,
        cells=[cell.digest for cell in trial.cells],
        choices={name: {choice.level: choice.settings.model_dump(mode="json")} for name, choice in choices},
        rows=[cell.row for cell in trial.cells],
    )
    write_text(folder.trial(trial.number), record.text())


def read_trials(folder: SearchFolder) -> list[TrialRecord]:
    """Return the records of finished trials, by number.

    One that is damaged counts as none: its arm is proposed again, and its cells are in the ledger.
    """
    records = {path: read_if_sound(path, TrialRecord) for path in sorted(folder.trials.glob("*.json"))}
    return [record for path, record in records.items() if record is not None and folder.trial(record.number) == path]


def read_arm(choices: Mapping[str, Any], reference: Arm) -> Arm:
    """Return the arm of recorded choices; factors that are left out are the reference's."""
    changes = {factor: parse_choice(factor, choice) for factor, choice in choices.items()}
    return replace(reference, choices={**reference.choices, **changes}, role="arm")


def recorded_arms(ledger: Ledger) -> list[dict[str, Any]]:
    """Return the distinct arms that the ledger knows of, as choices, in a fixed order."""
    identities = (record.identity for record in ledger.read_all(sorted(ledger.cells())).values())
    arms = {json.dumps(identity["arm"], sort_keys=True): identity["arm"] for identity in identities if identity}
    return [
        {factor: {choice["level"]: choice["settings"]} for factor, choice in arms[key].items()} for key in sorted(arms)
    ]
