"""Refuses what cannot run, before anything is trained: exams, and arms, that a data set cannot hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.core import registry
from components.core.dataset import Dataset
from components.core.errors import KnockoutError
from search_spaces.arm import Arm, arm_factors, canonical_json
from search_spaces.controls import told_of_expression
from study.study_file.study import Study
from study.train.exams import make_folds, make_split
from study.train.resources import contained, time_limit
from study.train.score import prepare
from study.train.stages.steps import acting_on

LONGEST_S = 60.0  # for one draw of a sampler, or to construct a method
PREPARED = ("negatives", "scorer", "bucketing")  # factors that are read before an arm is fitted
SEARCHED = " Leave it out of what the search varies, or narrow its range."


def refuse_impossible_exams(study: Study, datasets: Sequence[Dataset]) -> None:
    """Refuse data sets that cannot hold their exam, all of them at once: each of their cells would fail."""
    refusals: dict[int, str] = {}
    for position, (dataset, split) in enumerate(zip(datasets, study.splits, strict=True)):
        try:
            make_folds(dataset, split, study.first_repeat)
        except KnockoutError as error:
            refusals[position] = error.message
    _refuse(refusals, datasets)


def refuse_impossible_arms(
    study: Study, arms: Sequence[Arm], datasets: Sequence[Dataset], trials: Sequence[Arm] = ()
) -> None:
    """Refuse arms, and ``trials`` that a search may propose, that cannot run on a data set, or be tested on another.

    Each of their cells would fail.
    """
    refuse_tied_arms([*arms, *trials], datasets)
    preparing: dict[str, Arm] = {}
    for arm in (*arms, *trials):
        preparing.setdefault(_preparation(arm), arm)
    refusals: dict[int, str] = {}
    for position, (dataset, split) in enumerate(zip(datasets, study.splits, strict=True)):
        exam = make_split(dataset, split, study.first_repeat)
        for arm in preparing.values():
            with contained(), time_limit(LONGEST_S, kill=False):  # what fails otherwise fails in its cells
                try:
                    prepare(arm, dataset, exam, study.first_repeat)
                except KnockoutError as error:
                    cure = "" if arm in arms else SEARCHED
                    refusals.setdefault(position, f"arm {arm.name!r} cannot run: {error}{cure}")
    _refuse(refusals, datasets)


def prepared_factors() -> list[str]:
    """Return the factors that decide whether an arm can run: a trial is tried once per level and end of a range."""
    return [name for name in arm_factors() if name in PREPARED or registry.FACTORS[name].acts == "expression"]


def _preparation(arm: Arm) -> str:
    """Return what decides whether an arm can run: method, negatives, what both are shown, features by gene names."""
    named = getattr(arm.choices["bucketing"].cls, "named", False)
    read_first = [name for name in PREPARED if name not in arm.silenced and (named or name != "bucketing")]
    factors = (*read_first, *acting_on(arm, "expression"))
    # all settings: some, such as a limit, decide no outcome
    read = {name: (arm.choices[name].canonical, arm.choices[name].settings.model_dump(mode="json")) for name in factors}
    return canonical_json(read)


def _refuse(refusals: Mapping[int, str], datasets: Sequence[Dataset]) -> None:
    """Raise one error for all data sets that cannot do what is asked, given by position."""
    if refusals:
        names = {position: f"{datasets[position].name}: " if len(refusals) > 1 else "" for position in refusals}
        raise KnockoutError(
            " ".join(names[position] + message for position, message in refusals.items()),
            where=", ".join(f"datasets[{position}] ({datasets[position].name})" for position in refusals),
        )


def refuse_tied_arms(arms: Sequence[Arm], datasets: Sequence[Dataset]) -> None:
    """Refuse arms whose input another data set does not have, where a data set is tested by transfer."""
    transfers = [(position, dataset) for position, dataset in enumerate(datasets) if dataset.target is not None]
    for arm in arms if transfers else ():
        position, dataset = transfers[0]
        bucketing, tied = arm.choices["bucketing"], ""
        if told_of_expression(arm):
            levels: dict[str, Any] = dict(registry.levels("pair_features"))
            free = [name for name, cls in levels.items() if not hasattr(cls.Settings, "reads_expression")]
            tied = f"pair_features={arm.choices['pair_features'].level} reads the cells that were trained on. "
            tied += f"Levels that do not: {', '.join(free)}."
        elif "bucketing" not in arm.silenced and (to := bucketing.cls.tie(bucketing.settings)):
            free = [name for name, cls in registry.levels("bucketing").items() if not getattr(cls, "tied_to", "")]
            tied = f"bucketing={bucketing.title} is tied to {to}. "
            tied += f"Levels that are not: {', '.join(free)} (reference: {{bucketing: {free[0]}}})."
        if tied:
            message = f"arm {arm.name!r} cannot be tested on another data set: {tied}"
            raise KnockoutError(message, where=f"datasets[{position}].train_on, {dataset.name}")
