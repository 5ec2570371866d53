"""Runs searches on the engine of the grids: one over a space, or one per arm of a tuned ablation; then confirms."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from components.core.errors import KnockoutError
from search_spaces.arm import Arm, parse_choice
from search_spaces.designs import distinct
from search_spaces.space.space import settings_space
from study.plan.plan import SEARCHED, TUNED, Plan, load_datasets, make_plan, refuse_tied_arms, results_of
from study.run.engine import Listener, Means, drive, make_folder, make_workers
from study.run.pool import Pool
from study.search.optuna_store import OptunaStore, importances, pareto
from study.search.record import write_search, write_trials, write_tuning
from study.search.search import Search
from study.search.trial import Trial
from study.spec.files import write_atomically
from study.store.ledger import Ledger
from study.store.mlflow import Tracker
from study.study_file.study import Study
from study.train.cell import Cell

__all__ = ["confirmation", "make_search", "run_search", "tune", "write_confirmed"]


def make_search(study: Study, out: Path) -> Search:
    """Return the search that a study file asks for, as far as it has come in ``out``."""
    if study.search is None or study.space is None:
        raise KnockoutError("this study file has a design, no search.", where="search")
    datasets = load_datasets(study)
    for factor in study.space.factors:
        if factor.name == "bucketing":
            inputs = [parse_choice("bucketing", level) for level in factor.levels]
            refuse_tied_arms([study.reference.vary({"bucketing": choice}) for choice in inputs], datasets)
    return Search(study, datasets, study.space, study.search, Ledger(out), out / SEARCHED)


def run_search(study: Study, out: Path, listener: Listener, means: Means) -> Search:
    """Run a search until its budget is spent; safe to stop and call again at any time."""
    make_folder(out)
    if means.retry_failed:
        forget_failed(out / SEARCHED, Ledger(out))
    search = make_search(study, out)
    _run([search], study.name, out, listener, means)
    return search


def tune(study: Study, out: Path, listener: Listener, means: Means) -> Study | None:
    """Search the settings of every trained arm with the same budget; return the study with each arm at its best.

    Arms are tuned on repeats 0 .. t-1, and compared on later ones. None if the user stopped it before its end.
    """
    spec = study.tune
    if spec is None:
        return study
    make_folder(out)
    datasets, on = load_datasets(study), replace(study, repeats=spec.repeats, first_repeat=0)
    searches: list[tuple[Arm, Search | None]] = []
    for arm in study.arms:
        folder = out / TUNED / arm.digest
        if means.retry_failed:
            forget_failed(folder, Ledger(out))
        space = settings_space(arm, spec.fixed, where="design.tune") if arm.trains else None
        tunable = space is not None and bool(space.parameters)
        own = replace(on, budget=on.budget_of(arm))
        searches.append((arm, Search(own, datasets, space, spec, Ledger(out), folder) if space and tunable else None))
    _run([search for _, search in searches if search], study.name, out, listener, means)
    write_tuning(searches, out / TUNED)
    if not all(search is None or search.over for _, search in searches):
        return None
    arms = distinct([_tuned(arm, search) for arm, search in searches])
    return replace(study, arms=arms.arms, aliases={**study.aliases, **arms.aliases})


def _tuned(arm: Arm, search: Search | None) -> Arm:
    best = search.best() if search else []
    return replace(best[0].arm, name=arm.name, role=arm.role, budget=arm.budget) if best else arm


def confirmation(study: Study, out: Path, *, top: int, again: bool) -> tuple[Search, Plan]:
    """Plan the retraining of a search's best arms, the reference and the controls on repeats it has not seen.

    Raises
    ------
    KnockoutError
        If the search is not over, nothing is complete, or the test was opened for other arms before.
    """
    search = make_search(study, out)
    if not search.over:
        raise KnockoutError(
            f"the search has {len(search.finished)} finished trials and is not over: run it to its end first, or lower "
            "its budget.",
            where="search",
        )
    if not search.best():
        raise KnockoutError("no trial of this search is complete; there is nothing to confirm.", where="search")
    several = len(search.objectives) > 1
    front = set(pareto(search.finished, search.space, search.objectives)) if several else set()
    best = [t for t in search.best(len(search.finished)) if not several or t.number in front][:top]
    arms = distinct([study.reference, *(replace(t.arm, role="arm") for t in best), *study.arms[1:]])
    _open(search, [trial.arm.digest for trial in best], again)
    spec = study.search
    assert spec is not None  # make_search has refused a study without one
    fresh = replace(study, arms=arms.arms, aliases=arms.aliases, first_repeat=study.repeats, repeats=spec.confirm)
    return search, make_plan(fresh)


def _open(search: Search, arms: Sequence[str], again: bool) -> None:
    """Note that the test is opened for these arms, before it is; refuse a second look by accident."""
    file = search.folder / "openings.json"
    openings = json.loads(file.read_text()) if file.exists() else []
    if any(opening["arms"] == list(arms) for opening in openings):
        return
    if openings and not again:
        raise KnockoutError(
            f"the test was opened on {openings[0]['when']} for other arms. Choosing again after having seen it is what "
            "a confirmation is meant to exclude; --again does it, and the report will say so.",
            where=str(file),
        )
    openings.append({"arms": list(arms), "when": datetime.now(UTC).date().isoformat()})
    text = json.dumps(openings)
    write_atomically(file, lambda path: path.write_text(text))


def write_confirmed(search: Search, plan: Plan, out: Path) -> None:
    """Write ``confirmed.csv``: what arms scored in the search, and on fresh repeats."""
    results = results_of(plan.rows, Ledger(out))
    trials = {trial.arm.digest: trial for trial in search.finished if trial.state == "complete"}
    openings = len(json.loads((search.folder / "openings.json").read_text()))
    metric = plan.study.metric
    lines = []
    for arm in plan.study.arms:
        ended = [results[row.cell] for row in plan.rows if row.arm_digest == arm.digest and row.cell in results]
        ok = [result for result in ended if result.status == "ok"]
        trial = trials.get(arm.digest)
        complete = len(ok) == len(ended) > 0
        scores = {
            part: pd.Series([result.scores[part][metric] for result in ok], dtype=float).mean(skipna=False)
            for part in ("validation", "test")
        }
        lines.append(
            {
                "arm": arm.name,
                "number": trial.number if trial else None,
                "role": arm.role,
                "metric": metric,
                "search": trial.value(metric) if trial and metric in search.objectives else None,
                **{part: value if complete else None for part, value in scores.items()},
                "cells": len(ok),
                "openings": openings,
            }
        )
    table = pd.DataFrame(lines).astype({"number": "Int64"})
    write_atomically(search.folder / "confirmed.csv", lambda path: table.to_csv(path, index=False))


def forget_failed(folder: Path, ledger: Ledger) -> None:
    """Let a search go back to before its first failed trial, whose failed cells will be run again."""
    files = sorted((folder / "trials").glob("*.json"))
    records = [json.loads(path.read_text()) for path in files]
    first = next((i for i, record in enumerate(records) if record["state"] == "failed"), len(files))
    for path, record in list(zip(files, records, strict=True))[first:]:
        for digest, result in ledger.read_all(record["cells"]).items():
            if result.status != "ok":
                ledger.forget(digest)
        path.unlink()


def _run(searches: Sequence[Search], name: str, out: Path, listener: Listener, means: Means) -> None:
    """Feed the pool from searches in turn: the next begins when the one before leaves lanes idle."""
    if not searches:
        return
    tracker = Tracker(name, out, means.tracking_uri, sealed=True)
    if means.tracking_uri is not None:
        tracker.reach()
    followers = [_Follower(search, name, tracker, listener, means) for search in searches]
    asked = sum(len(s.of_reference) * max((s.spec.trials or 0) - s.proposed, 0) for s in searches)
    listener.planned(0, asked)

    def take() -> Cell | None:
        for follower in followers:
            cell = follower.search.take()
            follower.follow()
            if cell is not None:
                return cell
        return None

    first = searches[0]
    workers = make_workers(first.study, first.of_reference, out, means.cluster)
    for _, result in drive(take, Pool(workers, out, listener.stopping), listener):
        for follower in followers:
            follower.search.hear(result)
            follower.follow()
    for follower in followers:
        follower.close()


class _Follower:
    """Tells the rest of the world of every trial that ends: files, Optuna's storage, MLflow, the listener."""

    def __init__(self, search: Search, name: str, tracker: Tracker, listener: Listener, means: Means) -> None:
        self.search, self.tracker, self.listener = search, tracker, listener
        self.name = name if search.folder.name == SEARCHED else f"{name}/{search.space.reference.name}"
        self.store = OptunaStore(self.name, search.folder, means.storage)
        self.told = {trial.number for trial in search.finished}
        for trial in search.finished:  # the last driver may have died between a trial's end and its record in MLflow
            self._log(trial)
        self._write(whole=False)

    def follow(self) -> None:
        """Pass on the trials that have ended since the last call."""
        new = [trial for trial in self.search.finished if trial.number not in self.told]
        if not new:
            return
        for trial in new:
            self.told.add(trial.number)
            self._log(trial)
            self.listener.said(self._line(trial.number))
        write_trials(self.search)
        self._sync()

    def close(self) -> None:
        """Write what only a whole search can say."""
        self._sync()
        self._write(whole=True)
        finished = self.search.finished
        rows = [row for trial in finished for row in trial.rows]
        results = {cell: result for trial in finished for cell, result in trial.results.items()}
        self.tracker.close(rows, results)

    def _write(self, *, whole: bool) -> None:
        search = self.search
        judged = (search.finished if whole else [], search.space, search.objectives)
        front = pareto(*judged) if len(search.objectives) > 1 else []
        write_search(search, name=self.name, storage=self.store.address, importances=importances(*judged), front=front)
        write_trials(search)

    def _log(self, trial: Trial) -> None:
        for row in trial.rows:
            if row.cell in trial.results:
                self.tracker.log(row, trial.results[row.cell])

    def _sync(self) -> None:
        finished = self.search.finished
        unbroken = [trial for place, trial in enumerate(finished) if trial.number == place]  # numbers stay ours
        self.store.sync(unbroken, self.search.space, self.search.objectives)

    def _line(self, number: int) -> str:
        trial, best = self.search.trials[number], self.search.best()
        ended = f"{self.name}: trial {number} {trial.state}"
        if trial.state == "failed":
            return f"{ended}: {trial.reason}"
        scores = ", ".join(f"{name} {trial.value(name):.4g}" for name in self.search.objectives)
        so_far = f"; best: trial {best[0].number}, {best[0].value(self.search.objectives[0]):.4g}" if best else ""
        return f"{ended} after {trial.steps} of {len(trial.cells)} cells, {scores}{so_far}"
