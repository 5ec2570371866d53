"""A search as the pool sees it: it gives the next cell, hears what came of it, and proposes the next arm."""

from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from components.core.dataset import Dataset
from components.core.metrics import COSTS
from search_spaces.space.space import Space
from study.plan.plan import lay_out
from study.search.proposals import Proposal, Proposer
from study.search.trial import State, Trial, TrialFiles, finish, objective, read_arm, take_recorded, warm_arms
from study.spec.files import write_atomically
from study.store.ledger import Ledger
from study.study_file.search_keys import Budgeted, objectives_of
from study.study_file.study import Study
from study.train.cell import Cell, Result

if TYPE_CHECKING:
    from search_spaces.arm import Arm

__all__ = ["Search"]


class Search:
    """One search over a space on a study's data sets.

    Parameters
    ----------
    study
        The study: data sets, exams, repeats and budget that trials are scored on.
    datasets
        Its data sets, read.
    space
        What is varied, around its reference arm.
    spec
        How it is searched.
    ledger
        Where finished cells are found, whichever study computed them.
    folder
        ``OUT/search``, or the folder of one arm's tuning.
    """

    def __init__(
        self, study: Study, datasets: Sequence[Dataset], space: Space, spec: Budgeted, ledger: Ledger, folder: Path
    ) -> None:
        self.study, self.datasets, self.space, self.spec = study, datasets, space, spec
        self.ledger, self.folder, self.files = ledger, folder, TrialFiles(folder)
        self.objectives = objectives_of(spec, study.metric)
        self.trials: dict[int, Trial] = {}
        self.forgotten = 0  # trials whose cells are of other code, data or repeats
        self.exhausted = False  # every arm of the space has been tried
        self._proposals: dict[int, Proposal] = {}
        self._open: dict[str, Trial] = {}  # cell digest to the trial that awaits it
        self._began, self._spent_before = time.monotonic(), self._read_clock()
        self._resume()
        self.of_reference = lay_out(study, datasets, [space.reference])[0]  # cells of one trial
        self.proposer = Proposer(space, spec, self.objectives, len(self.of_reference))

    def take(self) -> Cell | None:
        """Return the next cell: of a trial with none in flight, then of a new trial, then ahead of the pruner."""
        while True:
            running = [trial for trial in self.trials.values() if trial.state == "running"]
            idle = [trial for trial in running if not trial.sent - trial.results.keys()]
            if idle or not self._may_propose():
                rest = [(trial, cell) for trial in running for cell in trial.cells if cell.digest not in trial.sent]
                if not rest:
                    return None
                # few in flight first, then the oldest: later trials wait for it
                trial, cell = min(rest, key=lambda pair: (len(pair[0].sent) - len(pair[0].results), pair[0].number))
                trial.sent.add(cell.digest)
                return cell
            if not self._propose():
                continue

    def hear(self, result: Result) -> None:
        """Score a cell that has ended; end its trial if this was the last one, or the pruner gives it up."""
        trial = self._open.pop(result.cell, None)
        if trial is None:
            return
        trial.results[result.cell] = result
        trial.sent.add(result.cell)
        if trial.state == "running":
            self._advance(trial)

    @property
    def proposed(self) -> int:
        """How many trials were proposed: all but the warm ones."""
        return sum(not trial.warm for trial in self.trials.values())

    @property
    def finished(self) -> list[Trial]:
        """Trials that have ended, by number."""
        return [trial for _, trial in sorted(self.trials.items()) if trial.state != "running"]

    @property
    def over(self) -> bool:
        """Whether every trial that the budget allows has ended."""
        return not self._may_propose() and all(trial.state != "running" for trial in self.trials.values())

    def best(self, n: int = 1) -> list[Trial]:
        """Return the best complete trials by the first objective, the earliest first among equals."""
        complete = [trial for trial in self.finished if trial.state == "complete"]
        sign = 1.0 if self.objectives[0] in COSTS else -1.0
        return sorted(complete, key=lambda trial: (sign * trial.value(self.objectives[0]), trial.number))[:n]

    def _may_propose(self) -> bool:
        number = len(self.trials)
        awaited = [t for t in self.trials.values() if t.state == "running" and t.number <= number - self.spec.parallel]
        return not (self.exhausted or awaited or self._spent())

    def _spent(self) -> bool:
        if self.spec.trials is not None:
            return self.proposed >= self.spec.trials
        return self.spec.hours is not None and self.clock >= 3600 * self.spec.hours

    @property
    def clock(self) -> float:
        """Seconds that this search has taken, all calls together."""
        return self._spent_before + time.monotonic() - self._began

    def _propose(self) -> bool:
        number = len(self.trials)
        proposal = self.proposer.propose(number, [self.trials[i] for i in range(number)])
        if proposal is None:
            self.exhausted = True
            return False
        trial = self._new(number, proposal.arm)
        self.trials[number], self._proposals[number] = trial, proposal
        take_recorded(trial, self.ledger)
        trial.sent |= trial.results.keys()
        self._open |= {cell.digest: trial for cell in trial.cells if cell.digest not in trial.results}
        self._advance(trial)
        return True

    def _new(self, number: int, arm: Arm, *, warm: bool = False) -> Trial:
        cells, rows = lay_out(self.study, self.datasets, [arm])
        return Trial(number, arm, cells, rows, warm=warm)

    def _advance(self, trial: Trial) -> None:
        """Score the cells that have come in, in the fixed order, until one is awaited or the trial has ended."""
        proposal = self._proposals[trial.number]
        while (result := trial.next_step()) is not None:
            if result.status != "ok" or math.isnan(sum(objective(result, name) for name in self.objectives)):
                return self._end(trial, "failed", result.reason or f"{self.objectives[0]} is undefined")
            trial.steps += 1
            hopeless = proposal.hopeless(trial.steps - 1, objective(result, self.objectives[0]))
            if trial.steps == len(trial.cells):
                return self._end(trial, "complete")
            if hopeless:
                return self._end(trial, "pruned")
        return None

    def _end(self, trial: Trial, state: State, reason: str = "") -> None:
        trial.state, trial.reason = state, reason
        trial.attrs = self._proposals.pop(trial.number).attrs
        trial.sent = {cell.digest for cell in trial.cells}  # those not sent yet are not needed
        self.files.write(trial)
        text = json.dumps({"seconds": self.clock})
        write_atomically(self.folder / "clock.json", lambda path: path.write_text(text))

    def _read_clock(self) -> float:
        try:
            return float(json.loads((self.folder / "clock.json").read_text())["seconds"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return 0.0

    def _resume(self) -> None:
        """Take up the finished trials on disk, or those that the ledger makes warm where there are none.

        Numbers have no gap: from the first trial on that was in flight when the last call died, trials are proposed
        again. They are the same, and what is in the ledger of them costs nothing.
        """
        records = self.files.read()
        for record in records:
            number = int(record["number"])
            trial = self._new(number, read_arm(record["choices"], self.space.reference, f"trial {number}"))
            trial.state, trial.warm, trial.steps = record["state"], record["warm"], record["steps"]
            trial.reason, trial.attrs = record["reason"], record["attrs"]
            if record["cells"] != [cell.digest for cell in trial.cells] or not finish(trial, self.ledger):
                self.forgotten, self.trials = len(records), {}
                self.files.drop()
                break
            self.trials[number] = trial
        if not self.trials:
            self._warm_up()
        unbroken = itertools.takewhile(self.trials.__contains__, itertools.count())
        self.trials = {number: self.trials[number] for number in unbroken}

    def _warm_up(self) -> None:
        """Count arms as trials whose every cell the ledger holds, whichever study computed them."""
        for choices in warm_arms(self.ledger.identities()):
            number = len(self.trials)
            arm = read_arm(choices, self.space.reference, f"trial {number}")
            if self.space.params_of(arm) is None:
                continue
            trial = self._new(number, arm, warm=True)
            trial.steps = len(trial.cells)
            if not finish(trial, self.ledger) or any(r.status != "ok" for r in trial.results.values()):
                continue
            trial.state = "complete"
            self.trials[number] = trial
            self.files.write(trial)
