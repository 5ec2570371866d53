"""What a report says of the tuning before an ablation: the budget of every arm, and whether it was equal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from reports.figures.canvas import Picture
from reports.page.tables import Export
from reports.search.record import STATES, expected_best, tuned_curves, tuning_refusals, was_tuned
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
    # the largest number of trials that every tuned arm has; 0 where that is not known
    equal = min(map(len, tuning.loc[was_tuned(tuning), "trial_scores"]), default=0)
    note = f"No trial of {joined(untuned, 12)} is complete: it kept its untuned settings." if untuned else ""
    return {
        "sentence": tuning_sentence(tuning),
        "warnings": tuning_refusals(tuning),
        "kept": note,
        "pictures": drawn,
        "metric": label(metric),
        "equal": equal,
        "rows": [_row(row, equal) for row in tuning.to_dict("records")],
    }


def tuning_exports(tuning: pd.DataFrame) -> list[Export]:
    """Collect the table of the tuning, and what each arm's trials would have found at any budget, all digits."""
    tables, curves = [Export("tuning", tuning.drop(columns="trial_scores"))], tuned_curves(tuning)
    return tables if curves.empty else [*tables, Export("tuning_expected_best", curves)]


def _row(row: dict[Any, Any], equal: int) -> dict[str, str]:
    hours = row["budget"] is pd.NA
    tuned = hours or row["budget"] != 0
    changed = (row["settings"] or "nothing") if row["complete"] else "kept its untuned settings"
    curve = expected_best(row["trial_scores"])
    return {
        "Arm": row["arm"],
        "role": "" if row["role"] == "arm" else row["role"],
        "Budget": "hours" if hours else str(row["budget"]),
        "Trials": str(row["trials"]),
        "Complete /\npruned / failed": " / ".join(str(row[state]) for state in STATES),
        "Untuned": number(row["default"]),
        "Best": number(row["score"]),
        **({f"Expected best\nof {equal}": number(curve[equal - 1]) if curve else "–"} if equal else {}),
        "Changed": changed if tuned else "nothing to tune",
    }
