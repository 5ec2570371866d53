"""What a report says of a search: its sentences, and the rows of its section."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from reports.figures.canvas import Picture
from reports.page.tables import Export, latex_rows
from reports.search.record import (
    STATES,
    Search,
    best_trials,
    changes,
    expected_curve,
    expected_maximum,
    importance_numbers,
    objective_label,
    score_text,
    search_refusals,
    trial_name,
)
from reports.words.metrics import label
from reports.words.numbers import amount, count, joined, number, signed

_SAMPLERS = {"tpe": "TPE", "gp": "Gaussian process", "random": "random", "grid": "grid", "nsga2": "NSGA-II"}
TOP = 10


def search_summary(search: Search) -> list[str]:
    """Say in two to four sentences what a search did, what it found and what that is worth."""
    sentences = [_asked(search)]
    if best_trials(search).empty:
        return [*sentences, f"No trial is complete, so there is no best arm. {_sealed(search)}".strip()]
    sentences.append(_found(search))
    sentences.append(_confirmed(search, search.confirmed) if search.confirmed is not None else _sealed(search))
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


def _confirmed(s: Search, rows: pd.DataFrame) -> str:
    """Say what the best arm came to on fresh repeats, and how much of its score was luck."""
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


def search_context(search: Search, drawn: Sequence[Picture]) -> dict[str, Any]:
    """Gather everything the section of a search shows."""
    several = len(search.objectives) > 1
    return {
        "sentences": search_summary(search),
        "boxes": [r for r in search_refusals(search) if r.rule == "test opened"],
        "withheld": next((r.message for r in search_refusals(search) if r.rule == "importances"), ""),
        "pictures": drawn,
        "front": _ranked(search, _front(search)) if several else [],
        "best": _ranked(search, best_trials(search, TOP)),
        "order": objective_label(search.first),
        "outside": _outside(search),
        "space": search.space.to_dict("records"),
        "confirmed": _confirmed_rows(search),
        "path": _path_rows(search),
        "path_stale": _leads_elsewhere(search),
        "confirmed_metric": label(search.metric),
    }


def search_provenance(search: Search) -> dict[str, tuple[str, ...]]:
    """Say how a search was run, without the machine it ran on."""
    return {
        "search": (f"sampler {search.sampler}, pruner {search.pruner}, seed {search.seed}",),
        "trials in flight": (str(search.parallel),),
        "search data sets": search.datasets,
        "search repeats": (str(search.repeats),),
        **({"Optuna storage": (_storage(search.storage),)} if search.storage else {}),
    }


def _storage(address: str) -> str:
    """Name a storage without its password, or the folder above the study."""
    parts = urlsplit(address)
    if parts.netloc:
        place = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{place}{parts.path}"
    return "/".join(PurePath(address).parts[-2:])


def search_exports(search: Search) -> list[Export]:
    """Collect the tables of a search: all digits as CSV, the confirmation also as LaTeX."""
    out = [
        Export("search_trials", search.trials),
        Export("search_best_trials", _with_changes(search, best_trials(search, TOP))),
        Export("search_space", search.space),
        Export("search_importances", importance_numbers(search)),
        Export("search_expected_best", expected_curve(search)),
    ]
    if len(search.objectives) > 1:
        out.append(Export("search_pareto", _with_changes(search, _front(search))))
    if search.confirmed is not None:
        out.append(Export("search_confirmed", search.confirmed, _confirmed_tex(search)))
    if search.path is not None:
        out.append(Export("search_path", search.path))
    return out


def _leads_elsewhere(s: Search) -> bool:
    """Whether the search has another best arm than the one that the path leads to."""
    best = best_trials(s)
    return s.path is not None and not best.empty and s.path["arm_digest"].iloc[-1] != best["arm_digest"].iloc[0]


def _path_rows(s: Search) -> list[dict[str, str]]:
    if s.path is None:
        return []
    return [
        {
            "Step": str(row["step"]),
            "Changed": str(row["changed"]),
            "Validation": number(row["validation"]) if pd.notna(row["validation"]) else "failed",
            "Test": number(row["test"]) if pd.notna(row["test"]) else "failed",
            "Cells": str(row["cells"]),
            "Changes tried": str(row["tried"]),
        }
        for row in s.path.to_dict("records")
    ]


def _confirmed_tex(s: Search) -> str:
    heads = {"search": "Search", "validation": "Validation", "gap": "Optimism gap", "test": "Test"}
    rows = {row["Arm"]: {key: row[head] for key, head in heads.items()} for row in _confirmed_rows(s)}
    caption = f"{label(s.metric)} in the search and on fresh repeats; gap: search minus confirmed validation score."
    return latex_rows(rows, caption, "search_confirmed")


def _with_changes(s: Search, trials: pd.DataFrame) -> pd.DataFrame:
    columns = trials[["number", "arm", "warm", *(f"objective:{o.name}" for o in s.objectives), "cells", "seconds"]]
    return columns.assign(changed=[_changed(s, row) for _, row in trials.iterrows()])


def _front(s: Search) -> pd.DataFrame:
    front = s.trials[s.trials["number"].isin(s.front)]
    return front.sort_values(f"objective:{s.first.name}", ascending=s.first.sign < 0, kind="stable")


def _ranked(s: Search, trials: pd.DataFrame) -> list[dict[str, str]]:
    reference = None if s.of_reference is None else s.of_reference["number"]
    objectives = [(o, f"objective:{o.name}", objective_label(o)) for o in s.objectives]
    return [
        {
            "Trial": str(row["number"]) + ("" if row["arm"] == f"trial {row['number']}" else f" {row['arm']}"),
            "role": ", ".join(
                mark for mark, holds in {"reference": row["number"] == reference, "warm": row["warm"]}.items() if holds
            ),
            **{what[0].upper() + what[1:]: score_text(o, row[column]) for o, column, what in objectives},
            "Cells": str(row["cells"]),
            "Seconds": amount(row["seconds"]),
            "Changed against the reference": _changed(s, row),
        }
        for _, row in trials.iterrows()
    ]


def _changed(s: Search, row: pd.Series) -> str:
    changed = changes(s, row)
    return "an arm outside of the space" if changed is None else ", ".join(changed) or "nothing"


def _outside(s: Search) -> str:
    """Say why whole arms are listed as changes."""
    plain = s.of_reference
    if plain is None or plain[[c for c in s.trials.columns if c.startswith("param:")]].notna().any():
        return ""
    return "The reference lies outside of the space: every parameter that acts in a trial is listed as changed."


def _confirmed_rows(s: Search) -> list[dict[str, str]]:
    return [
        {
            "Arm": row["arm"],
            "role": "" if row["role"] == "arm" else row["role"],
            "Trial": "–" if pd.isna(row["number"]) else str(row["number"]),
            "Search": number(row["search"]),
            "Validation": "incomplete" if math.isnan(row["validation"]) else number(row["validation"]),
            "Optimism gap": signed(row["gap"]),
            "Test": "incomplete" if math.isnan(row["validation"]) else number(row["test"]),
            "Cells": str(row["cells"]),
        }
        for row in (() if s.confirmed is None else s.confirmed.to_dict("records"))
    ]
