"""A search as the pool sees it: it gives the next cell, takes the record of each that ends, and proposes arms."""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Sequence
from dataclasses import replace

from components.core.dataset import Dataset
from components.core.errors import KnockoutError
from components.core.metrics import COSTS
from search_spaces.arm import Arm
from search_spaces.space.space import Space
from study.plan.plan import lay_out
from study.search.proposals import Proposal, Proposer
from study.search.trial import Trial, objective, read_arm, read_trials, recorded_arms, write_trial
from study.spec.cell import Cell
from study.spec.files import write_text
from study.spec.folder import SearchFolder
from study.spec.records import (
    CellRecord,
    ClockRecord,
    SearchRecord,
    TrialRecord,
    TrialState,
    read_if_sound,
)
from study.store.ledger import Ledger
from study.store.time_left import budget_is_spent
from study.study_file.keys import Budgeted, objectives_of
from study.study_file.study import Study


class Search:
    """One search over a space on a study's data sets; :meth:`read` finds out how far it has come."""

    def __init__(
        self,
        study: Study,
        datasets: Sequence[Dataset],
        space: Space,
        spec: Budgeted,
        ledger: Ledger,
        folder: SearchFolder,
    ) -> None:
        self.study, self.datasets, self.space, self.spec = study, datasets, space, spec
        self.ledger, self.folder = ledger, folder
        self.objectives = objectives_of(spec, study.metric)
        self.trials: dict[int, Trial] = {}
        self.stale = 0  # stored trials that were scored on other data, repeats or code
        self.exhausted = False  # every arm of the space has been tried
        self.reference_cells = lay_out(study, datasets, [space.reference])  # cells of one trial
        self.proposer = Proposer(space, spec, self.objectives, len(self.reference_cells))
        self._proposals: dict[int, Proposal] = {}
        self._open: dict[str, Trial] = {}  # cell digest to the trial that awaits it
        self._running: dict[int, Trial] = {}
        self._just_ended: list[Trial] = []
        self.proposed = 0  # trials that count, but the warm ones
        self._began, self._spent_before = time.monotonic(), 0.0

    def begin(self) -> None:
        """Bring the files up to date before the first cell: remove stale trials, record warm ones."""
        if self.stale:
            for path in self.folder.trials.glob("*.json"):
                path.unlink(missing_ok=True)
        for trial in self.ended:
            if not self.folder.trial(trial.number).exists():
                write_trial(trial, self.folder)

    def take(self) -> Cell | None:
        """Return the next cell: of a trial with none in flight, then of a new trial, then ahead of the pruner."""
        while True:
            running = list(self._running.values())
            idle = [trial for trial in running if not trial.sent - trial.records.keys()]
            if idle or not self._may_propose():
                rest = [(trial, cell) for trial in running for cell in trial.cells if cell.digest not in trial.sent]
                if not rest:
                    return None
                # few in flight first, then the oldest: later trials wait for it
                trial, cell = min(rest, key=lambda pair: (len(pair[0].sent) - len(pair[0].records), pair[0].number))
                trial.sent.add(cell.digest)
                return cell
            self._propose()

    def end_cell(self, record: CellRecord) -> None:
        """Score a cell that has ended; end its trial if this was the last one, or the pruner gives it up."""
        trial = self._open.pop(record.cell, None)
        if trial is None:
            return
        trial.records[record.cell] = record
        trial.sent.add(record.cell)
        if trial.running:
            self._advance(trial)

    @property
    def counted(self) -> list[Trial]:
        """Trials of arms of the space, by number; those of a wider space that was searched here before do not count."""
        return [trial for trial in self.trials.values() if trial.counts]

    @property
    def ended(self) -> list[Trial]:
        """Trials that have ended, by number, those outside of the space included."""
        return [trial for trial in self.trials.values() if not trial.running]

    @property
    def finished(self) -> list[Trial]:
        """Trials that count and have ended, by number."""
        return [trial for trial in self.counted if not trial.running]

    @property
    def over(self) -> bool:
        """Whether every trial that the budget allows has ended."""
        return not self._may_propose() and not self._running

    def best(self, n: int = 1) -> list[Trial]:
        """Return the best complete trials by the first objective, the earliest first among equals."""
        complete = [trial for trial in self.finished if trial.complete]
        sign = 1.0 if self.objectives[0] in COSTS else -1.0
        return heapq.nsmallest(n, complete, key=lambda trial: (sign * trial.value(self.objectives[0]), trial.number))

    def take_ended(self) -> list[Trial]:
        """Return the trials that have ended since the last call, by number."""
        ended, self._just_ended = sorted(self._just_ended, key=lambda trial: trial.number), []
        return ended

    @property
    def clock(self) -> float:
        """Seconds that this search has taken, all calls together."""
        return self._spent_before + time.monotonic() - self._began

    def read(self) -> Search:
        """Take up the search as far as it has come: its finished trials, or those that the ledger makes warm.

        Nothing is written or removed; :meth:`begin` does that. Numbers have no gap: from the first trial on that was
        in flight when the last call died, trials are proposed again. They are the same, and their cells in the ledger
        cost nothing.

        Raises
        ------
        KnockoutError
            If the folder holds the search of another study.
        """
        record, name = read_if_sound(self.folder.summary, SearchRecord), self.study.name
        if record is not None and record.study != name and not record.study.startswith(f"{name}/"):
            raise KnockoutError(
                f"the folder holds the search {record.study!r}, and this study is {name!r}. Give it a folder of its "
                "own with --out.",
                where=str(self.folder.root),
            )
        records = read_trials(self.folder)
        trials = [trial for trial in map(self._stored_trial, records) if trial is not None]
        if len(trials) < len(records):
            self.stale, trials = len(records), []
        trials = trials or self._warm_trials()
        self.trials = {trial.number: trial for place, trial in enumerate(trials) if trial.number == place}
        self.proposed = sum(trial.counts and not trial.warm for trial in self.trials.values())
        clock = read_if_sound(self.folder.clock, ClockRecord)
        self._spent_before = clock.seconds if clock else 0.0
        return self

    def new_trial(self, number: int, arm: Arm, *, warm: bool = False) -> Trial:
        """Return a trial of an arm on the search's data sets and repeats, not yet part of the search."""
        arm = replace(arm, name=f"trial {number}")
        cells = lay_out(self.study, self.datasets, [arm])
        params = self.space.params_of(arm)
        counts = params is not None or arm.digest == self.space.reference.digest
        return Trial(number, arm, cells, warm=warm, counts=counts, params=params)

    def _may_propose(self) -> bool:
        number = len(self.trials)
        awaited = [n for n in self._running if n <= number - self.spec.parallel]
        spent = budget_is_spent(self.spec.trials, self.spec.hours, proposed=self.proposed, seconds=self.clock)
        return not (self.exhausted or awaited or spent)

    def _propose(self) -> None:
        number = len(self.trials)
        proposal = self.proposer.propose(number, self.counted)
        if proposal is None:
            self.exhausted = True
            return
        trial = self.new_trial(number, proposal.arm)
        self.trials[number], self._running[number], self._proposals[number] = trial, trial, proposal
        self.proposed += trial.counts
        trial.take_recorded(self.ledger)
        trial.sent |= trial.records.keys()
        self._open |= {cell.digest: trial for cell in trial.cells if cell.digest not in trial.records}
        self._advance(trial)

    def _advance(self, trial: Trial) -> None:
        """Score the cells that have come in, in the fixed order, until one is awaited or the trial has ended."""
        proposal = self._proposals[trial.number]
        while trial.steps < len(trial.cells) and (record := trial.records.get(trial.cells[trial.steps].digest)):
            if not record.ok or math.isnan(sum(objective(record, name) for name in self.objectives)):
                return self._end(trial, TrialState.FAILED, record.reason or f"{self.objectives[0]} is undefined")
            trial.steps += 1
            prune = proposal.should_prune(trial.steps - 1, objective(record, self.objectives[0]))
            if trial.steps == len(trial.cells):
                return self._end(trial, TrialState.COMPLETE)
            if prune:
                return self._end(trial, TrialState.PRUNED)
        return None

    def _end(self, trial: Trial, state: TrialState, reason: str = "") -> None:
        trial.state, trial.reason = state, reason
        self._just_ended.append(self._running.pop(trial.number))
        trial.attrs = self._proposals.pop(trial.number).attrs
        trial.sent = {cell.digest for cell in trial.cells}  # those not sent yet are not needed
        write_trial(trial, self.folder)
        write_text(self.folder.clock, ClockRecord(seconds=self.clock).text())

    def _stored_trial(self, record: TrialRecord) -> Trial | None:
        """Return a recorded trial; None if its cells are of other data, repeats or code, or no longer in the ledger."""
        trial = self.new_trial(record.number, read_arm(record.choices, self.space.reference), warm=record.warm)
        trial.state, trial.steps, trial.reason, trial.attrs = record.state, record.steps, record.reason, record.attrs
        if record.cells != [cell.digest for cell in trial.cells] or not trial.take_recorded(self.ledger):
            return None
        return trial

    def _warm_trials(self) -> list[Trial]:
        """Return arms of the space whose every cell the ledger holds, whichever study computed them."""
        trials: list[Trial] = []
        for choices in recorded_arms(self.ledger):
            trial = self.new_trial(len(trials), read_arm(choices, self.space.reference), warm=True)
            if trial.params is None:
                continue
            trial.steps = len(trial.cells)
            if trial.take_recorded(self.ledger) and all(record.ok for record in trial.records.values()):
                trial.state = TrialState.COMPLETE
                trials.append(trial)
        return trials
