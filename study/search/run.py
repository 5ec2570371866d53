"""Runs a search, or one for every arm of a tuned ablation, and writes down every trial that ends."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from components.core.errors import KnockoutError, count
from search_spaces.arm import Arm
from search_spaces.designs import distinct
from search_spaces.space.space import corners, settings_space
from study.plan.plan import load_datasets
from study.plan.refusals import prepared_factors, refuse_impossible_arms
from study.run.engine import Means, drive, forget_failed, make_folder, make_workers
from study.run.listener import Listener
from study.run.pool import Pool
from study.search.optuna_store import OptunaStore, importances, pareto
from study.search.record import write_search, write_trials, write_tuning
from study.search.search import Search
from study.search.trial import Trial, read_trials
from study.spec.cell import Cell
from study.spec.folder import OutFolder, SearchFolder
from study.spec.records import TrialState
from study.store.ledger import Ledger
from study.store.tracking.runs import SEARCH
from study.store.tracking.tracker import Tracker
from study.study_file.study import Study

TABLE_EVERY = 20.0  # of the time that it takes to write the table of trials: for so long it is not written again


def open_search(study: Study, out: Path) -> Search:
    """Return the search that a study file asks for, as far as it has come in ``out``; nothing is written.

    Raises
    ------
    KnockoutError
        If the study has a design, or a level of the space cannot run, or be tested, on these data sets.
    """
    if study.search is None or study.space is None:
        raise KnockoutError("this study file has a design, no search.", where="search")
    datasets = load_datasets(study)
    trials = list(corners(study.space, prepared_factors()))
    refuse_impossible_arms(study, [study.reference], datasets, trials)
    return Search(study, datasets, study.space, study.search, Ledger(out), OutFolder(out).search).read()


def run_search(study: Study, out: Path, listener: Listener, means: Means) -> Search:
    """Run a search until its budget is spent; safe to stop and call again at any time."""
    search = open_search(study, out)  # nothing is written before the search is known to be sound
    make_folder(study, out, means)
    if means.retry_failed:
        forget_failed_trials(OutFolder(out).search, Ledger(out))
        search = open_search(study, out)
    for line in uncounted(search):
        listener.message(line)
    run_searches([search], study.name, out, listener, means)
    return search


def uncounted(search: Search) -> list[str]:
    """Say which stored trials do not count in a search as its study file is now."""
    lines = []
    if outside := len(search.ended) - len(search.finished):
        lines.append(f"{outside} stored trials do not count: their arms lie outside of the space as it is now")
    if search.stale:
        lines.append(
            f"{search.stale} stored trials were scored with other data, repeats or code: run starts the search anew, "
            "from the cells in the ledger"
        )
    return lines


def forget_failed_trials(folder: SearchFolder, ledger: Ledger) -> None:
    """Take a search back to before its first failed trial, whose failed cells will be run again."""
    records = read_trials(folder)
    first = next((i for i, record in enumerate(records) if record.state is TrialState.FAILED), len(records))
    for record in records[first:]:
        forget_failed(record.cells, ledger)
        folder.trial(record.number).unlink(missing_ok=True)


def run_searches(searches: Sequence[Search], name: str, out: Path, listener: Listener, means: Means) -> None:
    """Feed the pool from searches in turn: the next begins when the one before leaves lanes idle."""
    if not searches:
        return
    tracker = Tracker(name, out, means.tracking_uri, stage=SEARCH, say=listener.message)
    tracker.refuse_unknown()
    logs = [SearchLog(search, name, tracker, listener, means) for search in searches]
    logs[0].store.refuse_unknown()
    for log in logs:
        log.begin()
    trials = sum(len(s.reference_cells) * max((s.spec.trials or 0) - s.proposed, 0) for s in searches)
    listener.planned(0, trials)

    def take() -> Cell | None:
        for log in logs:
            cell = log.search.take()
            log.update()
            if cell is not None:
                return cell
        return None

    if not all(search.over for search in searches):
        workers = make_workers(searches[0].study, searches[0].reference_cells, out, means)
        for _, record in drive(take, Pool(workers, out, listener.stopping), listener, meanwhile=tracker.flush):
            for log in logs:
                log.search.end_cell(record)
                log.update()
        tracker.flush()  # one that was run once more, alone, ends last
    for log in logs:
        log.close()


class SearchLog:
    """Writes down every trial that ends: tables, Optuna's storage, MLflow, the listener."""

    def __init__(self, search: Search, study: str, tracker: Tracker, listener: Listener, means: Means) -> None:
        self.search, self.tracker, self.listener = search, tracker, listener
        self.name = study if search.study.search is not None else f"{study}/{search.space.reference.name}"
        self.store = OptunaStore(self.name, search.folder, means.storage, listener.message)
        self._table_due = 0.0

    def begin(self) -> None:
        """Bring everything up to date: the last driver may have died between a trial's end and its record in MLflow."""
        self.search.begin()
        for trial in self.search.finished:
            self._log(trial)
        self.tracker.flush()
        self._write(whole=False)

    def update(self) -> None:
        """Write down the trials that have ended since the last call."""
        ended = self.search.take_ended()
        if not ended:
            return
        for trial in ended:
            self._log(trial)
            self.listener.message(self._line(trial))
        if time.monotonic() >= self._table_due:
            self._write_table()
        self._sync()

    def close(self) -> None:
        """Write what only a whole search can say."""
        self._sync(last=True)
        self._write(whole=True)
        finished = self.search.finished
        rows = [cell.row for trial in finished for cell in trial.cells]
        records = {cell: record for trial in finished for cell, record in trial.records.items()}
        files = self.search.folder
        self.tracker.close(rows, records, [files.summary, files.trial_table] if self.search.study.search else [])

    def _write(self, *, whole: bool) -> None:
        search = self.search
        judged = (search.finished if whole else [], search.space, search.objectives)
        front = pareto(*judged) if len(search.objectives) > 1 else []
        write_search(search, name=self.name, storage=self.store.address, importances=importances(*judged), front=front)
        self._write_table()

    def _write_table(self) -> None:
        """Write all trials; the more there are, the longer until that is due again, for it to be a small share."""
        began = time.monotonic()
        write_trials(self.search)
        ended = time.monotonic()
        self._table_due = ended + TABLE_EVERY * (ended - began)

    def _log(self, trial: Trial) -> None:
        for cell in trial.cells:
            if cell.digest in trial.records:
                self.tracker.later(self.tracker.log, cell.row, trial.records[cell.digest])

    def _sync(self, *, last: bool = False) -> None:
        ended = self.search.ended
        unbroken = [trial for place, trial in enumerate(ended) if trial.number == place]  # numbers stay ours
        self.store.sync(unbroken, self.search.space, self.search.objectives, last=last)

    def _line(self, trial: Trial) -> str:
        best = self.search.best()
        ended = f"{self.name}: trial {trial.number} {trial.state}"
        if trial.state is TrialState.FAILED:
            return f"{ended}: {trial.reason}"
        scores = ", ".join(f"{name} {trial.value(name):.4g}" for name in self.search.objectives)
        so_far = f"; best: trial {best[0].number}, {best[0].value(self.search.objectives[0]):.4g}" if best else ""
        return f"{ended} after {trial.steps} of {count(len(trial.cells), 'cell')}, {scores}{so_far}"


