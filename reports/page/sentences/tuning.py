"""How much search every arm got before it was compared."""

from __future__ import annotations

import pandas as pd

from reports.search.refusals import was_tuned
from reports.words.numbers import count


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
