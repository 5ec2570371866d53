"""Trials of a search: arms that were proposed, cell by cell, and how each ended; one small file per finished trial.

A record names the arm and its end; its scores are those of its cells in the ledger, which is the truth. So a search
goes on from any kill, and the Optuna storage beside it can be thrown away.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean
from typing import Any, Literal

from components.core.errors import KnockoutError
from components.core.metrics import COSTS
from search_spaces.arm import Arm, parse_choice
from study.plan.plan import Row
from study.spec.files import write_atomically
from study.store.ledger import Ledger
from study.train.cell import Cell, Result

__all__ = ["State", "Trial", "TrialFiles", "objective"]

State = Literal["running", "complete", "pruned", "failed"]


@dataclass
class Trial:
    """An arm in a search: proposed by the sampler, or warm, found finished in the ledger.

    Attributes
    ----------
    number
        Place in the order of proposal; warm trials come first.
    arm
        The arm.
    cells, rows
        Its cells on data sets x repeats, in the fixed order in which they are scored, with their table rows.
    results
        What came of the cells so far, by digest.
    state
        ``running`` until it ends.
    steps
        How many cells, from the first on, its score is the mean of.
    attrs
        What sampler and pruner noted on it (the generation of NSGA-II, the rungs of Hyperband).
    """

    number: int
    arm: Arm
    cells: tuple[Cell, ...]
    rows: tuple[Row, ...]
    warm: bool = False
    results: dict[str, Result] = field(default_factory=dict)
    state: State = "running"
    steps: int = 0
    reason: str = ""
    attrs: dict[str, Any] = field(default_factory=dict)
    sent: set[str] = field(default_factory=set)  # digests of cells given to the pool

    @property
    def scored(self) -> list[Result]:
        """Results of the cells that count, in order."""
        return [self.results[cell.digest] for cell in self.cells[: self.steps]]

    def next_step(self) -> Result | None:
        """Return the result that comes next in the fixed order, None while it is awaited."""
        return self.results.get(self.cells[self.steps].digest) if self.steps < len(self.cells) else None

    def value(self, name: str) -> float:
        """Return the mean of an objective over the cells that count."""
        return mean(objective(result, name) for result in self.scored)

    @property
    def seconds(self) -> float:
        """What the cells that count have cost."""
        return sum(result.seconds for result in self.scored)


def objective(result: Result, name: str) -> float:
    """Return what a finished cell says of an objective: a cost, or a metric on VALIDATION pairs, never on test ones."""
    if name in COSTS:
        return float(getattr(result, name))
    value = result.scores["validation"][name]
    return float("nan") if value is None else value


class TrialFiles:
    """The finished trials of a search on disk: ``FOLDER/trials/<number>.json``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "trials"

    def write(self, trial: Trial) -> None:
        """Record a finished trial."""
        content = {
            "number": trial.number,
            "state": trial.state,
            "warm": trial.warm,
            "steps": trial.steps,
            "reason": trial.reason,
            "attrs": trial.attrs,
            "cells": [cell.digest for cell in trial.cells],
            "choices": written(trial.arm),
        }
        text = json.dumps(content)
        write_atomically(self.folder / f"{trial.number:06d}.json", lambda path: path.write_text(text))

    def read(self) -> list[dict[str, Any]]:
        """Return the records there are, by number.

        Raises
        ------
        KnockoutError
            If a file is damaged.
        """
        found = []
        for path in sorted(self.folder.glob("*.json")):
            try:
                content = json.loads(path.read_text())
                found.append({key: content[key] for key in (*KEYS, "cells", "choices")})
            except (ValueError, TypeError, KeyError) as error:
                raise KnockoutError(
                    f"the record is damaged ({error}); delete this file and run again: its cells are in the ledger.",
                    where=str(path),
                ) from None
        return found

    def drop(self) -> None:
        """Remove every record: they are of other data, repeats or code."""
        for path in self.folder.glob("*.json"):
            path.unlink(missing_ok=True)


KEYS = ("number", "state", "warm", "steps", "reason", "attrs")


def written(arm: Arm) -> dict[str, Any]:
    """Return an arm as a user would write it, every setting said."""
    return {name: {choice.level: choice.settings.model_dump(mode="json")} for name, choice in arm.choices.items()}


def read_arm(choices: Mapping[str, Any], reference: Arm, name: str) -> Arm:
    """Return the arm of :func:`written`, or of the canonical form with the reference's choices where it is silent."""
    given = {factor: parse_choice(factor, choice) for factor, choice in choices.items()}
    return replace(reference.vary(given, name=name), budget=reference.budget)


def take_recorded(trial: Trial, ledger: Ledger) -> None:
    """Give a trial what the ledger holds of its cells; each is asked for, since the ledger may hold far more."""
    for cell in trial.cells:
        if (result := ledger.read(cell.digest)) is not None:
            trial.results[cell.digest] = result


def finish(trial: Trial, ledger: Ledger) -> bool:
    """Fill a recorded trial with its cells' results; say whether the ledger still holds all that count."""
    take_recorded(trial, ledger)
    return all(cell.digest in trial.results for cell in trial.cells[: trial.steps])


def warm_arms(identities: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the distinct arms that the ledger knows of, as choices, in a fixed order."""
    known = {json.dumps(identity["arm"], sort_keys=True): identity["arm"] for identity in identities if identity}
    return [
        {factor: {choice["level"]: choice["settings"]} for factor, choice in known[key].items()}
        for key in sorted(known)
    ]
