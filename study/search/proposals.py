"""Proposes the arms of a search with Optuna, and says when a trial is not worth its next cell.

A proposal for trial n is drawn by a fresh sampler, seeded by (seed, n), from an in-memory Optuna study of what trial n
may know: warm trials, and what trials 0 .. n - parallel came to; those after them count as running. So the same search
proposes the same arms on any number of lanes, and after any number of kills.
"""

from __future__ import annotations

import itertools
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import optuna
from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as OptunaState

from components.core.errors import KnockoutError
from components.core.metrics import COSTS
from search_spaces.arm import Arm
from search_spaces.space.space import Space
from study.search.trial import Trial, objective
from study.spec.records import TrialState
from study.study_file.keys import Budgeted

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

Direction = Literal["minimize", "maximize"]

ATTEMPTS = 100  # draws of one trial before the space counts as exhausted
INFORMED = 10  # of these, how many ask the sampler before chance is optuna_trial


class _ActingTPE(optuna.samplers.TPESampler):
    """Optuna's TPE, which draws a group of parameters when the first of them is asked for.

    Optuna draws the settings of all levels, also of those that a trial has not chosen: of the 108 parameters of the
    space of all factors, a trial has about 20. What is drawn for a trial follows the same model.
    """

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return no parameter: none is drawn before it is asked for."""
        ended = study.get_trials(deepcopy=False, states=(OptunaState.COMPLETE, OptunaState.PRUNED))
        self._groups = {name: group for group in acting_together(ended) for name in group}
        self._drawn: dict[str, Any] = {}
        return {}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return a parameter, drawn together with those that act whenever it does."""
        if param_name in self._groups and param_name not in self._drawn:
            self._drawn |= self.sample_relative(study, trial, self._groups[param_name])
        if param_name in self._drawn:
            return self._drawn[param_name]
        return super().sample_independent(study, trial, param_name, param_distribution)


def acting_together(trials: Sequence[FrozenTrial]) -> list[dict[str, BaseDistribution]]:
    """Return the parameters of trials, in groups of those that stand in the same trials; what cannot vary is left out.

    They are the groups of Optuna's ``group=True``, which meets every trial anew in each proposal: the time of a search
    would grow as its trials squared.
    """
    kinds = list({tuple(trial.distributions): trial.distributions for trial in trials}.values())
    stands_in: dict[str, list[int]] = defaultdict(list)
    for number, distributions in enumerate(kinds):
        for name in distributions:
            stands_in[name].append(number)
    groups: dict[tuple[int, ...], dict[str, BaseDistribution]] = defaultdict(dict)
    for name, numbers in sorted(stands_in.items()):
        distribution = kinds[numbers[0]][name]
        if not distribution.single():
            groups[tuple(numbers)][name] = distribution
    return list(groups.values())


SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: _ActingTPE(seed=seed, multivariate=True, constant_liar=True),
    "gp": lambda seed: optuna.samplers.GPSampler(seed=seed),
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    # Optuna's population of 50 would make a search of the usual size a random one
    "nsga2": lambda seed: optuna.samplers.NSGAIISampler(seed=seed, population_size=16),
}

PRUNERS: dict[str, Callable[[int], BasePruner]] = {
    "wilcoxon": lambda cells: optuna.pruners.WilcoxonPruner(),
    "median": lambda cells: optuna.pruners.MedianPruner(),
    "hyperband": lambda cells: optuna.pruners.HyperbandPruner(min_resource=1, max_resource=cells),
    "none": lambda cells: optuna.pruners.NopPruner(),
}

STATES = {
    TrialState.COMPLETE: OptunaState.COMPLETE,
    TrialState.PRUNED: OptunaState.PRUNED,
    TrialState.FAILED: OptunaState.FAIL,
    TrialState.RUNNING: OptunaState.RUNNING,
}


class Proposal:
    """An arm that was proposed, with the Optuna trial in which its pruner judges it."""

    def __init__(self, arm: Arm, optuna_trial: optuna.Trial | None, prunes: bool) -> None:
        self.arm, self._optuna_trial, self._prunes = arm, optuna_trial, prunes

    def should_prune(self, step: int, value: float) -> bool:
        """Report the score of cell ``step``; return whether the pruner would stop the trial here."""
        if self._optuna_trial is None or not self._prunes:
            return False
        with quiet():
            self._optuna_trial.report(value, step)
            return self._optuna_trial.should_prune()

    @property
    def attrs(self) -> dict[str, Any]:
        """What sampler and pruner noted on the trial, for later proposals."""
        if self._optuna_trial is None:
            return {}
        trials = self._optuna_trial.study.get_trials(deepcopy=False)
        return dict(trials[self._optuna_trial.number].system_attrs)


