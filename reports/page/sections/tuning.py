"""What a report says of the tuning before an ablation: the budget of every arm, and whether it was equal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from reports.figures.canvas import Picture
from reports.page.tables import Export
from reports.search.record import expected_best, tuned_curves, tuning_refusals, was_tuned
from reports.words.metrics import label
from reports.words.numbers import count, joined, number


def tuning_sentence(tuning: pd.DataFrame) -> str:
    """State in one sentence how much search every arm got before it was compared."""
    tuned = tuning[was_tuned(tuning)]
    if tuned.empty:
        return "No arm was tuned: every arm kept the settings it was given."
    budgets, spent = _span(tuned["budget"]), _span(tuned["trials"])
    allowed = f"a budget of {budgets} trial{'s' * (budgets != '1')}" if budgets else "a budget of hours, not of trials"
    used = "all of them spent" if budgets == spent else f"{spent} spent"
    text = f"Before the comparison {count(len(tuned), 'arm')} got {allowed} each for its own settings ({used})"
    rest = len(tuning) - len(tuned)
    return text + (f"; {count(rest, 'arm')} had nothing to tune." if rest else ".")


def _span(column: pd.Series) -> str:
    values = column.dropna()
    if values.empty:
        return ""
    low, high = int(values.min()), int(values.max())
    return str(low) if low == high else f"{low} to {high}"


def tuning_context(tuning: pd.DataFrame, metric: str, drawn: Sequence[Picture] = ()) -> dict[str, Any]:
    """Gather everything the section on tuning shows."""
    untuned = tuning[was_tuned(tuning) & tuning["complete"].eq(0)]["arm"].tolist()
    note, equal = "", _equal_budget(tuning)
    if untuned:
        note = f"No trial of {joined(untuned, 12)} is complete: it kept its untuned settings."
    return {
        "sentence": tuning_sentence(tuning),
        "warnings": tuning_refusals(tuning),
        "kept": note,
        "pictures": drawn,
        "metric": label(metric),
        "equal": equal,
        "rows": [{**_row(row), "expected": _expected(row, equal)} for row in tuning.to_dict("records")],
    }


def tuning_exports(tuning: pd.DataFrame) -> list[Export]:
    """Collect the table of the tuning, and what each arm's trials would have found at any budget, all digits."""
    tables, curves = [Export("tuning", tuning.drop(columns="trial_scores"))], tuned_curves(tuning)
    return tables if curves.empty else [*tables, Export("tuning_expected_best", curves)]


def _equal_budget(tuning: pd.DataFrame) -> int:
    """Return the largest number of trials that every tuned arm has; 0 where that is not known."""
    counts = [len(scores) for scores in tuning.loc[was_tuned(tuning), "trial_scores"]]
    return min(counts, default=0)


def _expected(row: dict[Any, Any], budget: int) -> str:
    curve = expected_best(row["trial_scores"])
    return number(curve[budget - 1]) if budget and curve else "–"


def _row(row: dict[Any, Any]) -> dict[str, str]:
    hours = row["budget"] is pd.NA
    tuned = hours or row["budget"] != 0
    changed = row["settings"] or "nothing"
    if not row["complete"]:
        changed = "kept its untuned settings"
    return {
        "arm": row["arm"],
        "role": "" if row["role"] == "arm" else row["role"],
        "budget": "hours" if hours else str(row["budget"]),
        "trials": str(row["trials"]),
        "states": " / ".join(str(row[state]) for state in ("complete", "pruned", "failed")),
        "default": number(row["default"]),
        "score": number(row["score"]),
        "settings": changed if tuned else "nothing to tune",
    }
