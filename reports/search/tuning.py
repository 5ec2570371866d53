"""What a report says of the tuning before an ablation: the budget of every arm, and whether it was equal."""

from __future__ import annotations

from typing import Any

import pandas as pd

from reports.findings.results import Refusal
from reports.page.exports import Export
from reports.words.metrics import label
from reports.words.numbers import count, joined, number

_UNEQUAL = "unequal tuning"


def tuning_sentence(tuning: pd.DataFrame) -> str:
    """State in one sentence how much search every arm got before it was compared."""
    tuned = tuning[_was_tuned(tuning)]
    if tuned.empty:
        return "No arm was tuned: every arm kept the settings it was given."
    budgets, spent = _span(tuned["budget"]), _span(tuned["trials"])
    allowed = f"a budget of {budgets} trials" if budgets else "a budget of hours, not of trials"
    used = "all of them spent" if budgets == spent else f"{spent} spent"
    text = f"Before the comparison {count(len(tuned), 'arm')} got {allowed} each for its own settings ({used})"
    rest = len(tuning) - len(tuned)
    return text + (f"; {count(rest, 'arm')} had nothing to tune." if rest else ".")


def tuning_refusals(tuning: pd.DataFrame) -> tuple[Refusal, ...]:
    """Warn where an arm may have won by the search it got."""
    out = []
    tuned = tuning[_was_tuned(tuning)]
    for column, what in (("trials", "numbers of trials"), ("budget", "budgets")):
        if len(tuned[column].unique()) > 1:
            message = (
                f"Arms were tuned with unequal {what}: {_by_value(tuned, column)}. More trials are more draws at a "
            )
            message += "good score, so an arm may win by its search; give every arm the same."
            out.append(Refusal(_UNEQUAL, f"{what} of the tuned arms", message, "warning"))
    reference = tuned["role"].eq("reference").any()
    left = tuning[~_was_tuned(tuning) & tuning["role"].ne("control")]["arm"].tolist()
    if reference and left:
        message = f"The reference was tuned and {joined(left)} {'was' if len(left) == 1 else 'were'} not: part of what "
        message += "the reference gains over such an arm may be its tuning."
        out.append(Refusal(_UNEQUAL, "arms that were not tuned", message, "warning"))
    return tuple(out)


def tuning_context(tuning: pd.DataFrame, metric: str) -> dict[str, Any]:
    """Gather everything the section on tuning shows."""
    kept = tuning[_was_tuned(tuning) & tuning["complete"].eq(0)]["arm"].tolist()
    note = ""
    if kept:
        note = f"No trial of {joined(kept, 12)} is complete: it kept its untuned settings."
    return {
        "sentence": tuning_sentence(tuning),
        "warnings": tuning_refusals(tuning),
        "kept": note,
        "metric": label(metric),
        "rows": [_row(row) for row in tuning.to_dict("records")],
    }


def tuning_exports(tuning: pd.DataFrame) -> list[Export]:
    """Collect the table of the tuning, all digits."""
    return [Export("tuning", tuning)]


def _was_tuned(tuning: pd.DataFrame) -> pd.Series:
    # a budget in hours has no number of trials; an arm without settings has the budget 0
    return tuning["budget"].ne(0).fillna(True).astype(bool)


def _span(column: pd.Series) -> str:
    values = column.dropna()
    if values.empty:
        return ""
    low, high = int(values.min()), int(values.max())
    return str(low) if low == high else f"{low} to {high}"


def _by_value(tuned: pd.DataFrame, column: str) -> str:
    groups = tuned.groupby(column, sort=True, dropna=False)["arm"].agg(list)
    return "; ".join(f"{'hours' if value is pd.NA else value} ({joined(arms)})" for value, arms in groups.items())


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