class Proposer:
    """Proposes arms of a space, by trials of so many ``cells`` that are judged by objectives, the first one first."""

    def __init__(self, space: Space, spec: Budgeted, objectives: Sequence[str], cells: int) -> None:
        self.space, self.spec, self.objectives, self.cells = space, spec, tuple(objectives), cells
        self.prunes = len(objectives) == 1 and spec.pruner != "none" and cells > 1
        self._grid = space.grid(spec.grid_points)  # read once: what was tried need not be met again
        self._frozen: dict[tuple[int, bool], FrozenTrial] = {}  # by number, and whether seen

    def propose(self, number: int, before: Sequence[Trial]) -> Proposal | None:
        """Return the arm of trial ``number`` given all trials before it, or None when the space is exhausted.

        The first trial that is not warm is the reference, unless it is warm already.
        """
        known = {trial.arm.digest for trial in before}
        reference, grid = self.space.reference, self.spec.sampler == "grid"
        if grid or reference.digest not in known:
            given = next((arm for arm in itertools.chain([reference], self._grid) if arm.digest not in known), None)
            if given is None:
                return None
            return Proposal(given, self._given_trial(number, before, given), self.prunes)
        for attempt in range(ATTEMPTS):
            sampler = self.spec.sampler if attempt < INFORMED else "random"
            seed = int(np.random.SeedSequence([self.spec.seed, number, attempt]).generate_state(1)[0])
            with quiet():
                optuna_trial = self._view(number, before, SAMPLERS[sampler](seed)).ask()
                try:
                    arm = self.space.suggest(optuna_trial)
                except KnockoutError:  # settings that do not go together, as a level of a user's own may find
                    continue
            if arm.digest not in known:
                return Proposal(arm, optuna_trial, self.prunes)
        return None

    def _given_trial(self, number: int, before: Sequence[Trial], arm: Arm) -> optuna.Trial | None:
        """Return a trial of a view that was given its parameters, not drawn; None where nobody would look at it."""
        params = self.space.params_of(arm)
        if params is None or not self.prunes:
            return None
        with quiet():
            view = self._view(number, before, SAMPLERS["random"](0))
            view.enqueue_trial(params)
            optuna_trial = view.ask()
            self.space.suggest(optuna_trial)
        return optuna_trial

    def _view(self, number: int, before: Sequence[Trial], sampler: BaseSampler) -> optuna.Study:
        storage = optuna.storages.InMemoryStorage()
        view = optuna.create_study(
            storage=storage,
            study_name="view",  # Hyperband draws its brackets from name and number
            sampler=sampler,
            pruner=PRUNERS[self.spec.pruner](self.cells),
            directions=directions(self.objectives),
        )
        study = storage.get_study_id_from_name(view.study_name)
        for trial in before:
            if trial.params is not None:  # no sampler can learn from an arm without
                seen = trial.warm or trial.number <= number - self.spec.parallel
                storage.create_new_trial(study, self._shared(trial, seen=seen))
        return view

    def _shared(self, trial: Trial, *, seen: bool) -> FrozenTrial:
        """Return a trial in Optuna's form, the same object for every view: those before it are in each of them."""
        key = (trial.number, seen)
        if key not in self._frozen:
            shared = self._frozen[key] = _SharedTrial.__new__(_SharedTrial)
            shared.__dict__.update(frozen(trial, self.space, self.objectives, unseen=not seen).__dict__)
        return self._frozen[key]


class _SharedTrial(FrozenTrial):
    """A trial that Optuna's storages take up as it is, not as a copy; its place in every view is the same."""

    def __deepcopy__(self, memo: dict[int, Any]) -> _SharedTrial:
        return self


def frozen(trial: Trial, space: Space, objectives: Sequence[str], *, unseen: bool = False) -> FrozenTrial:
    """Return a trial in Optuna's form, as failed if it no longer counts.

    ``space`` is the one of now: it may have grown since the trial. An ``unseen`` trial is shown as running, whatever
    came of it.
    """
    params = trial.params
    state = OptunaState.RUNNING if unseen else STATES[trial.state]
    if not trial.counts:
        state = OptunaState.FAIL
    steps = {} if unseen else {i: objective(record, objectives[0]) for i, record in enumerate(trial.scored)}
    return create_trial(
        state=state,
        params=params or {},
        distributions=space.distributions_of(params) if params else {},
        values=[trial.value(name) for name in objectives] if state == OptunaState.COMPLETE else None,
        intermediate_values=steps if len(objectives) == 1 and state != OptunaState.FAIL else {},
        system_attrs={} if unseen else trial.attrs,
        user_attrs={"arm": trial.arm.digest, "warm": trial.warm, "reason": trial.reason},
    )


def directions(objectives: Sequence[str]) -> list[Direction]:
    """Return Optuna's direction of each objective: costs down, metrics up."""
    return ["minimize" if name in COSTS else "maximize" for name in objectives]


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna from announcing every trial and every experimental class."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)
