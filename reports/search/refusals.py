"""What a search, and tuning before a comparison, cannot show."""

from __future__ import annotations

import pandas as pd

from reports.findings.results import Refusal
from reports.search.record import FEWEST, Search, importance_numbers
from reports.words.numbers import joined


def search_refusals(search: Search) -> tuple[Refusal, ...]:
    """Name what a search cannot say, and what must be read with care."""
    out = []
    complete = search.count("complete")
    if importance_numbers(search).empty:
        message = f"Needs at least {FEWEST} complete trials; here {complete}."
        if complete >= FEWEST:
            message = "The search recorded none: its scores do not vary, or it was stopped before its end."
        out.append(Refusal("importances", "importance of parameters", message))
    if search.openings > 1:
        message = (
            f"The test was opened {search.openings} times. Whoever chose again after the first time had seen it, so "
        )
        message += "the test scores flatter as search scores do; only other data could be a test again."
        out.append(Refusal("test opened", "test scores of the confirmed arms", message, "warning"))
    plain = search.of_reference
    if len(search.trials) and (plain is None or plain["state"] != "complete"):
        state = (
            "has not ended" if plain is None else f"was {plain['state']}" if plain["state"] == "pruned" else "failed"
        )
        message = f"Its trial {state}, so the best trial is not held against it on the same cells."
        out.append(Refusal("reference", f"the reference arm {search.reference}", message, "warning"))
    return tuple(out)


_UNEQUAL = "unequal tuning"


def tuning_refusals(tuning: pd.DataFrame) -> tuple[Refusal, ...]:
    """Warn where an arm may have won by the search it got."""
    out = []
    tuned = tuning[was_tuned(tuning)]
    for column, what in (("trials", "numbers of trials"), ("budget", "budgets")):
        if len(tuned[column].unique()) > 1:
            message = (
                f"Arms were tuned with unequal {what}: {_by_value(tuned, column)}. More trials are more draws at a "
            )
            message += "good score, so an arm may win by its search; give every arm the same."
            out.append(Refusal(_UNEQUAL, f"{what} of the tuned arms", message, "warning"))
    reference = tuned["role"].eq("reference").any()
    left = tuning[~was_tuned(tuning) & tuning["role"].ne("control")]["arm"].tolist()
    if reference and left:
        message = f"The reference was tuned and {joined(left)} {'was' if len(left) == 1 else 'were'} not: part of what "
        message += "the reference gains over such an arm may be its tuning."
        out.append(Refusal(_UNEQUAL, "arms that were not tuned", message, "warning"))
    return tuple(out)


def was_tuned(tuning: pd.DataFrame) -> pd.Series:
    """Return for every arm whether it had a budget of its own."""
    # a budget in hours has no number of trials; an arm without settings has the budget 0
    return tuning["budget"].ne(0).fillna(True).astype(bool)


def _by_value(tuned: pd.DataFrame, column: str) -> str:
    groups = tuned.groupby(column, sort=True, dropna=False)["arm"].agg(list)
    return "; ".join(f"{'hours' if value is pd.NA else value} ({joined(arms)})" for value, arms in groups.items())
