"""Tuned ablations: every arm gets a search of equal size over its settings before arms are compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from search_spaces.arm import Arm
from search_spaces.designs import distinct
from search_spaces.space.space import corners, settings_space
from study.plan.plan import load_datasets
from study.plan.refusals import prepared_factors, refuse_impossible_arms
from study.run.engine import Means, make_folder
from study.run.listener import Listener
from study.search.record import write_tuning
from study.search.run import forget_failed_trials, run_searches
from study.search.search import Search, read_search
from study.spec.folder import OutFolder
from study.store.ledger import Ledger
from study.study_file.study import Study


def tune(study: Study, out: Path, listener: Listener, means: Means) -> Study | None:
    """Search the settings of every trained arm with the same budget; return the study with each arm at its best.

    Models of one's own are among them. Arms are tuned on repeats 0 .. t-1, and compared on later ones. None if the user
    stopped it before its end.
    """
    if study.tune is None:
        return study
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
    arms = distinct([_at_best(arm, search) for arm, search in searches])
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
        searches.append((arm, read_search(own, datasets, space, spec, ledger, OutFolder(out).tuning_of(arm.digest))))
    return searches


def _at_best(arm: Arm, search: Search | None) -> Arm:
    best = search.best() if search else []
    return replace(best[0].arm, name=arm.name, role=arm.role, budget=arm.budget) if best else arm
