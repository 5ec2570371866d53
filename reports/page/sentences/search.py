"""What is said of a search in words: its sentences, and what it cannot carry."""

from __future__ import annotations

import math

import pandas as pd

from reports.search.record import (
    STATES,
    Search,
    best_trials,
    expected_maximum,
    objective_label,
    score_text,
    trial_name,
)
from reports.words.metrics import label
from reports.words.numbers import count, joined, number, signed

_SAMPLERS = {"tpe": "TPE", "gp": "Gaussian process", "random": "random", "grid": "grid", "nsga2": "NSGA-II"}


def search_summary(search: Search) -> list[str]:
    """Say in two to four sentences what a search did, what it found and what that is worth."""
    sentences = [_asked(search)]
    if best_trials(search).empty:
        return [*sentences, f"No trial is complete, so there is no best arm. {_sealed(search)}".strip()]
    sentences.append(_found(search))
    sentences.append(_confirmed(search) if search.confirmed is not None else _sealed(search))
    if search.openings > 1:
        sentences.append(
            f"Warning: the test was opened {search.openings} times, so its scores took part in the choice."
        )
    return sentences


def _asked(s: Search) -> str:
    cells = f"{count(len(s.datasets), 'data set')} × {count(s.repeats, 'repeat')}"
    judged = joined([objective_label(o) for o in s.objectives])
    proposed = len(s.trials) - s.warm
    budget = f"{proposed} of {count(s.asked, 'trial')} asked for" if s.asked else count(proposed, "trial")
    budget += f" (budget: {s.hours:g} h)" if s.hours is not None else ""
    spent = ", and the space holds no more arms" if s.exhausted else ""
    states = ", ".join(f"{s.count(state)} {state}" for state in STATES)
    warm = f", {s.warm} of them warm (from the ledger, on top of the budget)" if s.warm else ""
    return (
        f"The {_SAMPLERS.get(s.sampler, s.sampler)} sampler searched {count(len(s.space), 'parameter')} around the "
        f"reference arm {s.reference} (pruner: {s.pruner}) for {judged} over {cells}. "
        f"{budget[0].upper()}{budget[1:]} ended{spent}. All trials: {states}{warm}."
    )


def _found(s: Search) -> str:
    best, plain, first = best_trials(s).iloc[0], s.of_reference, s.first
    column = f"objective:{first.name}"
    text = f"Best {objective_label(first)}: {score_text(first, best[column])} ({trial_name(best)})"
    if plain is None or pd.isna(plain[column]):
        text += "; the reference has no score"
    elif plain["number"] == best["number"]:
        text += ", which is the reference"
    else:
        text += f"; reference: {score_text(first, plain[column])}"
        text += " over fewer cells (pruned)" if plain["state"] == "pruned" else ""
    if len(s.objectives) > 1:
        text += f"; {count(len(s.front), 'trial')} on the Pareto front"
    text += "."
    complete, pruned = s.count("complete"), s.count("pruned")
    if first.sign > 0 and complete > 1:
        text += (
            f" This is not a result: it is the maximum of {complete} noisy scores. Were all trials equally good, the "
            f"best would still lie about {expected_maximum(complete):.1f} standard deviations of that noise above its "
            "true score"
        )
        text += f"; pruning {count(pruned, 'trial')} on the way adds to that." if pruned else "."
    return text


def _sealed(s: Search) -> str:
    return "The test is sealed: `knockout confirm` opens it once." if s.confirmed is None else ""


def _confirmed(s: Search) -> str:
    """Say what the best arm came to on fresh repeats, and how much of its score was luck."""
    rows = s.confirmed if s.confirmed is not None else pd.DataFrame()
    best = best_trials(s).iloc[0]
    plain = rows[rows["role"] == "reference"]
    rivals = rows[~rows["role"].isin(["control", "reference"])]
    mine = rows[rows["number"] == best["number"]]
    stale = ""
    if mine.empty:
        mine = rivals.sort_values("search", ascending=False, kind="stable").head(1)
        stale = f"The arm now the best ({trial_name(best)}) was not confirmed. "
    if mine.empty:
        return f"{stale}No arm but the reference was confirmed."
    row = mine.iloc[0]
    name = "the reference" if row["role"] == "reference" else row["arm"]
    if math.isnan(row["validation"]):
        return f"{stale}On fresh repeats {name} has no score: a cell failed or has not been run."
    text = f"{stale}On fresh repeats {name} scores {number(row['validation'])} in validation {label(row['metric'])}"
    if math.isfinite(row["gap"]):
        text += f", an optimism gap of {signed(row['gap'])} (search {number(row['search'])})"
    text += f", and {number(row['test'])} on the test"
    if row["role"] != "reference" and len(plain):
        other = plain.iloc[0]
        text += f"; the reference {number(other['validation'])} and {number(other['test'])}"
        text += (
            f" (its own gap, without having been chosen: {signed(other['gap'])})" if math.isfinite(other["gap"]) else ""
        )
    return text + "."
