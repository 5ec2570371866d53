"""Walks from the reference to a search's best arm, one change at a time, as real cells (Fawcett & Hoos 2016)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from components.core.errors import KnockoutError
from search_spaces.arm import Arm, Choice, parse_choice
from study.plan.plan import Plan, lay_out
from study.run.engine import Means, drive, make_workers
from study.run.listener import Listener
from study.run.pool import Pool, Queue
from study.search.confirm import mean_score
from study.search.record import changed_settings, short_value, write_csv
from study.spec.files import write_text
from study.spec.folder import OutFolder, SearchFolder
from study.spec.records import CellRow
from study.store.ledger import Ledger
from study.store.tracking.tracker import Tracker

Score = Callable[[Sequence[Arm]], "dict[str, float | None] | None"]


@dataclass(frozen=True)
class Step:
    """An arm on the path: what was changed to reach it, and how many changes were tried for that."""

    arm: Arm
    changed: str
    tried: int


def walk(reference: Arm, winner: Arm, score: Score) -> list[Step] | None:
    """Return the path, ``reference`` first and ``winner`` last: at each step the change with the best validation score.

    Parameters
    ----------
    score
        Returns the mean VALIDATION score of each arm by its digest, None for one whose cells failed; None for all where
        the user stopped it.
    """
    steps = [Step(reference, "", 0)]
    while (current := steps[-1].arm).digest != winner.digest:
        flips = dict(_flips(current, winner))
        scores = score(list(flips.values()))
        if scores is None:
            return None
        known = {what: scores.get(arm.digest) for what, arm in flips.items()}
        # of equals the first; a change whose cells failed comes last
        best = max(flips, key=lambda what: (known[what] is not None, known[what] or 0.0))
        steps.append(Step(flips[best], best, len(flips)))
    return steps


def _flips(current: Arm, winner: Arm) -> Iterator[tuple[str, Arm]]:
    """Yield each single change towards the winner: a level with its settings, or a setting of a level both have.

    What does not act yet is no change; settings that are valid only together are one.
    """
    flipped = False
    for factor in current.differing(winner):
        if factor in current.silenced:
            continue
        mine, target = current.choices[factor], winner.choices[factor]
        if mine.level != target.level:
            flipped = True
            yield f"{factor}={target.level}", _towards(current, winner, {factor: target})
            continue
        before, after = mine.settings.model_dump(mode="json"), target.settings.model_dump(mode="json")
        singles = []
        for key in (key for key in after if after[key] != before[key]):
            try:
                choice = parse_choice(factor, {mine.level: {**before, key: after[key]}})
            except KnockoutError:  # heads that do not divide the width: all of this level at once
                singles = [(f"{factor}.{mine.level}", _towards(current, winner, {factor: target}))]
                break
            singles.append(
                (f"{factor}.{mine.level}.{key}={short_value(after[key])}", _towards(current, winner, {factor: choice}))
            )
        flipped = flipped or bool(singles)
        yield from singles
    if not flipped:
        yield "the rest", replace(winner, role="arm", budget=current.budget)


def _towards(current: Arm, winner: Arm, changes: dict[str, Choice]) -> Arm:
    """Return an arm with changes; what does not act in either takes the winner's choice without a word."""
    silent = {name: winner.choices[name] for name in current.silenced & winner.silenced}
    return replace(current.vary({**silent, **changes}), role="arm", budget=current.budget)


def run_path(
    plan: Plan, winner: Arm, out: Path, listener: Listener, means: Means, tracker: Tracker
) -> list[Step] | None:
    """Walk the path on the data sets and fresh repeats of a confirmation; safe to stop and call again at any time.

    Cells go to MLflow as they end, without their test: which arms are on the path, validation has yet to say.
    """
    study, ledger = plan.study, Ledger(out)
    confirmed = {cell.digest for cell in plan.cells}
    rows: dict[str, CellRow] = {}

    def score(arms: Sequence[Arm]) -> dict[str, float | None] | None:
        named = [replace(arm, name=changed_settings(arm, study.reference) or arm.name) for arm in arms]
        cells = {cell.digest: cell for cell in lay_out(study, plan.datasets, named)}
        known = ledger.read_all(cells)
        missing = [cell for digest, cell in cells.items() if digest not in known]
        rows.update({digest: cell.row for digest, cell in cells.items() if digest not in confirmed})
        if rows:  # which cells the path has, for whoever sends them to MLflow later
            walked = plan.record.model_copy(update={"rows": list(rows.values())})
            write_text(OutFolder(out).search.walked, walked.text())
        listener.planned(len(known), len(missing))
        if missing:
            queue = Queue(missing)
            pool = Pool(make_workers(study, missing, out, means), out, listener.stopping)
            for cell, record in drive(queue.take, pool, listener, meanwhile=tracker.flush):
                queue.ended(cell)
                if cell.digest in rows:
                    tracker.later(tracker.log, cell.row, record)
            tracker.flush()  # one that was run once more, alone, ends last
        records = ledger.read_all(cells)
        if len(records) < len(cells):
            return None
        by_arm = {arm.digest: [records[d] for d, c in cells.items() if c.arm.digest == arm.digest] for arm in arms}
        return {digest: mean_score(of_arm, "validation", study.metric) for digest, of_arm in by_arm.items()}

    return walk(study.reference, winner, score)


def write_path(steps: Sequence[Step], plan: Plan, out: Path, folder: SearchFolder) -> None:
    """Write what every arm of the path scored on fresh repeats; the test is read here, once, for all of them."""
    ledger, metric, lines = Ledger(out), plan.study.metric, []
    for number, step in enumerate(steps):
        digests = [cell.digest for cell in lay_out(plan.study, plan.datasets, [step.arm])]
        known = ledger.read_all(digests)
        records = [known.get(digest) for digest in digests]
        lines.append(
            {
                "step": number,
                "changed": step.changed or step.arm.name,
                "arm_digest": step.arm.digest,
                "metric": metric,
                **{part: mean_score(records, part, metric) for part in ("validation", "test")},
                "cells": len(known),
                "tried": step.tried,
            }
        )
    write_csv(pd.DataFrame(lines), folder.path)
