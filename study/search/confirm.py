"""Confirms a search: retrains its best arms on repeats it has not seen, and opens the test once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from components.core.errors import KnockoutError
from search_spaces.designs import distinct
from study.plan.plan import Plan, make_plan
from study.search.optuna_store import pareto
from study.search.record import write_csv
from study.search.run import open_search
from study.search.search import Search
from study.search.trial import Trial
from study.spec.files import write_text
from study.spec.records import CellRecord, Opening, OpeningsRecord, read_record
from study.store.ledger import Ledger
from study.study_file.study import Study


def plan_confirmation(searched: Study, study: Study, out: Path, *, top: int, again: bool) -> tuple[Search, Plan]:
    """Plan the retraining of a search's best arms, the reference and the controls on repeats it has not seen.

    The opening of the test is written down; no trial is changed.

    Raises
    ------
    KnockoutError
        If the search is not over, nothing is complete, or the test was opened for other arms before.
    """
    search = open_search(searched, out)
    _refuse_unfinished(search)
    best = best_trials(search, top)
    arms = distinct([study.reference, *(replace(t.arm, role="arm") for t in best), *study.arms[1:]])
    spec = searched.search
    assert spec is not None  # open_search has refused a study without one
    first = study.fresh_repeat
    fresh = replace(study, arms=arms.arms, aliases=arms.aliases, first_repeat=first, repeats=spec.confirm)
    plan = make_plan(fresh)
    _open(search, [trial.arm.digest for trial in best], again)  # last: what is refused opens no test
    return search, plan


def _refuse_unfinished(search: Search) -> None:
    if search.stale:
        raise KnockoutError(
            f"the {search.stale} trials here were scored on other data sets, repeats or code than the study file names "
            "now. Run the search again, or give the study file and data as they were.",
            where="search",
        )
    if not search.over:
        raise KnockoutError(
            f"the search has {len(search.finished)} finished trials and is not over: run it to its end first, or lower "
            "its budget.",
            where="search",
        )
    if not search.best():
        raise KnockoutError("no trial of this search is complete; there is nothing to confirm.", where="search")


def best_trials(search: Search, top: int) -> list[Trial]:
    """Return the best trials; of several objectives, those that no other beats in every one."""
    ranked = search.best(len(search.finished))
    if len(search.objectives) > 1:
        front = set(pareto(search.finished, search.space, search.objectives))
        ranked = [trial for trial in ranked if trial.number in front]
    return ranked[:top]


def _open(search: Search, arms: Sequence[str], again: bool) -> None:
    """Write down that the test is opened for these arms, before it is; refuse a second look by accident."""
    file = search.folder.openings
    openings = (read_record(file, OpeningsRecord) or OpeningsRecord()).openings
    if any(opening.arms == list(arms) for opening in openings):
        return
    if openings and not again:
        raise KnockoutError(
            f"the test was opened on {openings[0].when} for other arms. Choosing again after having seen it is what "
            "a confirmation is meant to exclude; --again does it, and the report will say so.",
            where=str(file),
        )
    today = Opening(arms=list(arms), when=datetime.now(UTC).date().isoformat())
    write_text(file, OpeningsRecord(openings=[*openings, today]).text())


def write_confirmed(search: Search, plan: Plan, out: Path) -> None:
    """Write what arms scored in the search, and on fresh repeats."""
    records = Ledger(out).read_all(cell.digest for cell in plan.cells)
    trials = {trial.arm.digest: trial for trial in search.finished if trial.complete}
    openings = read_record(search.folder.openings, OpeningsRecord)
    metric = plan.study.metric
    lines = []
    for arm in plan.study.arms:
        asked = [records.get(cell.digest) for cell in plan.cells if cell.arm.digest == arm.digest]
        trial = trials.get(arm.digest)
        lines.append(
            {
                "arm": arm.name,
                "number": trial.number if trial else None,
                "role": arm.role,
                "metric": metric,
                "search": trial.value(metric) if trial and metric in search.objectives else None,
                **{part: mean_score(asked, part, metric) for part in ("validation", "test")},
                "cells": sum(record is not None and record.ok for record in asked),
                "openings": len(openings.openings) if openings else 0,
            }
        )
    write_csv(pd.DataFrame(lines).astype({"number": "Int64"}), search.folder.confirmed)


def mean_score(records: Sequence[CellRecord | None], part: str, metric: str) -> float | None:
    """Return the mean score of cells; None where one failed or has not ended (None), or where there are none.

    Means over some of the data sets are no scores: a hard set that has not ended would flatter an arm.
    """
    ended = [record for record in records if record is not None and record.ok]
    if not ended or len(ended) < len(records):
        return None
    return float(pd.Series([record.scores[part][metric] for record in ended], dtype=float).mean(skipna=False))
