"""What a search leaves for reports and for `knockout status`: plain tables, without the sealed test scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from components.tables.csvfile import for_spreadsheets
from search_spaces.arm import Arm
from study.search.proposals import directions
from study.search.search import Search
from study.spec.files import write_atomically, write_text
from study.spec.folder import OutFolder
from study.spec.records import SearchRecord, TrialState


def write_csv(table: pd.DataFrame, file: Path) -> None:
    """Write a table for people: no text in it is a formula to a spreadsheet."""
    write_atomically(file, lambda path: for_spreadsheets(table).to_csv(path, index=False))


def write_trials(search: Search) -> None:
    """Write one row per finished trial: how it ended, its validation scores, its parameters."""
    parameters = [f"param:{parameter.name}" for parameter in search.space.parameters]
    objectives = [f"objective:{name}" for name in search.objectives]
    columns = ["number", "state", "warm", "arm", "arm_digest", "cells", "seconds", *objectives, *parameters]
    rows: list[dict[str, Any]] = []
    for trial in search.finished:
        row = {
            "number": trial.number,
            "state": str(trial.state),
            "warm": trial.warm,
            "arm": trial.arm.name,
            "arm_digest": trial.arm.digest,
            "cells": trial.steps,
            "seconds": round(trial.seconds, 3),
        }
        if trial.state is not TrialState.FAILED and trial.steps:
            row |= {f"objective:{name}": trial.value(name) for name in search.objectives}
        # as text: beside an empty field, pandas would write 4 heads as 4.0
        row |= {f"param:{name}": None if value is None else str(value) for name, value in (trial.params or {}).items()}
        rows.append(row)
    write_csv(pd.DataFrame(rows, columns=columns), search.folder.trial_table)


def write_search(
    search: Search, *, name: str, storage: str, importances: list[dict[str, Any]], front: list[int]
) -> None:
    """Write what was searched and how, and what explains the scores."""
    spec = search.spec
    record = SearchRecord(
        **spec.model_dump(include={"sampler", "trials", "hours", "parallel", "seed"}),
        study=name,
        metric=search.study.metric,
        pruner=spec.pruner if search.proposer.prunes else "none",
        objectives=[
            {"name": objective, "direction": direction}
            for objective, direction in zip(search.objectives, directions(search.objectives), strict=True)
        ],
        exhausted=search.exhausted,
        repeats=search.study.repeats,
        datasets=[dataset.name for dataset in search.datasets],
        reference=search.space.reference.name,
        reference_digest=search.space.reference.digest,
        space=search.space.describe(),
        pareto=front,
        storage=storage,
        importances=importances,
    )
    write_text(search.folder.summary, record.text())


def changed_settings(arm: Arm, plain: Arm) -> str:
    """List the levels and settings in which an arm differs: 'gnn.gat.heads=5, optimizer.adam.gamma=0.9'."""
    changes: list[str] = []
    for factor in (name for name in arm.differing(plain) if name not in arm.silenced):
        choice, before = arm.choices[factor], plain.choices[factor]
        if choice.level != before.level:
            changes.append(f"{factor}={choice.level}")
            continue
        changed = choice.changes(before).items()
        changes += [f"{factor}.{choice.level}.{key}={short_value(value)}" for key, value in changed]
    return ", ".join(changes)


def short_value(value: Any) -> str:
    """Return the value of a setting in few digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(list(value) if isinstance(value, tuple) else value)


def _tuned(arm: Arm, search: Search | None) -> dict[str, Any]:
    if search is None:
        return {"arm": arm.name, "role": arm.role, "budget": 0, "trials": 0, "complete": 0, "pruned": 0, "failed": 0}
    states = [trial.state for trial in search.finished]
    best = search.best()
    default = [trial for trial in search.finished if trial.arm.digest == arm.digest and trial.complete]
    return {
        "arm": arm.name,
        "role": arm.role,
        "budget": search.spec.trials,
        "trials": search.proposed,
        **{str(s): states.count(s) for s in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAILED)},
        "score": best[0].value(search.objectives[0]) if best else None,
        "default": default[0].value(search.objectives[0]) if default else None,
        "settings": changed_settings(best[0].arm, arm) if best else "",
        "trial_scores": " ".join(
            repr(trial.value(search.objectives[0])) if trial.complete else "nan"
            for trial in search.finished
            if not trial.warm
        ),
    }


def write_tuning(searches: Sequence[tuple[Arm, Search | None]], folder: OutFolder) -> None:
    """Write one row per arm of a tuned ablation: what its search was allowed, spent and found."""
    write_csv(pd.DataFrame([_tuned(arm, search) for arm, search in searches]), folder.tuning_table)