def tune(study: Study, out: Path, listener: Listener, means: Means) -> Study | None:
    """Search the settings of every trained arm with the same budget; return the study with each arm at its best.

    Models of one's own are among them. Arms are tuned on repeats 0 .. t-1, and compared on later ones. None if the user
    stopped it before its end.
    """
    searches = open_tuning(study, out)  # nothing is written before the study is known to be sound
    make_folder(study, out, means)
    if means.retry_failed:
        for arm in study.arms:
            forget_failed_trials(OutFolder(out).tuning_of(arm.digest), Ledger(out))
        searches = open_tuning(study, out)
    run_searches([search for _, search in searches if search], study.name, out, listener, means)
    write_tuning(searches, OutFolder(out))
    if not all(search is None or search.over for _, search in searches):
        return None
    at_best = []
    for arm, search in searches:
        best = search.best() if search else []
        tuned = replace(best[0].arm, name=arm.name, role=arm.role, budget=arm.budget) if best else arm
        at_best.append(tuned)
    arms = distinct(at_best)
    return replace(study, arms=arms.arms, aliases={**study.aliases, **arms.aliases})


def open_tuning(study: Study, out: Path) -> list[tuple[Arm, Search | None]]:
    """Return each arm with its search as far as it has come, None where there is nothing to tune; writes nothing."""
    spec, ledger = study.tune, Ledger(out)
    assert spec is not None
    first = study.first_repeat - spec.repeats  # arms are compared on those after
    datasets, tuned_on = load_datasets(study), replace(study, repeats=spec.repeats, first_repeat=first)
    spaces = [
        settings_space(arm, spec.fixed, spec.vary, where="design.tune") if arm.tuned else None for arm in study.arms
    ]
    trials = [arm for space in spaces if space is not None for arm in corners(space, prepared_factors())]
    refuse_impossible_arms(tuned_on, study.arms, datasets, trials)
    searches: list[tuple[Arm, Search | None]] = []
    for arm, space in zip(study.arms, spaces, strict=True):
        if space is None or not space.parameters:
            searches.append((arm, None))
            continue
        own = replace(tuned_on, budget=tuned_on.budget_of(arm))
        search = Search(own, datasets, space, spec, ledger, OutFolder(out).tuning_of(arm.digest))
        searches.append((arm, search.read()))
    return searches
