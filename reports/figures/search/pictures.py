"""Figures of a search with captions and text alternatives."""

from __future__ import annotations

import pandas as pd

from reports.figures.search.expected import expected, tuned
from reports.figures.search.importances import MOST, importances
from reports.figures.search.pareto import pareto
from reports.figures.search.path import path
from reports.figures.search.progress import progress
from reports.figures.shared.picture import Drawing, Picture, picture
from reports.search.record import (
    FEWEST,
    STATES,
    Objective,
    Search,
    best_trials,
    objective_label,
    score_text,
    trial_name,
)
from reports.words.metrics import label
from reports.words.numbers import joined, number


def search_pictures(search: Search) -> list[Picture]:
    """Draw every figure of a search once, with caption and text alternative."""
    others = search.objectives[1:]
    drawings = [_progress(search, drawing) for drawing in (progress(search),) if drawing]
    drawings += [_expected(search, drawing) for drawing in (expected(search),) if drawing]
    drawings += [_pareto(search, other, drawing) for other in others if (drawing := pareto(search, other))]
    drawings += [_path(search, drawing) for drawing in (path(search),) if drawing]
    return drawings + [
        _importances(search, o, drawing) for o in search.objectives if (drawing := importances(search, o))
    ]


def tuning_pictures(tuning: pd.DataFrame, metric: str) -> list[Picture]:
    """Draw what tuning gives every arm at equal budget, with caption and text alternative."""
    drawing = tuned(tuning, metric)
    if drawing is None:
        return []
    caption = f"Expected best validation {label(metric)} of every tuned arm at equal budget (Dodge et al. 2019): of n "
    caption += "trials drawn from its own, one that was pruned or failed as the worst. Not a result: the test is."
    last = drawing.numbers.groupby("arm", sort=False).last()
    reached = [f"{arm} {number(row['expected'])} with {row['trials']:.0f}" for arm, row in last.iterrows()]
    return [picture("tuning_expected_best", drawing, caption, f"{joined(reached, 12)}.")]


def _progress(s: Search, drawing: Drawing) -> Picture:
    what = objective_label(s.first)
    caption = f"{what[0].upper()}{what[1:]} of every trial, and the best of the complete ones so far."
    caption += " Pruned trials are shown with the mean over the cells they had." if s.count("pruned") else ""
    reached = ""
    for _, best in best_trials(s).iterrows():
        reached = f"Best: {score_text(s.first, best[f'objective:{s.first.name}'])} at {trial_name(best)}."
    described = f"{', '.join(f'{s.count(state)} {state}' for state in STATES)}."
    return picture("search_best_so_far", drawing, caption, f"{reached} {described}".strip())


def _expected(s: Search, drawing: Drawing) -> Picture:
    data = drawing.numbers
    caption = (
        f"Expected best {objective_label(s.first)} at equal budget (Dodge et al. 2019): of n trials drawn from the "
    )
    caption += f"{len(data)} that ended, one that was pruned or failed as the worst."
    if s.sampler not in ("random", "grid"):
        caption += " These were proposed one after the other, so a search by chance of this size may find less."
    if len(data) < FEWEST:
        caption += f" {len(data)} trials are few: the curve says little."
    last = data.iloc[-1]
    reached = f"{score_text(s.first, data['expected'].iloc[0])} with 1 trial, "
    reached += f"{score_text(s.first, last['expected'])} with {len(data)}."
    return picture("search_expected_best", drawing, caption, reached)


def _path(s: Search, drawing: Drawing) -> Picture:
    data = drawing.numbers
    caption = (
        "From the reference (top) to the best arm (bottom) on fresh repeats, one change after the other, each the "
    )
    caption += (
        "one with the best validation score (Fawcett & Hoos 2016). Validation chose, so it flatters; the test did not."
    )
    described = "; ".join(
        f"{row['changed']}: {score_text(s.first, row['validation'])}, test {score_text(s.first, row['test'])}"
        for row in data.to_dict("records")
    )
    return picture("search_path", drawing, caption, described)


def _pareto(s: Search, other: Objective, drawing: Drawing) -> Picture:
    what = objective_label(s.first)
    caption = f"{what[0].upper()}{what[1:]} against {objective_label(other)}: all complete trials grey, the Pareto "
    caption += "front blue with trial numbers."
    if len(s.objectives) > 2:
        caption += f" The front is that of all {len(s.objectives)} objectives, two of which are drawn."
    numbers = drawing.numbers
    front = numbers[numbers["front"]]
    members = [
        f"trial {row['number']} {score_text(s.first, row[s.first.name])} at {score_text(other, row[other.name])}"
        for row in front.to_dict("records")
    ]
    described = f"Front: {', '.join(members) or 'none recorded'}."
    return picture(f"search_pareto_{other.name}", drawing, caption, described)


def _importances(s: Search, objective: Objective, drawing: Drawing) -> Picture:
    numbers = drawing.numbers
    what = objective_label(objective)
    caption = f"What sets the best trials apart in {what} (conditional PED-ANOVA): share of each parameter"
    caption += f", the {MOST} largest of {len(numbers)} parameters." if len(numbers) > MOST else "."
    if (numbers["given"] != "").any():
        caption += " Hatched: parameters that act beside some levels only, weighed by how often they do among the best."
    having = s.trials[s.trials["state"] == "complete"].notna().sum()
    if (complete := s.count("complete")) < 5 * FEWEST:
        caption += f" {complete} complete trials are few: shares of this size change from one search to the next."
    scarce = [name for name in s.space["name"] if having.get(f"param:{name}", 0) < FEWEST]
    if scarce:
        caption += f" Left out, with fewer than {FEWEST} complete trials: {joined(scarce)}."
    shares = [f"{row['parameter']} {row['importance']:.2f}" for row in numbers.head(MOST).to_dict("records")]
    return picture(f"search_importances_{objective.name}", drawing, caption, f"{', '.join(shares)}.")
