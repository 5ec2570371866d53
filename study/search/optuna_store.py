"""Keeps a search in an Optuna storage, for optuna-dashboard and notebooks: a picture of it, the ledger is the truth."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.study import StudyDirection
from sqlalchemy.exc import ArgumentError

from components.core.errors import KnockoutError, brief, redact
from search_spaces.space.space import Space
from study.search.proposals import directions, frozen, quiet
from study.search.trial import Trial
from study.spec.files import set_aside
from study.spec.folder import SearchFolder
from study.store.locks import hold

FEWEST = 10  # complete trials below which an importance would be noise
BEST_SHARE, BEST_FEWEST = 0.1, 5  # of the complete trials: what importances set apart from the rest
RETRY_S = 300.0  # for so long a storage that failed is left alone


class OptunaStore:
    """The Optuna study of one search; it ends no search that it fails.

    ``url`` is that of any RDB that Optuna knows: ``sqlite:///trials.db``, ``postgresql://...``.
    """

    def __init__(
        self,
        name: str,
        folder: SearchFolder,
        url: str | None = None,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.name, self.folder, self.url, self._say = name, folder, url, say
        self._warned, self._failed = False, float("-inf")
        self._opened: BaseStorage | None = None  # kept: a new one would read all trials anew

    @property
    def address(self) -> str:
        """What ``optuna-dashboard`` is given to show this study, without a password."""
        return redact(self.url, self.url) if self.url else str(self.folder.journal)

    def refuse_unknown(self) -> None:
        """Refuse a URL that Optuna has no storage for, before anything is trained."""
        try:
            if self.url is not None:
                with quiet():
                    optuna.storages.get_storage(self.url)
        except (ArgumentError, ImportError, ValueError) as error:
            message = f"Optuna cannot use this storage: {brief(error, self.url or '')}"
            raise KnockoutError(message, where=f"--storage {self.address}") from None
        except Exception as error:
            self._fail(error)

    def sync(self, trials: Sequence[Trial], space: Space, objectives: Sequence[str], *, last: bool = False) -> None:
        """Add the finished trials that the storage lacks; make its study anew where it shows another space.

        A journal that cannot be read is set aside. What fails is said once, and tried again later, or if this call is
        the ``last``.
        """
        if time.monotonic() - self._failed < RETRY_S and not last:
            return
        try:
            self.folder.root.mkdir(parents=True, exist_ok=True)
            with hold(self.folder.journal_lock), quiet():  # two drivers would add a trial twice
                try:
                    self._add(trials, space, objectives)
                except Exception as error:
                    self._opened = None
                    if not self._set_aside(error):
                        raise
                    self._add(trials, space, objectives)
        except Exception as error:  # of Optuna, a database, a file system: none of them is the search's
            self._fail(error)
        else:
            self._failed = float("-inf")

    def _fail(self, error: Exception) -> None:
        self._failed, self._opened = time.monotonic(), None
        if not self._warned:
            self._warned = True
            self._say(
                f"warning: the Optuna storage at {self.address} is not complete: {brief(error, self.url or '')} The "
                "search goes on; its trials are in its folder. The same command sends later what is missing."
            )

    def _set_aside(self, error: Exception) -> bool:
        """Rename a journal that Optuna cannot read; return whether there was one."""
        journal = self.folder.journal
        if self.url is not None or (isinstance(error, OSError) and not journal.is_dir()) or not journal.exists():
            return False
        self._say(f"{journal.name} cannot be read ({brief(error)}). It is {set_aside(journal)} now; a new one is made.")
        return True

    def _add(self, trials: Sequence[Trial], space: Space, objectives: Sequence[str]) -> None:
        study = self._study(space, objectives, [trial.arm.digest for trial in trials])
        for trial in trials[len(study.get_trials(deepcopy=False)) :]:
            study.add_trial(frozen(trial, space, objectives))

    def _study(self, space: Space, objectives: Sequence[str], ours: Sequence[str]) -> optuna.Study:
        storage = self._storage()
        if self.name in optuna.get_all_study_names(storage):
            study = optuna.load_study(study_name=self.name, storage=storage)
            stored = [trial.user_attrs.get("arm") for trial in study.get_trials(deepcopy=False)]
            as_now = study.user_attrs.get("space") == space.digest
            if as_now and stored == list(ours[: len(stored)]) and study.metric_names == list(objectives):
                return study
            optuna.delete_study(study_name=self.name, storage=storage)  # Optuna refuses a space that grows
        study = optuna.create_study(storage=storage, study_name=self.name, directions=directions(objectives))
        study.set_metric_names(list(objectives))
        study.set_user_attr("space", space.digest)
        return study

    def _storage(self) -> BaseStorage:
        if self._opened is None or (self.url is None and not self.folder.journal.exists()):
            if self.url is None:
                journal = str(self.folder.journal)
                lock = JournalFileOpenLock(journal, grace_period=10)  # of a driver that was killed holding it
                self._opened = JournalStorage(JournalFileBackend(journal, lock_obj=lock))
            else:
                self._opened = optuna.storages.get_storage(self.url)
        return self._opened


def importances(trials: Sequence[Trial], space: Space, objectives: Sequence[str]) -> list[dict[str, Any]]:
    """Say what share each parameter has in setting the best trials apart (conditional PED-ANOVA).

    Sources: Watanabe et al. 2023; Optuna 5's form for parameters that act beside some levels only, Hamano et al. 2026
    (arXiv 2601.20800). The best are a tenth of the complete trials, and at least five. A parameter that fewer than ten
    of them have is left out.
    """
    rows: list[dict[str, Any]] = []
    complete = [frozen(trial, space, objectives) for trial in trials if trial.complete and trial.params is not None]
    if len(complete) < FEWEST:
        return rows
    having = {p.name: sum(p.name in known.params for known in complete) for p in space.parameters}
    names = [name for name, count in having.items() if count >= FEWEST]
    with quiet():
        study = optuna.create_study(directions=directions(objectives))
        study.add_trials(complete)
        for position, name in enumerate(objectives):
            sign = -1.0 if study.directions[position] == StudyDirection.MAXIMIZE else 1.0
            shares = _shares(study, names, position, sign)
            rows += [
                {
                    "objective": name,
                    "parameter": parameter,
                    "importance": share,
                    "trials": having[parameter],
                    "given": "" if having[parameter] == len(complete) else _given(parameter),
                }
                for parameter, share in shares.items()
            ]
    return rows


def _shares(study: optuna.Study, names: list[str], position: int, sign: float) -> dict[str, float]:
    """Return the importance of parameters as shares of 1; none where the objective never changes."""
    trials = study.get_trials(deepcopy=False)
    if not names or len({trial.values[position] for trial in trials}) == 1:
        return {}
    best = max(BEST_SHARE, BEST_FEWEST / len(trials))
    values = optuna.importance.get_param_importances(
        study,
        evaluator=optuna.importance.PedAnovaImportanceEvaluator(target_quantile=best),
        params=names,
        target=lambda trial: sign * trial.values[position],  # lower is better there
        normalize=False,
    )
    total = sum(values.values())
    return {name: value / total for name, value in values.items()} if total > 0 else {}


def _given(name: str) -> str:
    factor, *rest = name.split(".")
    return f"{factor}={rest[0]}" if rest else f"{factor} acts"


def pareto(trials: Sequence[Trial], space: Space, objectives: Sequence[str]) -> list[int]:
    """Return the numbers of the complete trials that no other beats in every objective."""
    complete = [trial for trial in trials if trial.complete]
    with quiet():
        study = optuna.create_study(directions=directions(objectives))
        study.add_trials([frozen(trial, space, objectives) for trial in complete])
        return [complete[best.number].number for best in study.best_trials]
